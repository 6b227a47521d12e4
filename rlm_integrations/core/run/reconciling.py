"""Two answers to one question: whether they are the same, and what a third run is asked where they are not."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Awaitable, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from rlm_integrations.core.language_model import Message
from rlm_integrations.core.loop.answer_type import AnswerType
from rlm_integrations.core.prompts.fences import fence_tag
from rlm_integrations.core.prompts.texts import fill
from rlm_integrations.core.run.checks import Check
from rlm_integrations.core.trace.result import RLMResult
from rlm_integrations.core.wording import one_line, shortened
from rlm_integrations.frozen import frozen

_ANSWER_CHARS = 4_000
_CITATIONS = 10
_QUOTE_CHARS = 200
_NORMALIZED_CHARS = 2_000
"""Of a text that is normalized: to order the marks of one letter takes the square of their number."""
_FOLDED_CHARS = 100_000
"""Of a text whose case and white space are left out of account."""
_QUOTES = "*_`\"'“”‘’«»"


class Verdict(BaseModel):
    """What a third run says of the answers of two. The schema is what its root LM sees."""

    model_config = ConfigDict(extra="forbid")

    verdict: Literal["same", "first", "second", "neither"]
    why: str = Field(description="one sentence")
    answer: Any = Field(default=None, description='the right answer; only where the verdict is "neither"')


def same_answer(first: RLMResult[Any], second: RLMResult[Any]) -> bool:
    """Values by value; texts but for case, white space, quotes around them and a full stop at their end, unless they
    are very long.
    """
    if isinstance(first.answer, str) and isinstance(second.answer, str):
        return _plain(first.answer) == _plain(second.answer)
    try:
        return bool(first.answer == second.answer)
    except Exception:  # a class of the user's may compare as it likes
        return first.text == second.text


def _plain(text: str) -> str:
    if len(text) > _FOLDED_CHARS:
        return text
    normal = unicodedata.normalize("NFKC", text) if len(text) <= _NORMALIZED_CHARS else text
    words = " ".join(normal.casefold().split())
    return words.strip(_QUOTES).rstrip(f".! {_QUOTES}")


@frozen
class Reconciling:
    """What the third run is asked, and how what it says is read. `answer_type` is that of the two."""

    first: RLMResult[Any]
    second: RLMResult[Any]
    answer_type: AnswerType
    fence_key: bytes

    def question(self, asked: str | Sequence[Message], message_chars: int) -> list[Message]:
        """The question with both answers below it; below an overlong one they are a message of their own."""
        messages = [Message("user", asked)] if isinstance(asked, str) else list(asked)
        last = max(place for place, message in enumerate(messages) if message.role == "user")
        question, told = messages[last].content, self._told()
        if len(question) + len(told) > message_chars:
            return [*messages[: last + 1], Message("user", told), *messages[last + 1 :]]
        return [*messages[:last], Message("user", f"{question}\n\n{told}"), *messages[last + 1 :]]

    def _told(self) -> str:
        first, second = _shown(self.first), _shown(self.second)
        schema = self.answer_type.schema
        return fill(
            "reconcile",
            first=first,
            second=second,
            first_tag=fence_tag(self.fence_key, "first", first),
            second_tag=fence_tag(self.fence_key, "second", second),
            schema="" if schema is None else f" (JSON of this schema: {json.dumps(schema, ensure_ascii=False)})",
        )

    def verdict_type(self) -> AnswerType:
        """The type of what the third run answers: an answer of its own is of the type of the two."""

        def fits(verdict: Verdict) -> Verdict:
            if verdict.verdict == "neither":
                if self.answer_type.schema is None and not (isinstance(verdict.answer, str) and verdict.answer.strip()):
                    raise ValueError('answer: the verdict "neither" needs the right answer, as a str')
                if (misfit := self.answer_type.misfit(*_as_text(verdict.answer))) is not None:
                    raise ValueError(misfit)
            return verdict

        return AnswerType(Annotated[Verdict, AfterValidator(fits)])

    def own_answer(self, verdict: Verdict) -> tuple[Any, str]:
        """The value and the text of the answer that the third run gives in place of both."""
        text, is_json = _as_text(verdict.answer)
        return self.answer_type.read(text, is_json), self.answer_type.text(text, is_json)

    def checks(self, checks: Sequence[Check]) -> tuple[Check, ...]:
        """The user's, of an answer of the third run's own; the others have been looked at."""
        return tuple(Check(check.name, self._of_own(check)) for check in checks)

    def _of_own(self, check: Check) -> Any:
        def checked(verdict: Verdict, result: RLMResult[Any]) -> Awaitable[str | None] | str | None:
            if verdict.verdict != "neither":
                return None
            answer, text = self.own_answer(verdict)
            return check.function(answer, replace(result, answer=answer, text=text))

        return checked


def _as_text(value: Any) -> tuple[str, bool]:
    return (value, False) if isinstance(value, str) else (json.dumps(value, ensure_ascii=False), True)


def _shown(result: RLMResult[Any]) -> str:
    lines = [shortened(result.text, _ANSWER_CHARS)]
    if result.citations:
        lines.append("It cited:")
    for cited in result.citations[:_CITATIONS]:
        document = f"{one_line(cited.document_id, _QUOTE_CHARS)}: " if cited.document_id else ""
        lines.append(f"- {document}“{one_line(cited.cited_text, _QUOTE_CHARS)}”")
    return "\n".join(lines)
