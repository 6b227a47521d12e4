"""Replies that can be awaited: models that are used to async functions write `await llm_query(...)`.

The calls have been made by then, so awaiting a reply gives it as it is. asyncio takes one for a coroutine: in `gather`,
`create_task`, a task group or `run`. Without `await` it is the str or list that it is otherwise.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, NoReturn, TypeVar, cast

_T = TypeVar("_T")


class _Coroutine:
    """What asyncio asks of a coroutine, of one that is done."""

    __slots__ = ()

    def plain(self) -> Any:
        raise NotImplementedError

    def __await__(self) -> Generator[Any, Any, Any]:
        return self.plain()
        yield

    def send(self, value: Any) -> NoReturn:
        raise StopIteration(self.plain())

    def throw(self, *error: Any) -> NoReturn:
        raise error[0]

    def close(self) -> None:
        """There is nothing to close."""


class AwaitableStr(_Coroutine, str):
    """Pickled and copied, it is a plain str."""

    __slots__ = ()

    def plain(self) -> str:
        return str.__str__(self)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return str, (str.__str__(self),)


class AwaitableList(_Coroutine, list[Any]):
    """Pickled and copied, it is a plain list."""

    __slots__ = ()
    __hash__ = object.__hash__  # pyright: ignore[reportAssignmentType] # `asyncio.gather` has a dict of what it is given

    def plain(self) -> list[Any]:
        return list(self)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return list, (list(self),)


AwaitableStr.__name__ = AwaitableStr.__qualname__ = "str"
AwaitableList.__name__ = AwaitableList.__qualname__ = "list"
for _kind in (AwaitableStr, AwaitableList):
    _kind.__module__ = "builtins"


class Awaiting:
    """Whether code awaits: from the first block on that speaks of it. Code that does not has plain values."""

    def __init__(self) -> None:
        self._begun = False

    def begin_step(self, blocks: Sequence[str]) -> None:
        self._begun = self._begun or any("await" in block or "asyncio" in block for block in blocks)

    def given(self, reply: _T) -> _T:
        """The reply as the model is given it: a str or a list of strs can be awaited where code does.

        To be called by the functions themselves. Around each a wrapper would, in every worker, count references to its
        name, its docstring and more, and so copy the pages that all of them share: 150 KB.
        """
        return _awaitable(reply) if self._begun else reply


def _awaitable(reply: Any) -> Any:
    if type(reply) is str:
        return AwaitableStr(reply)
    if type(reply) is list:
        return AwaitableList(map(_awaitable, cast("list[Any]", reply)))
    return reply
