"""What of the typed maps of one node is unresolved: an answer is refused while there is any."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from rlm_integrations.core.loop.happenings import UnresolvedMap
from rlm_integrations.core.wording import one_line
from rlm_integrations.wire.calls import ALL_MAPS
from rlm_integrations.wire.typed_maps import MapItem, MapTask

_NAME_CHARS = 60
_ids = itertools.count(1)
"""Of all maps of the process: in a session, code may name one of an earlier question."""


class OpenMaps:
    """By the id of the map."""

    def __init__(self) -> None:
        self._names: dict[int, tuple[str, str, int]] = {}
        self._left: dict[int, dict[int, tuple[str, str]]] = {}
        self._touched: set[int] = set()

    def begin_step(self) -> None:
        """What is unresolved from now on is told of as new."""
        self._touched.clear()

    def open(self, task: MapTask, items: int) -> int:
        """A new map over so many items. Returns its id."""
        map_id = next(_ids)
        function = "llm_query" if task.kind == "query" else f"llm_{task.kind}"
        self._names[map_id] = function, one_line(task.instruction, _NAME_CHARS), items
        return map_id

    def asked(self, map_id: int, items: Iterable[MapItem], left: Iterable[MapItem]) -> None:
        """These items were asked, and those are left. Of a map of an earlier question nothing is kept, and of none what
        is no item of it: code may say what it likes.
        """
        if map_id not in self._names:
            return
        still = self._left.pop(map_id, {})
        for item in items:
            still.pop(item.index, None)
        self._keep(map_id, still | self._by_index(map_id, left))

    def set_left(self, map_id: int, left: Iterable[MapItem]) -> None:
        """These are all that are left: what code settled or dropped is not. Of ALL_MAPS nothing is."""
        if map_id == ALL_MAPS:
            self._left.clear()
        elif map_id in self._names:
            self._keep(map_id, self._by_index(map_id, left))

    def forget(self) -> None:
        """The REPL is lost, and with it whatever was answered."""
        self._left.clear()

    def unresolved(self) -> tuple[UnresolvedMap, ...]:
        """The maps with anything left, in the order in which they were asked."""
        return tuple(
            UnresolvedMap(*self._names[map_id], tuple(left.values()), map_id in self._touched)
            for map_id, left in sorted(self._left.items())
        )

    def _keep(self, map_id: int, left: dict[int, tuple[str, str]]) -> None:
        self._touched.add(map_id)
        self._left.pop(map_id, None)
        if left:
            self._left[map_id] = left

    def _by_index(self, map_id: int, items: Iterable[MapItem]) -> dict[int, tuple[str, str]]:
        _, _, count = self._names[map_id]
        return {item.index: (item.name, item.why) for item in items if item.index < count}
