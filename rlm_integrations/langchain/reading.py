"""When a context is read: at once, or where an event loop runs, which must not wait, at the first run over it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

from langchain_core.documents import Document as LangChainDocument
from langchain_core.runnables import Runnable

from rlm_integrations.core.calls.once import Once
from rlm_integrations.core.calls.threads import within_loop
from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.frames import is_table
from rlm_integrations.langchain.caller_warning import for_caller
from rlm_integrations.langchain.documents import PreparedContext, prepare_context
from rlm_integrations.langchain.loaded import is_loader, is_vector_store
from rlm_integrations.langchain.time_to_read import chars_to_read

_FEW = 100
"""Documents that are read at once, if they are short."""
_SHORT_CHARS = 50_000
"""Characters of all of them."""


class UnreadContext:
    """A context that is read when it is first needed: `aread` in a thread, once for all who ask.

    A copy by pickle or deepcopy is one of what was read.
    """

    def __init__(self, context: object) -> None:
        self._line = (
            f"{len(cast(Any, context)):,} documents" if isinstance(context, (Sequence, Mapping)) else "documents"
        )
        self._once = Once(for_caller(partial(prepare_context, context)))

    def read(self) -> PreparedContext:
        """What was read. Whoever calls it waits for the reading, in a coroutine too."""
        return self._once.get()

    async def aread(self) -> PreparedContext:
        return await self._once.aget()

    def describe(self) -> str:
        """In one line what is known of it unread."""
        return self._line

    def __reduce__(self) -> tuple[Any, ...]:
        return take_context, (self.read(),)


def take_context(context: object) -> PreparedContext | UnreadContext:
    """The context, read unless an event loop waits and it may take long. Raises InvalidArgumentError as it is read.

    Of a list that is read later, what it holds now is read.
    """
    if isinstance(context, UnreadContext):
        return context
    if not within_loop() or _takes_no_time(context):
        return prepare_context(context)
    if isinstance(context, list):
        return UnreadContext(tuple(cast("Iterable[object]", context)))
    return UnreadContext(context)


def _takes_no_time(context: object) -> bool:
    if context is None or isinstance(context, (PreparedContext, Corpus, Runnable, str, LangChainDocument)):
        return True
    if isinstance(context, Mapping):
        return _are_short(list(cast("Mapping[object, object]", context).values()))
    if isinstance(context, (list, tuple)):
        return _are_short(cast("Sequence[object]", context))
    if isinstance(context, (bytes, bytearray)):
        return True
    if is_vector_store(context):
        return True
    return not (isinstance(context, (Iterable, Path)) or is_loader(context) or is_table(context))


def _are_short(items: Sequence[object]) -> bool:
    if len(items) > _FEW or any(isinstance(item, Path) for item in items):
        return False
    return chars_to_read(items) <= _SHORT_CHARS
