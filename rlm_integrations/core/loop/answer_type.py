"""The type of a run's answer: str, or anything pydantic can validate."""

from __future__ import annotations

import re
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError
from pydantic_core import SchemaError

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.wording import FOREIGN_CHARS, number, one_line

_JSON_FENCE = re.compile(r"^```(?:json)?[ \t]*\n(.*?)\n```$", re.DOTALL | re.IGNORECASE)
_SHOWN_PROBLEMS = 3
_PLACE_CHARS = 60  # a name in an answer must not crowd out what is wrong with it
_PROBLEM_CHARS = 200
_MORE_CHARS = 30


class AnswerType:
    """Checks and reads answers. Raises InvalidArgumentError for a type that has no schema."""

    def __init__(self, answer_type: Any | None) -> None:
        self._adapter: TypeAdapter[Any] | None = None
        self.schema: dict[str, Any] | None = None
        if answer_type is None or answer_type is str:
            return
        try:
            self._adapter = TypeAdapter(answer_type)
            self.schema = self._adapter.json_schema()
        except (PydanticUserError, PydanticUndefinedAnnotation, SchemaError) as error:
            problem = str(error).splitlines()[0]
            raise InvalidArgumentError(
                f"answer_type: {answer_type!r} has no JSON schema ({problem}); pass a pydantic model, a dataclass, "
                "a TypedDict or a type such as list[str]"
            ) from error

    def misfit(self, text: str, is_json: bool) -> str | None:
        """Why the text does not fit, in words for the root LM; None where it does."""
        if self._adapter is None:
            return None
        try:
            self._read(self._adapter, text, is_json)
        except ValidationError as error:
            return _misfit_words(error)
        except Exception as error:  # a validator of the user's own, which did not expect such a value
            return one_line(f"{type(error).__name__}: {error}")
        return None

    def read(self, text: str, is_json: bool) -> Any:
        """The value of an answer that fits."""
        return text if self._adapter is None else self._read(self._adapter, text, is_json)

    def text(self, text: str, is_json: bool) -> str:
        """The answer as text: JSON of the validated value where there is a type."""
        if self._adapter is None:
            return text
        return self._adapter.dump_json(self._read(self._adapter, text, is_json)).decode()

    @staticmethod
    def _read(adapter: TypeAdapter[Any], text: str, is_json: bool) -> Any:
        if is_json:
            return adapter.validate_json(text)
        try:
            return adapter.validate_python(text)  # a str may be just what is wanted, an enum or a date for instance
        except Exception:  # the user's own validators raise what they will
            fenced = _JSON_FENCE.match(text.strip())
            return adapter.validate_json(fenced[1] if fenced else text)


def _misfit_words(error: ValidationError) -> str:
    """The first of the problems, each with its place, as many as fit into one line of FOREIGN_CHARS characters."""
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    shown: list[str] = []
    for problem in problems[:_SHOWN_PROBLEMS]:
        place = one_line(".".join(map(str, problem["loc"])), _PLACE_CHARS) or "answer"
        words = f"{place}: {one_line(problem['msg'], _PROBLEM_CHARS)}"
        if shown and len("; ".join([*shown, words])) > FOREIGN_CHARS - _MORE_CHARS:
            break
        shown.append(words)
    more = len(problems) - len(shown)
    return "; ".join(shown) + (f"; and {number(more)} more" if more else "")
