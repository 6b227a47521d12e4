"""Whether an index was changed after an engine read it, which LlamaIndex's own engines would show at once."""

from __future__ import annotations

import weakref
from typing import Any

from rlm_integrations.core.wording import number
from rlm_integrations.llama_index.caller_warning import warn_caller
from rlm_integrations.llama_index.index_nodes import AnyIndex, last_of


class IndexChanges:
    """Warns once of each change of an index that is seen without asking its stores. A copy knows no index."""

    def __init__(self, index: AnyIndex | None) -> None:
        self._index = None if index is None else weakref.ref(index)
        self._read = None if index is None else last_of(index)

    def tell(self) -> None:
        index = None if self._index is None else self._index()
        if index is None or self._read is None:
            return
        read, now = self._read, last_of(index)
        if now is not None and now != read:
            self._read = now
            warn_caller(
                f"{type(index).__name__}: its nodes have changed since this engine read them ({number(read[0])} then, "
                f"{number(now[0])} now), and it answers over those that it read; make a new one: "
                'index.as_query_engine(engine="rlm")'
            )

    def __reduce__(self) -> tuple[Any, ...]:
        return IndexChanges, (None,)
