"""A trace without what anybody wrote: the size and a hash of each text stand in its place.

What is let through is named here; every other text of a record is withheld, also one of a field that comes later.
"""

from __future__ import annotations

import builtins
import re
import secrets
from collections.abc import Iterator
from hashlib import blake2b
from typing import Any, TypeVar, cast

from pydantic import BaseModel

from rlm_integrations.core.trace.call_records import AnswerCheck, HostFunctionCall, SentImage
from rlm_integrations.core.wording import plural

R = TypeVar("R", bound=BaseModel)

_KEPT = frozenset(
    {
        "agreement",
        "child",
        "detail",
        "finish",
        "isolation",
        "journal",
        "model",
        "role",
        "route",
        "sandbox",
        "stop_reason",
    },
)
"""Fields whose words are ours, or a model's name."""
_ERRORS = ("error", "lost")
_IMAGE_TYPES = frozenset(f"image/{kind}" for kind in ("png", "jpeg", "gif", "webp", "bmp", "tiff", "svg+xml", "heic"))
_WITHHELD = re.compile(r"\A(?>(?:[A-Za-z]++ )?)\[[0-9,]++ (?:character|byte)s?+, hash [0-9a-f]{16}+\]\Z")
_CORPUS = re.compile(r"\A(?:no corpus|one str, [0-9,]++ characters|[0-9,]++ documents?+, [0-9,]++ characters)")
_WORD = re.compile(r"[A-Za-z]++")
_NAME_WITHIN = 500
"""Characters of an error in which the name of what was raised is looked for."""
_HASH_BYTES = 8

_OF_PYTHON = {
    name for name, kind in vars(builtins).items() if isinstance(kind, type) and issubclass(kind, BaseException)
}
_OF_OTHERS = """
    APIConnectionError APIError APIResponseValidationError APIStatusError APITimeoutError AuthenticationError
    BadRequestError BudgetError CancelledError CheckError ClientError ConflictError ConnectError ConnectTimeout
    ContentFilterFinishReasonError ContextOverflowError GraphInterrupt GraphRecursionError HTTPError HTTPStatusError
    InternalServerError InvalidArgumentError JSONDecodeError JournalError LengthFinishReasonError LimitReachedError
    NotFoundError OpenAIError OutputParserException OverloadedError PermissionDeniedError PoolTimeout ProtocolError
    RLMError RateLimitError ReadError ReadTimeout RemoteProtocolError RequestTooLargeError ResourceExhausted
    RootModelError RunError ServerError ServiceUnavailable ServiceUnavailableError ToolException
    UnprocessableEntityError ValidationError WriteTimeout
"""
_ERROR_NAMES = frozenset(_OF_PYTHON) | frozenset(_OF_OTHERS.split())
"""Names that may be told. Others may be a document's words: code can make a class of any name."""


def redacted(record: R, key: bytes | None = None) -> R:
    """A copy of it without texts. Equal texts have equal hashes, under one key.

    Args:
        record: a trace, or a part of one.
        key: what the hashes are made with; a fresh one by default, so that nobody can try out what a text was.
    """
    key = secrets.token_bytes(32) if key is None else key
    return _Redaction(key, _names_of_tools(record)).of(record)


def withheld(text: str, key: bytes) -> str:
    """What stands in place of a text. An empty one says nothing, and what was withheld before stays."""
    if not text or _WITHHELD.match(text):
        return text
    digest = blake2b(text.encode("utf-8", "surrogatepass"), key=key[:64], digest_size=_HASH_BYTES)
    return withheld_words(plural(len(text), "character"), digest.hexdigest())


def withheld_words(size: str, digest: str) -> str:
    """The same of a text that is not at hand, by its size in words and its hash as hex."""
    return f"[{size}, hash {digest[: 2 * _HASH_BYTES]}]"


def error_name(error: str) -> str | None:
    """The name of the exception that an error of a record tells of; None where it is none that may be told."""
    return next((word for word in _WORD.findall(error[:_NAME_WITHIN]) if word in _ERROR_NAMES), None)


def error_kind(error: str) -> str:
    """The same in words, where something is to stand there."""
    return error_name(error) or "an error"


class _Redaction:
    def __init__(self, key: bytes, tools: frozenset[str]) -> None:
        self._key = key
        self._tools = tools

    def of(self, record: R) -> R:
        fields = ((name, getattr(record, name)) for name in type(record).model_fields)
        changed = {name: self._value(record, name, value) for name, value in fields}
        return record.model_copy(update=changed)

    def _value(self, record: BaseModel, field: str, value: object) -> Any:
        if isinstance(value, str):
            return self._text(record, field, value)
        if isinstance(value, BaseModel):
            return self.of(value)
        if isinstance(value, list | tuple):
            return [self._value(record, field, each) for each in cast("list[object]", value)]
        if isinstance(value, dict):
            pairs = cast("dict[object, object]", value).items()
            return {self._value(record, field, name): self._value(record, field, each) for name, each in pairs}
        return value  # numbers and the like

    def _text(self, record: BaseModel, field: str, text: str) -> str:
        if field in _KEPT:
            return text
        if field == "context":
            told = _CORPUS.match(text)
            return withheld(text, self._key) if told is None else told[0]
        if field in _ERRORS:
            name = None if _WITHHELD.match(text) else error_name(text)
            return " ".join(filter(None, (name, withheld(text, self._key))))
        if self._is_ours(record, field, text):
            return text
        return withheld(text, self._key)

    def _is_ours(self, record: BaseModel, field: str, text: str) -> bool:
        """Whether the user's program named it, and no model or document."""
        if field == "name":
            return isinstance(record, AnswerCheck) or (isinstance(record, HostFunctionCall) and text in self._tools)
        return field == "mime_type" and isinstance(record, SentImage) and text in _IMAGE_TYPES


def _names_of_tools(record: BaseModel) -> frozenset[str]:
    """Those of tools that have worked: a sub-LM may call one by a name that it made up."""
    return frozenset(
        each.name for each in _records(record) if isinstance(each, HostFunctionCall) and each.error is None
    )


def _records(record: BaseModel) -> Iterator[BaseModel]:
    yield record
    for name in type(record).model_fields:
        value = getattr(record, name)
        for each in cast("list[object]", value) if isinstance(value, list) else (value,):
            if isinstance(each, BaseModel):
                yield from _records(each)
