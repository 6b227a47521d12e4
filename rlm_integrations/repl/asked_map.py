"""A typed map as code asks it of the host: which items have a value by now, and why the others have none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from rlm_integrations.repl.host_calls import SubCallError, SubCallLimitError, ask
from rlm_integrations.repl.host_port import HostPort
from rlm_integrations.repl.item_schema import schema_of
from rlm_integrations.repl.json_text import write_json
from rlm_integrations.repl.map_results import MapResults, Name
from rlm_integrations.repl.matches import Match
from rlm_integrations.wire.calls import LlmMap, MapLeft
from rlm_integrations.wire.typed_maps import MAX_ITEMS, MapItem, MapKind, MapTask, write_items, write_map

CHECK_ROUNDS = 3
MOST_PAIRS = 20_000

_ITEM_CHARS = 1_000_000


class AskedMap:
    """One map: in `found` values by index, in `left` why other items have none, in `refused` what a check refused."""

    def __init__(self, host: HostPort, task: MapTask, items: Sequence[MapItem], names: Sequence[Name]) -> None:
        """`names` are what code calls the items by."""
        self._host, self._task, self._items, self._names = host, task, items, names
        self._id: int | None = None
        self.found: dict[int, Any] = {}
        self.left: dict[int, str] = {}
        self.refused: dict[int, Any] = {}

    @property
    def count(self) -> int:
        """How many items there are."""
        return len(self._items)

    def ask(self, check: Callable[[Any], Any] | None = None) -> None:
        """Ask for all; what `check` does not take is asked again. Raises as `ask` of host_calls, with nothing sent."""
        if self._items:
            self._ask(self._items)
            self.check(check)

    def again(self, whys: Mapping[int, str]) -> None:
        """Ask once more for these items, and say why. Raises as `ask` of host_calls, with nothing sent."""
        if whys:
            self._ask([replace(self._items[index], why=why) for index, why in whys.items()])

    def check(self, check: Callable[[Any], Any] | None) -> None:
        """Take out what does not pass, and ask again for it, a few times."""
        if check is None:
            return
        passed: set[int] = set()
        for round_ in range(CHECK_ROUNDS + 1):
            asked_again: dict[int, str] = {}
            for index in [index for index in self.found if index not in passed]:
                why, worth_asking = refusal(check, self.found[index])
                if why is None:
                    passed.add(index)
                    self.refused.pop(index, None)
                    continue
                self.refused[index], self.left[index] = self.found.pop(index), why
                if worth_asking:
                    asked_again[index] = why
            if not asked_again or round_ == CHECK_ROUNDS:
                break
            try:
                self.again(asked_again)
            except SubCallLimitError as error:  # what has been paid for is kept
                self.left.update((index, f"{why}; {error}") for index, why in asked_again.items())
                break
        self.tell()

    def tell(self) -> None:
        """Tell the host what is left."""
        if self._id is not None:
            tell_left(self._host, self._id, [replace(self._items[i], why=why) for i, why in self.left.items()])

    def results(self, shape: Callable[[dict[int, Any]], list[Any]], check: Any = None) -> MapResults:
        """The list that code is given, which `shape` makes of the values."""

        def again() -> tuple[list[Any], dict[Name, str], dict[Name, Any]]:
            self.again(self.left)
            self.check(check)
            return shape(self.found), self._named(self.left), self._named(self.refused)

        def settle(names: list[Name]) -> None:
            kept = set(names)
            self.left = {index: why for index, why in self.left.items() if self._names[index] in kept}
            self.tell()

        return MapResults(shape(self.found), self._named(self.left), self._named(self.refused), again, settle)

    def _ask(self, items: Sequence[MapItem]) -> None:
        answer = ask_map(self._host, self._task, items, self._id)
        self._id = answer["map"]
        for item in items:
            self.left.pop(item.index, None)
            self.found.pop(item.index, None)
        self.found.update((index, value) for index, value in answer["values"])
        self.left.update((index, why) for index, why in answer["left"])

    def _named(self, by_index: dict[int, Any]) -> dict[Name, Any]:
        return {self._names[index]: by_index[index] for index in sorted(by_index)}


def ask_map(host: HostPort, task: MapTask, items: Sequence[MapItem], map_id: int | None) -> dict[str, Any]:
    """What `LlmMap` is answered by. Raises as `ask` of host_calls, and ValueError for a schema that is too long."""
    try:
        sent = write_map(task, items)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{error}; nothing was sent") from None
    return ask(host, LlmMap(sent, map_id), SubCallError)


def tell_left(host: HostPort, map_id: int, left: Sequence[MapItem]) -> None:
    """These items of a map alone are unresolved. Of map 0, which is all of them, nothing is."""
    ask(host, MapLeft(map_id, write_items([replace(item, text="") for item in left])), SubCallError)


def refusal(check: Callable[[Any], Any], value: Any) -> tuple[str | None, bool]:
    """Why a check does not take the value, None where it does; and whether asking again can help."""
    try:
        verdict = check(value)
    except (AssertionError, ValueError) as error:
        return f"{error}" or "it does not pass the check", True
    except Exception as error:  # of the check rather than of the value
        return f"the check raised {type(error).__name__}: {error}", False
    if isinstance(verdict, str):
        return verdict or None, True
    return (None, True) if verdict is None or verdict else ("it does not pass the check", True)


def check_instruction(name: str, instruction: Any) -> None:
    """Raises TypeError for what is none: often the arguments stand the wrong way round."""
    if not isinstance(instruction, str):
        raise TypeError(
            f"{name}: {type(instruction).__name__} is not a str; it is the first argument; nothing was sent"
        )
    if not instruction.strip():
        raise TypeError(f"{name}: pass a str that is not empty; nothing was sent")


def task_of(kind: MapKind, instruction: str, form: Any = None, choices: Any = None) -> MapTask:
    """The task. Raises TypeError and ValueError, with nothing sent."""
    if form is not None and choices is not None:
        raise ValueError("schema and choices: pass one of them; nothing was sent")
    schema = None if form is None else schema_of(form)
    if choices is not None:
        schema = {"enum": _choices(choices)}
    return MapTask(kind, str.__str__(instruction), schema)


def map_items(texts: Iterable[str], names: Sequence[Name]) -> list[MapItem]:
    """Items with what code calls them by. Raises ValueError where there are too many."""
    if len(names) > MAX_ITEMS:
        raise ValueError(f"items: {len(names):,} of them, at most {MAX_ITEMS:,} are taken; nothing was sent")
    return [
        MapItem(index, text, label="" if isinstance(name, int) else str(name))
        for index, (text, name) in enumerate(zip(texts, names, strict=True))
    ]


def text_of(index: int, item: Any, of: str = "item") -> str:
    """What an item says: a document's text, a match's own words, a dict as JSON."""
    value: Any = item
    if isinstance(item, Match):
        value = item.text
    elif isinstance(item, Mapping):
        fields = cast("Mapping[str, Any]", item)
        value = fields.get("text")
        if not isinstance(value, str):
            value = write_json(dict(fields), _ITEM_CHARS)
    if not isinstance(value, str):
        kind = type(cast("object", item)).__name__
        raise TypeError(f"{of} {index} is {kind}, not a str, a document or a match; nothing was sent")
    return str.__str__(value)


def pair_text(one: str, other: str) -> str:
    """A pair as one item. Further lines are indented, so that none passes for the other."""
    return "\n".join(
        f"{side}: {'  '.join(text.splitlines(keepends=True))}" for side, text in (("A", one), ("B", other))
    )


def pair_names(a: int, b: int | None) -> list[tuple[int, int]]:
    """The pairs of two lists, or of one with itself, by their indices. Raises ValueError for too many."""
    count = a * (a - 1) // 2 if b is None else a * b
    if count > MOST_PAIRS:
        of = f"{a:,} items" if b is None else f"{a:,} and {b:,} items"
        raise ValueError(
            f"llm_pairs: {of} make {count:,} pairs, at most {MOST_PAIRS:,} are asked; nothing was sent; let code leave "
            "out pairs that cannot be, or compare what llm_map finds for each item"
        )
    return [(i, j) for i in range(a) for j in range(0 if b is not None else i + 1, a if b is None else b)]


def _choices(choices: Any) -> list[str]:
    if isinstance(choices, (str, dict)) or not isinstance(choices, Iterable):
        raise TypeError("choices: pass a list of str; nothing was sent")
    listed = list(cast("Iterable[Any]", choices))
    for choice in listed:
        if not isinstance(choice, str):
            raise TypeError(f"choices: {type(choice).__name__} is not a str; nothing was sent")
    if not listed:
        raise ValueError("choices: there are none; nothing was sent")
    return [str.__str__(choice) for choice in listed]
