"""Items of a map packed into prompts, each below a mark of its own, and replies read against the marks. Pure.

A mark holds a hash of its item, and occurs in none of the texts that it is sent with. So nothing that an item says
passes for another item, and a model that leaves one out and counts on answers for nobody. The hash has no secret key:
equal maps have equal prompts, in another process too, which caches and recordings need.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rlm_integrations.core.host.map_replies import marks_in
from rlm_integrations.core.prompts.fences import fence_tag
from rlm_integrations.core.prompts.texts import map_part
from rlm_integrations.core.wording import number, one_line
from rlm_integrations.frozen import frozen
from rlm_integrations.wire.typed_maps import MapItem, MapTask

ITEMS_A_CALL = 50
"""So many a weak model can still keep apart."""

_TAG_CHARS, _LONG_TAG_CHARS = 4, 8
_MOST_SALTS = 16
"""After so many, tags are longer: a text can hold all short ones."""
_MARK_ROOM = 24
_WHY_CHARS = 160
_INDENT = "  "


class TooLongItemError(ValueError):
    """An item does not fit into a prompt. The message is for the root LM."""


@frozen
class Pack:
    """One prompt, for these items, by their marks; a lone item has none."""

    prompt: str
    items: Sequence[MapItem]
    marks: dict[str, int]
    """Mark, without brackets, to the place in `items`."""


def packed(task: MapTask, form: str, items: Sequence[MapItem], max_chars: int, most: int) -> list[list[MapItem]]:
    """The items of each call: as few calls as can be, none of them with a small rest.

    `form` says what a reply is, and `most` is the number of items in a call. Raises TooLongItemError.
    """
    frame = len(_frame(task, form, number(ITEMS_A_CALL), "", "")) + 4 * _MARK_ROOM
    room = min(max_chars * 4 // 5, max_chars - frame) if task.kind != "query" else max_chars - len(form) - 4
    sizes = [_size(task, item) for item in items]
    for item, size in zip(items, sizes, strict=True):
        if size > room:
            raise TooLongItemError(_too_long(task, item, room - size + len(item.text)))
    packs = _filled(items, sizes, room, most)
    share = -(-len(items) // max(1, len(packs)))
    even = _filled(items, sizes, room, share)
    return even if len(even) == len(packs) else packs


def pack_of(task: MapTask, form: Callable[[bool], str], items: Sequence[MapItem]) -> Pack:
    """The prompt for these items. `form`, told whether there is only one, says what a reply is."""
    if task.kind == "query":
        (item,) = items
        before = map_part("query_before", why=one_line(item.why, _WHY_CHARS)) if item.why else ""
        return Pack("\n\n".join(filter(None, (item.text, form(True), before))), items, {})
    if len(items) == 1:
        return Pack(_frame(task, form(True), "1", "", _entry("", items[0]), lone=True), items, {})
    marks = _marks(task, items)
    entries = "\n".join(_entry(f"[{mark}] ", items[place]) for mark, place in marks.items())
    first = f"[{next(iter(marks))}]"
    return Pack(_frame(task, form(False), number(len(items)), first, entries), items, marks)


def _too_long(task: MapTask, item: MapItem, fitting: int) -> str:
    if fitting < 1:
        what = "schema" if task.kind == "query" else "instruction, with what a reply is,"
        return f"the {what} leaves no room in a sub-call; nothing was sent; make it shorter"
    long = f"{len(item.text):,} characters; {fitting:,} fit"
    if task.kind == "query":
        return f"prompt {item.name} has {long} beside its schema; nothing was sent; cut the text with chunks()"
    return f"item {item.name} has {long} beside the instruction; nothing was sent; cut it with chunks()"


def _filled(items: Sequence[MapItem], sizes: Sequence[int], room: int, most: int) -> list[list[MapItem]]:
    packs: list[list[MapItem]] = []
    used = 0
    for item, size in zip(items, sizes, strict=True):
        if not packs or len(packs[-1]) >= most or used + size > room:
            packs.append([])
            used = 0
        packs[-1].append(item)
        used += size
    return packs


def _size(task: MapTask, item: MapItem) -> int:
    """Characters of its entry, and a line break."""
    why = _WHY_CHARS + len(map_part("before", why="")) + len(_INDENT) + 1 if item.why else 0
    if task.kind == "query":
        return len(item.text) + why
    breaks = len(item.text.splitlines()) if len(item.text) > 1 else 0
    return len(item.text) + breaks * len(_INDENT) + _MARK_ROOM + why + 1


def _marks(task: MapTask, items: Sequence[MapItem]) -> dict[str, int]:
    """A mark for each item, that none of the texts holds."""
    taken = set[str]().union(marks_in(task.instruction), *(marks_in(f"{item.text}\n{item.why}") for item in items))
    salt = 0
    while True:
        key, chars = salt.to_bytes(4, "big"), _TAG_CHARS if salt < _MOST_SALTS else _LONG_TAG_CHARS
        marks = {
            f"{item.index + 1}-{fence_tag(key, task.instruction, item.text)[:chars]}": place
            for place, item in enumerate(items)
        }
        if taken.isdisjoint(marks):
            return marks
        salt += 1


def _entry(mark: str, item: MapItem) -> str:
    """An item below its mark. Further lines of it are indented, so that it is seen where it ends."""
    before = map_part("before", why=one_line(item.why, _WHY_CHARS)) if item.why else ""
    text = _INDENT.join(item.text.splitlines(keepends=True))
    return f"{mark}{text}\n{_INDENT}{before}" if before else f"{mark}{text}"


def _frame(task: MapTask, form: str, n: str, first: str, items: str, *, lone: bool = False) -> str:
    instruction = task.instruction
    if task.kind == "filter":
        instruction = map_part("filter", condition=instruction)
    elif task.kind == "pairs":
        instruction = map_part("pairs", question=instruction)
    form = f"{form}\n\n" if form else ""
    return map_part("lone" if lone else "pack", instruction=instruction, form=form, n=n, first=first, items=items)
