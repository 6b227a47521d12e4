"""The type of a run's answer: str, or anything pydantic can validate."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from functools import cached_property
from math import isfinite
from typing import Any, Protocol

from pydantic import TypeAdapter, ValidationError

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.loop.later_lines import takes_back
from rlm_integrations.core.loop.lost_values import THOUSANDS, lost_value
from rlm_integrations.core.loop.near_json import has_gap, json_among, unlike_fields, unwrapped
from rlm_integrations.core.loop.plain_value import bare, plain_values, value_among
from rlm_integrations.core.loop.watched_reading import AlikeError, WatchedReader, as_in_the_type
from rlm_integrations.core.wording import FOREIGN_CHARS, error_words, number, one_line, value_words

_SHOWN_PROBLEMS = 3
_PLACE_CHARS = 60  # a name in an answer must not crowd out what is wrong with it
_PROBLEM_CHARS = 200
_MORE_CHARS = 30
_MOST_PROBLEMS = 1_000  # pydantic makes a dict of each before it shows any
_LONG_CHARS = 5_000
"""A longer answer is read by `WatchedReader`: a short one may hold some thousands of wrong items."""
_MOST_PLAIN_CHARS = 200
"""Of an answer that may be one value in words."""
_MOST_COMPARED_CHARS = 200_000
"""Of an answer that is compared with what was read from it."""
_CLOSINGS = ("]", "}", "`")
_NO_VALUES, _NO_WORDS = ("null", "None"), ("null", "none")
_DIGITS = 300
_MAYBE_LOST = re.compile(r"[{\d]|true|false")
_STRING_OR_NUMBER = re.compile(
    r'"[^"]*+"?+|(?P<name>NaN|-?+Infinity)|(?P<number>-?+\d++(?>(?:\.\d++)?)(?>(?:[eE][-+]?+\d++)?))'
)
_MAYBE_NO_NUMBER = re.compile(r"NaN|Infinity|[eE]\+?+\d\d\d|(?<!\d)\d{309}+")


class _Reader(Protocol):
    """A TypeAdapter, or what pydantic has below it."""

    def validate_json(self, data: str, /) -> Any: ...

    def validate_python(self, object: Any, /) -> Any: ...


class _WrongAnswerError(ValueError):
    """An answer that the type alone would take. The message is for the root LM."""


class _Checked:
    """A reader that takes nothing which is hardly meant."""

    def __init__(self, reader: _Reader, adapter: TypeAdapter[Any]) -> None:
        self._reader = reader
        self._adapter = adapter

    def validate_json(self, data: str) -> Any:
        value = self._reader.validate_json(data)
        if len(data) <= _MOST_COMPARED_CHARS and _MAYBE_LOST.search(data):
            self._compare(data, value)
        return value

    def validate_python(self, object: Any) -> Any:
        value = self._reader.validate_python(object)
        if isinstance(object, str) and len(object) <= _MOST_PLAIN_CHARS and (why := self._lost(object, value)):
            raise _WrongAnswerError(why)
        return value

    def _compare(self, data: str, value: Any) -> None:
        try:
            given: object = json.loads(
                data, object_pairs_hook=unlike_fields, parse_int=_whole_number, parse_float=_number
            )
        except RecursionError:
            return
        except ValueError as error:
            raise _WrongAnswerError(str(error)) from None
        if (why := self._lost(given, value)) is not None:
            raise _WrongAnswerError(why)

    def _lost(self, given: object, value: Any) -> str | None:
        try:
            taken = self._adapter.dump_python(value, mode="json", exclude_unset=True, by_alias=True, warnings=False)
        except Exception:  # serializers of the user's own
            return None
        return lost_value(given, taken)


def _whole_number(written: str) -> int:
    """Its value does not matter, and a long one would be refused."""
    return int(written[:_DIGITS])


def _number(written: str) -> float | str:
    """As it is written, where that may be thousands."""
    return written if THOUSANDS.fullmatch(written) else float(written)


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
        except Exception as error:  # of what is no type, and of schemas of the user's own, it may be any
            problem = one_line(error_words(error).partition("\n")[0])
            raise InvalidArgumentError(
                f"answer_type: {value_words(answer_type)} has no JSON schema ({problem}); pass a pydantic model, a "
                "dataclass, a TypedDict or a type such as list[str]"
            ) from error

    def misfit(self, text: str, is_json: bool) -> str | None:
        """Why the text does not fit, in words for the root LM; None where it does."""
        if self._adapter is None:
            return None
        reader = self._reader(text)
        if reader is self._watched and (why := self._watching.bounds.exceeded(text)) is not None:
            return why
        try:
            self._read(reader, text, is_json)
        except ValidationError as error:
            if error.error_count() > _MOST_PROBLEMS and reader is not self._watched:
                error = self._brief_error(text, is_json) or error
                reader = self._watched
            return _misfit_words(error, all_read=reader is not self._watched)
        except (_WrongAnswerError, AlikeError) as error:
            return f"answer: {error}"
        except Exception as error:  # a validator of the user's own, which did not expect such a value
            return one_line(error_words(error))
        return None

    @cached_property
    def takes_null(self) -> bool:
        """Whether None is an answer."""
        return self._adapter is not None and self.misfit("null", True) is None

    def read(self, text: str, is_json: bool) -> Any:
        """The value of an answer that fits."""
        return text if self._adapter is None else self._read(self._reader(text), text, is_json)

    def text(self, text: str, is_json: bool) -> str:
        """The answer as text: JSON of the validated value where there is a type."""
        if self._adapter is None:
            return text
        return self._adapter.dump_json(self.read(text, is_json)).decode()

    def _reader(self, text: str) -> _Reader:
        return self._whole if len(text) <= _LONG_CHARS else self._watched

    @cached_property
    def _whole(self) -> _Reader:
        """Reads all of a value."""
        assert self._adapter is not None
        return _Checked(self._adapter, self._adapter)

    @cached_property
    def _watching(self) -> WatchedReader:
        assert self._adapter is not None
        return WatchedReader(self._adapter)

    @cached_property
    def _watched(self) -> _Reader:
        """Reads long answers."""
        assert self._adapter is not None
        return _Checked(self._watching, self._adapter)

    def _brief_error(self, text: str, is_json: bool) -> ValidationError | None:
        try:
            self._read(self._watched, text, is_json)
        except ValidationError as error:
            return error
        except Exception:  # a validator of the user's own
            return None
        return None

    @cached_property
    def _takes_words(self) -> bool:
        """Whether any words are of the type, so that those of an answer are what was meant."""
        return self.schema is not None and _is_free_text(self.schema)

    @cached_property
    def _is_scalar(self) -> bool:
        """Whether the type is one of single values, so that no answer was meant as JSON that has no bracket."""
        each = self.schema or {}
        return all(
            of.keys() & {"type", "enum", "const"} and of.get("type") not in ("array", "object")
            for of in each.get("anyOf", [each])
        )

    def _read(self, reader: _Reader, text: str, is_json: bool) -> Any:
        if is_json:
            return _read_json(reader, text)
        try:
            if self._takes_words and text.strip() in _NO_VALUES and self.takes_null:
                return reader.validate_python(None)
            value = reader.validate_python(text)  # a str may be just what is wanted, an enum or a date for instance
        except Exception as misfit:  # the user's own validators raise what they will
            return _read_text(reader, text, misfit if self._is_scalar else None, takes_words=self._takes_words)
        if isinstance(value, float) and not isfinite(value):
            raise _WrongAnswerError(_no_number(value))
        return value


def _is_free_text(schema: dict[str, Any]) -> bool:
    if "anyOf" in schema:
        return all(each.get("type") == "null" or _is_free_text(each) for each in schema["anyOf"])
    return schema.get("type") == "string" and not schema.keys() & {"enum", "const", "format", "pattern"}


def _read_text(reader: _Reader, text: str, misfit: Exception | None, *, takes_words: bool) -> Any:
    """A text that is JSON, or that holds exactly one value that fits, among words or in a fence.

    `misfit` says why it is none as it stands, where that tells more than that it is no JSON.
    """
    if has_gap(text):
        raise _WrongAnswerError(
            "an item of a list stands for others that were left out; send all, or without that item"
        )
    try:
        return _read_json(reader, text.strip())
    except Exception as whole:
        problem = whole if misfit is None or isinstance(whole, _WrongAnswerError) else misfit
    candidates = [each for each in json_among(text) if each != text.strip()]
    fitting: list[Any] = []
    for each in candidates:
        try:
            fitting.append(_read_json(reader, each))
        except Exception as why:
            problem = why if len(candidates) == 1 else problem
    fitting = fitting or _nearly(reader, text, candidates, takes_words)
    if not fitting:
        raise problem
    if len(fitting) > 1:
        raise _WrongAnswerError(f"{number(len(fitting))} JSON values in it fit the schema; send one, and no other")
    ends = max(map(text.rfind, _CLOSINGS))
    below = text[ends + 1 :]
    if ends >= 0 and takes_back(f"\n{below}"):
        raise _WrongAnswerError("words below it take it back; send the last of it alone")
    if ends >= 0 and misfit is not None and len(candidates) == 1:  # a value alone in a fence
        return (_nearly(reader, f"{candidates[0]}\n{below}", [], takes_words) or fitting)[0]
    return fitting[0]


def _nearly(reader: _Reader, text: str, candidates: list[str], takes_words: bool) -> list[Any]:
    """The values that a text may mean which is no JSON of the type: those in other JSON, or the one in words."""
    fitting: list[Any] = []
    for each in dict.fromkeys(inner for outer in (text.strip(), *candidates) for inner in unwrapped(outer)):
        with suppress(Exception):
            fitting.append(_read_json(reader, each))
    if fitting or takes_words or len(text) > _LONG_CHARS:
        return fitting
    whole_numbers = _alone(reader, "1.5", whole_numbers=False) is None

    def alone(words: str) -> tuple[Any] | None:
        return _alone(reader, words, whole_numbers=whole_numbers)

    found = value_among(text, alone)
    if found is not None and not found.sure:
        raise _WrongAnswerError("it names more than one value, or doubts the one it names; send the one meant, alone")
    return [] if found is None else [found.value]


def _alone(reader: _Reader, text: str, *, whole_numbers: bool) -> tuple[Any] | None:
    """The value that a text is, in a tuple; None where it is none."""
    if len(text) > _MOST_PLAIN_CHARS:
        return None
    if text.strip() in _NO_VALUES or bare(text).lower() in _NO_WORDS:
        with suppress(Exception):
            return (_read_json(reader, "null"),)
    for each in plain_values(text, whole_numbers):
        if _takes(reader, each):
            return (reader.validate_python(each),)
    return None


def _takes(reader: _Reader, text: str) -> bool:
    try:
        value = reader.validate_python(text)
    except Exception:  # the user's own validators raise what they will
        return False
    return not isinstance(value, float) or isfinite(value)


def _read_json(reader: _Reader, text: str) -> Any:
    """pydantic takes NaN, Infinity and 1e999 for numbers, and then writes null."""
    value = reader.validate_json(text)
    if _MAYBE_NO_NUMBER.search(text):
        _refuse_no_numbers(text)
    return value


def _refuse_no_numbers(text: str) -> None:
    """Of a text that is JSON but for these."""
    unescaped = text.replace("\\\\", "").replace('\\"', "")
    for token in _STRING_OR_NUMBER.finditer(unescaped):
        if (name := token["name"]) is not None:
            raise _WrongAnswerError(_no_number(name))
        written = token["number"] or "0"
        if not written.lstrip("-").isdigit() and not isfinite(float(written)):
            raise _WrongAnswerError(f"{one_line(written, _PLACE_CHARS)} is more than a number of JSON can be")


def _no_number(value: object) -> str:
    return f"JSON has no {value}; send a number or, where the schema takes it, null"


def _misfit_words(error: ValidationError, *, all_read: bool) -> str:
    """The first of the problems, each with its place, as many as fit into one line of FOREIGN_CHARS characters."""
    if error.error_count() > _MOST_PROBLEMS:
        return f"answer: {number(error.error_count())} problems; it has another form than the schema"
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    shown: list[str] = []
    for problem in problems[:_SHOWN_PROBLEMS]:
        place = ".".join(as_in_the_type(str(each)) for each in problem["loc"])
        place = one_line(place, _PLACE_CHARS) or "answer"
        words = f"{place}: {one_line(problem['msg'], _PROBLEM_CHARS)}"
        if shown and len("; ".join([*shown, words])) > FOREIGN_CHARS - _MORE_CHARS:
            break
        shown.append(words)
    more = len(problems) - len(shown)
    told = "; ".join(shown) + (f"; and {number(more)} more" if more else "")
    return told if all_read else f"{told}; maybe others"
