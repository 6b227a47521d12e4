"""`llm_map`, `llm_filter`, `llm_pairs`: one instruction for many items, each answered by a value that was checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from rlm_integrations.repl.asked_map import (
    AskedMap,
    check_instruction,
    map_items,
    pair_names,
    pair_text,
    task_of,
    tell_left,
    text_of,
)
from rlm_integrations.repl.host_port import HostPort
from rlm_integrations.repl.map_results import MapResults
from rlm_integrations.repl.sub_calls import listed
from rlm_integrations.wire.calls import ALL_MAPS

_YES_NO = {"type": "boolean"}


class LlmMap:
    """Holds what the functions that the model calls need. All of them may be called from several threads at once."""

    def __init__(self, host: HostPort) -> None:
        self._host = host

    def llm_map(
        self,
        instruction: str,
        items: Iterable[Any],
        schema: Any = None,
        choices: Iterable[str] | None = None,
        check: Callable[[Any], Any] | None = None,
    ) -> MapResults:
        """A value for each item (a str, a document, a match or a dict), in order, from other language models.

        With `schema` (str, int, bool, list[str], {"name": str, "year": int}, or a JSON schema) it is a value of that
        type, with `choices` one of these as it is spelled there, else the reply as a str. `check(value)` returns None
        or True, or says why not. What is missing, does not fit or does not pass is asked again, a few at a time, with
        the reason. An item that has no value after that is None, and `.unresolved` of the list says why.

        Raises SubCallLimitError when the budget has no room, TypeError and ValueError, before anything is sent.
        """
        check_instruction("instruction", instruction)
        given = listed("items", items)
        asked = map_over(self._host, instruction, given, schema, choices)
        if check is not None and not callable(check):
            raise TypeError(f"check: {type(check).__name__} is no function; nothing was sent")
        asked.ask(check)
        return asked.results(lambda found: [found.get(index) for index in range(len(given))], check)

    def llm_filter(self, condition: str, items: Iterable[Any]) -> MapResults:
        """The items for which the condition holds, in order. `.unresolved` has the indices of those without a verdict.

        Raises as llm_map does.
        """
        check_instruction("condition", condition)
        given = listed("items", items)
        asked = filter_over(self._host, condition, given)
        asked.ask()
        return asked.results(lambda found: [item for index, item in enumerate(given) if found.get(index)])

    def llm_pairs(self, question: str, items_a: Iterable[Any], items_b: Iterable[Any] | None = None) -> MapResults:
        """The pairs (a, b) for which the question is answered by yes; without `items_b`, of `items_a` among themselves.

        Each pair is asked once. `.unresolved` has the pairs of indices without a verdict. Raises as llm_map does, and
        ValueError for more than 20,000 pairs.
        """
        check_instruction("question", question)
        left = listed("items_a", items_a)
        right = None if items_b is None else listed("items_b", items_b)
        asked, names = pairs_over(self._host, question, left, right)
        asked.ask()
        others = left if right is None else right
        return asked.results(lambda found: [(left[i], others[j]) for n, (i, j) in enumerate(names) if found.get(n)])

    def drop_unresolved(self) -> None:
        """Go on without what is unresolved of all maps so far."""
        tell_left(self._host, ALL_MAPS, [])


def map_over(host: HostPort, instruction: str, items: list[Any], schema: Any, choices: Any) -> AskedMap:
    """A map that is not asked yet. Raises TypeError and ValueError."""
    task, names = task_of("map", instruction, schema, choices), range(len(items))
    return AskedMap(host, task, map_items(map(text_of, names, items), names), names)


def filter_over(host: HostPort, condition: str, items: list[Any]) -> AskedMap:
    """A map by yes or no that is not asked yet. Raises TypeError and ValueError."""
    task, names = task_of("filter", condition, _YES_NO), range(len(items))
    return AskedMap(host, task, map_items(map(text_of, names, items), names), names)


def pairs_over(
    host: HostPort, question: str, left: list[Any], right: list[Any] | None
) -> tuple[AskedMap, list[tuple[int, int]]]:
    """The same over pairs, with their indices. Raises TypeError and ValueError."""
    task = task_of("pairs", question, _YES_NO)
    names = pair_names(len(left), None if right is None else len(right))
    one = [text_of(index, item, "items_a: item") for index, item in enumerate(left)]
    other = one if right is None else [text_of(index, item, "items_b: item") for index, item in enumerate(right)]
    items = map_items((pair_text(one[i], other[j]) for i, j in names), names)
    return AskedMap(host, task, items, names), names
