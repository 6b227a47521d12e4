"""Typed maps for the VM: asked beside it, and checked in it, where the model's functions are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

from rlm_integrations.repl.asked_map import AskedMap, tell_left
from rlm_integrations.repl.host_port import HostPort
from rlm_integrations.repl.llm_map import filter_over, map_over, pairs_over
from rlm_integrations.repl.sub_calls import SubCalls
from rlm_integrations.wire.calls import ALL_MAPS

Outcome = tuple[int, bool, Any]
"""Index, whether there is a value, and the value or why there is none."""


class VmMaps:
    """Those of one REPL, by numbers from 1. Of what comes from the VM, `one` makes items."""

    def __init__(self, host: HostPort, sub_calls: SubCalls, one: Callable[[Any], Any]) -> None:
        self._host, self._sub_calls, self._one = host, sub_calls, one
        self._asked: dict[int, AskedMap] = {}
        self._count = 0

    def ask(
        self, kind: str, instruction: Any, form: Any, choices: Any, items: list[Any], others: Any, checked: bool
    ) -> tuple[int, Iterator[Outcome]]:
        """A new map, asked once: its number and what came of each item."""
        left = [self._one(item) for item in items]
        right = None if others is None else [self._one(item) for item in cast("list[Any]", others)]
        if kind == "pairs":
            asked, _ = pairs_over(self._host, instruction, left, right)
        elif kind == "filter":
            asked = filter_over(self._host, instruction, left)
        elif kind == "query":
            asked = self._sub_calls.asked(left, form)
        else:
            among = (
                [self._one(choice) for choice in cast("list[Any]", choices)] if isinstance(choices, list) else choices
            )
            asked = map_over(self._host, instruction, left, form, among)
        asked.ask()
        self._count += 1
        if asked.left or checked:  # else nothing of it is asked again
            self._asked[self._count] = asked
        return self._count, _outcomes(asked, range(asked.count))

    def again(self, number: int, whys: list[tuple[int, str]]) -> Iterator[Outcome]:
        """What came of these items, asked once more with a reason."""
        asked = self._asked[number]
        asked.again(dict(whys))
        return _outcomes(asked, [index for index, _ in whys])

    def left(self, number: int, whys: list[tuple[int, str]]) -> None:
        """These alone are unresolved now; of number 0, which is all maps, nothing is."""
        if number == ALL_MAPS:
            tell_left(self._host, ALL_MAPS, [])
        elif number in self._asked:
            self._asked[number].left = dict(whys)
            self._asked[number].tell()


def _outcomes(asked: AskedMap, indices: Any) -> Iterator[Outcome]:
    for index in indices:
        found = index in asked.found
        yield index, found, asked.found[index] if found else asked.left.get(index, "")
