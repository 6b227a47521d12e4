"""What the code in a REPL asks of the host: a class for each host function, checked wherever one is made.

Both sides use this module, and in the worker it lives beside the model's code: it looks builtins up in a copy of
its own. Standard library only.
"""

from __future__ import annotations

import builtins
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, cast

from rlm_integrations.wire.images import MAX_IMAGES

globals()["__builtins__"] = vars(builtins).copy()  # before the classes: what dataclass writes for them looks here too

RefusalKind = Literal["type", "value", "budget", "failed", "cut"]
"""How a refused call raises in the model's code: TypeError, ValueError, SubCallLimitError, or that the call failed.

"cut" is a sub-call that failed because its reply was longer than the model's limit of output.
"""

LARGEST_COUNT = 1 << 53
"""Ids, positions and counts are at most this."""

LARGEST_BATCH = 1 << 24
"""Sub-calls that can be asked for at once, as far as the form of a call goes."""

MAX_QUERY_CHARS = 20_000
"""Of a query to a retriever, which embeds it or sends it on."""

MAX_ARGUMENT_CHARS = 10_000_000
"""Of all arguments of a tool together, as JSON."""

MAX_CHILD_CHARS = 20_000_000
"""Of the context of a child RLM, as it is sent."""

ALL_MAPS = 0
"""In place of the id of a map."""

_NAME_SHOWN = 20


class WrongCallError(ValueError):
    """A call has not the form of any. The message names the host function and the field."""


class _HostFunction:
    """What the classes of calls have in common."""

    __slots__ = ()

    function: ClassVar[str]
    """The name of the host function, as it is sent."""

    __match_args__: ClassVar[tuple[str, ...]]
    """The names of the fields; set by `dataclass`."""

    def to_payload(self) -> dict[str, Any]:
        """The fields as a JSON object: what `read_call` takes."""
        return {name: getattr(self, name) for name in self.__match_args__}


@dataclass(frozen=True, slots=True)
class Reserve(_HostFunction):
    """Set `n` sub-calls aside, all or none. Answered by the id of the batch (int)."""

    function: ClassVar[str] = "reserve"
    n: int
    chars: int = 0
    """Of all its prompts; 0 where that says nothing of what they cost."""

    def __post_init__(self) -> None:
        _check_count(self, "n", LARGEST_BATCH)
        _check_count(self, "chars")


@dataclass(frozen=True, slots=True)
class LlmQuery(_HostFunction):
    """Put a prompt to a sub-call. Answered by its reply (str)."""

    function: ClassVar[str] = "llm_query"
    prompt: str
    batch: int | None = None
    """The batch that it was reserved with; None for a sub-call on its own."""
    index: int | None = None
    """Its place in the batch, from 0; None without one."""
    images: list[list[str]] = field(default_factory=list[list[str]])
    """Pictures that go with it, each by its id and that of a document which has it."""

    def __post_init__(self) -> None:
        _check_text(self, "prompt")
        _check_images(self, self.images)
        if self.batch is not None or self.index is not None:
            _check_count(self, "batch")
            _check_count(self, "index")


@dataclass(frozen=True, slots=True)
class RlmQuery(_HostFunction):
    """Put a question to a child RLM. Answered by its answer (str)."""

    function: ClassVar[str] = "rlm_query"
    prompt: str
    context: str | None = None
    """What it reads, as `wire.child_context` writes it; None for nothing but the prompt."""
    batch: int | None = None
    """The batch that it was reserved with; None for a child on its own."""
    index: int | None = None
    """Its place in the batch, from 0; None without one."""

    def __post_init__(self) -> None:
        _check_text(self, "prompt")
        if self.context is not None:
            _check_text(self, "context")
            if len(self.context) > MAX_CHILD_CHARS:
                raise WrongCallError(f"{self.function}: context has more than {MAX_CHILD_CHARS:,} characters")
        if self.batch is not None or self.index is not None:
            _check_count(self, "batch")
            _check_count(self, "index")


@dataclass(frozen=True, slots=True)
class LlmMap(_HostFunction):
    """Have each of many items answered by a value, asking again for what fails.

    Answered by `{"map": id, "values": [[index, value], ...], "left": [[index, why], ...]}`: what is left is on the
    host's list of what is unresolved.
    """

    function: ClassVar[str] = "llm_map"
    sent: str
    """The task and its items, as `wire.typed_maps` writes them."""
    map: int | None = None
    """The map that these items are of; None for a new one."""

    def __post_init__(self) -> None:
        _check_text(self, "sent")
        if self.map is not None:
            _check_count(self, "map")


@dataclass(frozen=True, slots=True)
class MapLeft(_HostFunction):
    """Say what of a map is unresolved now. Answered by None."""

    function: ClassVar[str] = "map_left"
    map: int
    """ALL_MAPS: all so far, of which nothing is unresolved any more."""
    left: str
    """The items, as `wire.typed_maps` writes them."""

    def __post_init__(self) -> None:
        _check_count(self, "map")
        _check_text(self, "left")


@dataclass(frozen=True, slots=True)
class Retrieve(_HostFunction):
    """Fetch documents. Answered by all hits, `[{"id", "text", "metadata"}, ...]`.

    The REPL adds those to `context` whose id it does not hold.
    """

    function: ClassVar[str] = "retrieve"
    query: str

    def __post_init__(self) -> None:
        _check_text(self, "query")
        if len(self.query) > MAX_QUERY_CHARS:
            raise WrongCallError(f"{self.function}: query has more than {MAX_QUERY_CHARS:,} characters")


@dataclass(frozen=True, slots=True)
class Cite(_HostFunction):
    """Record evidence: `text` is what stands at [start:end] of the document; the host compares its own copy.

    Answered by None.
    """

    function: ClassVar[str] = "cite"
    document_id: str
    start: int
    end: int
    text: str

    def __post_init__(self) -> None:
        _check_text(self, "document_id")
        _check_count(self, "start")
        _check_count(self, "end")
        _check_text(self, "text")


@dataclass(frozen=True, slots=True)
class CallTool(_HostFunction):
    """Call one of the user's functions with JSON values. Answered by a JSON value."""

    function: ClassVar[str] = "tool"
    name: str
    args: list[Any]
    kwargs: dict[str, Any]

    def __post_init__(self) -> None:
        _check_text(self, "name")
        _check_kind(self, "args", list)
        _check_kind(self, "kwargs", dict)
        if not all(isinstance(key, str) for key in self.kwargs):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise WrongCallError(f"{self.function}: a key of kwargs is not a str")


Call = Reserve | LlmQuery | RlmQuery | LlmMap | MapLeft | Retrieve | Cite | CallTool


@dataclass(frozen=True, slots=True)
class HostCall:
    """The code in the REPL asks the host for something, and waits. It is answered by its id."""

    id: int
    call: Call


def read_call(function: str, payload: object) -> Call:
    """A call as it was sent: hostile input.

    Args:
        function: The name of the host function.
        payload: Its fields, decoded from JSON.

    Raises:
        WrongCallError: There is no such function, or a field is missing, unknown, of another type or out of bounds.
    """
    kind = _KINDS.get(function)
    if kind is None:
        raise WrongCallError(f"there is no host function {function[:_NAME_SHOWN]!r}")
    if type(payload) is not dict:
        raise WrongCallError(f"{function}: its fields are {type(payload).__name__}, not dict")
    fields = cast("dict[str, Any]", payload)
    if fields.keys() != _FIELDS[function]:
        raise WrongCallError(f"{function}: its fields are not {', '.join(kind.__match_args__)}")
    call = kind(**fields)
    if isinstance(call, CallTool) and _chars(call.args) + _chars(call.kwargs) > MAX_ARGUMENT_CHARS:
        raise WrongCallError(f"{function}: its arguments have more than {MAX_ARGUMENT_CHARS:,} characters")
    return call


def _chars(values: list[Any] | dict[str, Any]) -> int:
    """Characters of all texts in there."""
    chars = 0
    rest: list[list[Any] | dict[str, Any]] = [values]
    while rest:
        container = rest.pop()
        if isinstance(container, dict):
            chars += sum(map(len, container))
        for value in container.values() if isinstance(container, dict) else container:
            if isinstance(value, str):
                chars += len(value)
            elif isinstance(value, (dict, list)):
                rest.append(cast("list[Any] | dict[str, Any]", value))
    return chars


_KINDS: dict[str, type[Call]] = {
    kind.function: kind for kind in (Reserve, LlmQuery, RlmQuery, LlmMap, MapLeft, Retrieve, Cite, CallTool)
}
_FIELDS = {function: frozenset(kind.__match_args__) for function, kind in _KINDS.items()}


# Types are compared exactly: a bool is no count, and what is sent is what was checked.


def _check_text(call: _HostFunction, field: str) -> None:
    _check_kind(call, field, str)


def _check_images(call: _HostFunction, images: object) -> None:
    _check_kind(call, "images", list)
    named = cast("list[object]", images)
    if len(named) > MAX_IMAGES:
        raise WrongCallError(f"{call.function}: images has more than {MAX_IMAGES} items")
    for one in named:
        pair = cast("list[object]", one) if type(one) is list else []
        if len(pair) != 2 or any(type(part) is not str for part in pair):
            raise WrongCallError(f"{call.function}: an item of images is not the ids of a picture and of its document")


def _check_count(call: _HostFunction, field: str, most: int = LARGEST_COUNT) -> None:
    _check_kind(call, field, int)
    if not 0 <= getattr(call, field) <= most:
        raise WrongCallError(f"{call.function}: {field} is not between 0 and {most:,}")


def _check_kind(call: _HostFunction, field: str, kind: type) -> None:
    value: object = getattr(call, field)
    if type(value) is not kind:
        raise WrongCallError(f"{call.function}: {field} is {type(value).__name__}, not {kind.__name__}")
