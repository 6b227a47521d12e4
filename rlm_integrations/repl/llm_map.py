"""`llm_map`: one instruction for many items: numbered, packed into sub-calls, parsed, the missing asked again."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from rlm_integrations.repl.awaitable_replies import Awaiting
from rlm_integrations.repl.host_calls import SubCallLimitError
from rlm_integrations.repl.matches import Match
from rlm_integrations.repl.sub_calls import FailedSubCall

# Read while files can still be read: when this module is imported, before the worker confines itself.
TEMPLATE = Path(__file__).with_name("llm_map.md").read_text(encoding="utf-8").rstrip("\n")

_ITEMS_A_CALL = 100
_LESS_WHERE_CUT = 4
"""So many times fewer items go into a call whose reply was too long for the model."""
_INDENT = "  "
_NO_REPLY = "no reply for this item"
_BRACKETED = re.compile(r"[\s*\-•]*\[(\d+)\][\s*:.)\-–]*")
_BARE = re.compile(r"[\s*\-•]*(\d+)[:.)][\s*]+")
_AROUND_A_CHOICE = " \t*_`\"'“”‘’.,;:!"
_FENCE = re.compile(r"\s*```\w*\s*")


class LlmMap:
    """Holds what the function that the model calls needs."""

    def __init__(
        self, ask_all: Callable[[list[str]], list[str]], max_chars: int, awaiting: Awaiting | None = None
    ) -> None:
        """`ask_all` does what llm_query_batched does, `max_chars` is what it takes in one prompt."""
        self._awaiting = awaiting or Awaiting()
        self._ask_all = ask_all
        self._max_chars = max_chars

    def llm_map(self, instruction: str, items: Iterable[Any], choices: Iterable[str] | None = None) -> list[str]:
        """The reply of another language model for each item (a str, a document or a match), in order.

        With `choices` each reply is one of them, as it is spelled there. Items without a reply, or without one of
        these, are asked again once, and so are those of a reply that was cut, a few at a time. An item that still has
        none is a FailedSubCall in its place. Raises what llm_query_batched raises, before
        anything is sent.
        """
        if not isinstance(instruction, str) or not instruction.strip():  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError("instruction: pass a str that is not empty; nothing was sent")
        by_folded = None if choices is None else _choices(choices)
        if by_folded is not None:
            instruction = (
                f"{instruction}\n\nEach reply is one of these, and nothing more: {', '.join(by_folded.values())}."
            )
        texts = [_text_of(index, item) for index, item in enumerate(_listed(items))]
        room = self._room(instruction, texts)
        replies = self._ask(instruction, texts, range(len(texts)), room)
        cut = [index for index, reply in replies.items() if isinstance(reply, FailedSubCall) and reply.cut]
        others = _take_choices(replies, by_folded)
        missing = [index for index in range(len(texts)) if index not in replies]
        for again, most in ((missing, _ITEMS_A_CALL), (cut, max(1, min(len(cut), _ITEMS_A_CALL) // _LESS_WHERE_CUT))):
            if not again:
                continue
            try:
                replies |= self._ask(instruction, texts, again, room, most)
                others |= _take_choices(replies, by_folded)
            except SubCallLimitError as error:  # what has been paid for is kept
                replies |= {index: replies.get(index) or FailedSubCall(str(error)) for index in again}
        return self._awaiting.given(
            [replies.get(index) or FailedSubCall(others.get(index, _NO_REPLY)) for index in range(len(texts))]
        )

    def _room(self, instruction: str, texts: Sequence[str]) -> int:
        """Characters for the items of one call. Raises ValueError where the instruction or an item is too long."""
        frame = len(_prompt(instruction, [])) + len(str(_ITEMS_A_CALL))
        room = min(self._max_chars * 4 // 5, self._max_chars - frame)
        for index, text in enumerate(texts):
            entry = len(_entry(index, text))
            if entry > room:
                fitting = max(0, room - entry + len(text))
                raise ValueError(
                    f"item {index} has {len(text):,} characters; {fitting:,} fit beside the instruction; "
                    "nothing was sent; cut it with chunks()"
                )
        return room

    def _ask(
        self, instruction: str, texts: Sequence[str], indices: Sequence[int], room: int, most: int = _ITEMS_A_CALL
    ) -> dict[int, str]:
        """Replies by index, without those that are missing; those of a failed call are FailedSubCalls."""
        packs = _packed(texts, indices, room, most)
        prompts = [_prompt(instruction, [_entry(index, texts[index]) for index in pack]) for pack in packs]
        replies: dict[int, str] = {}
        for pack, reply in zip(packs, self._ask_all(prompts), strict=True):
            if isinstance(reply, FailedSubCall):
                replies |= dict.fromkeys(pack, reply if len(pack) > 1 else FailedSubCall(reply.error))
            else:
                replies |= parse_replies(reply, [index + 1 for index in pack])
        return replies


def _choices(choices: Iterable[str]) -> dict[str, str]:
    """The choices by what a reply is compared as. Raises TypeError, ValueError."""
    if isinstance(choices, (str, dict)):
        raise TypeError("choices: pass a list of str; nothing was sent")
    by_folded: dict[str, str] = {}
    for choice in choices:
        if not isinstance(choice, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"choices: {type(choice).__name__} is not a str; nothing was sent")
        if not _folded(choice):
            raise ValueError(f"choices: {choice!r:.80} has no word in it; nothing was sent")
        if by_folded.setdefault(_folded(choice), choice) != choice:
            raise ValueError(f"choices: {choice!r:.80} differs from another by case or marks alone; nothing was sent")
    if not by_folded:
        raise ValueError("choices: there are none; nothing was sent")
    return by_folded


def _take_choices(replies: dict[int, str], by_folded: dict[str, str] | None) -> dict[int, str]:
    """Put the choices in place of the replies that are one; take the others out, and say for each why."""
    others: dict[int, str] = {}
    for index, reply in list(replies.items()) if by_folded is not None else ():
        if isinstance(reply, FailedSubCall):
            continue
        choice = by_folded.get(_folded(reply)) if by_folded is not None else None
        if choice is None:
            others[index] = f"the reply {reply!r:.80} is none of the choices"
            del replies[index]
        else:
            replies[index] = choice
    return others


def _folded(text: str) -> str:
    return " ".join(text.split()).strip(_AROUND_A_CHOICE).casefold()


def parse_replies(reply: str, numbers: Sequence[int]) -> dict[int, str]:
    """Replies by index (number - 1). Lines that begin with no number of the pack go on with the one before.

    Numbers in brackets count; where there is none, "3." and "3:" do; a lone item needs none. An item can hold what
    makes the model answer for the others, so a number that comes twice or out of order has no reply.
    """
    for mark in (_BRACKETED, _BARE):
        found = _numbered(reply, mark, set(numbers))
        if any(text for _, text in found):
            return {number - 1: text for number, text in _trusted(found, numbers) if text}
    if len(numbers) == 1 and reply.strip():
        return {numbers[0] - 1: reply.strip()}
    return {}


def _trusted(found: Sequence[tuple[int, str]], numbers: Sequence[int]) -> list[tuple[int, str]]:
    """Those whose number comes once, with none before it that is larger and none after it that is smaller."""
    if len(numbers) == 1:  # there is no other to answer for
        return list(found[:1])
    order = [number for number, _ in found]
    largest_so_far = list(accumulate(order, max))
    smallest_from_here = list(accumulate(reversed(order), min))[::-1]
    times = Counter(order)
    return [
        reply
        for reply, largest, smallest in zip(found, largest_so_far, smallest_from_here, strict=True)
        if times[reply[0]] == 1 and largest == smallest == reply[0]
    ]


def _numbered(reply: str, mark: re.Pattern[str], numbers: set[int]) -> list[tuple[int, str]]:
    """The numbers of the pack that begin a line, each with its reply, in the order in which they stand."""
    found: list[tuple[int, list[str]]] = []
    for line in reply.splitlines():
        if _FENCE.fullmatch(line):
            continue
        head = mark.match(line)
        # A longer run of digits is no number of ours, and may be too long for int()
        number = int(head[1]) if head is not None and len(head[1]) < 10 else None
        if head is not None and number is not None and number in numbers:
            found.append((number, []))
            line = line[head.end() :]
        if found:
            found[-1][1].append(line)
    return [(number, "\n".join(lines).strip()) for number, lines in found]


def _packed(texts: Sequence[str], indices: Sequence[int], room: int, most: int) -> list[list[int]]:
    """Indices for as few calls as can be, none of them with a small rest."""
    packs = _filled(texts, indices, room, most)
    share = -(-len(indices) // max(1, len(packs)))
    even = _filled(texts, indices, room, share)
    return even if len(even) == len(packs) else packs


def _filled(texts: Sequence[str], indices: Sequence[int], room: int, most: int) -> list[list[int]]:
    packs: list[list[int]] = []
    used = 0
    for index in indices:
        size = len(_entry(index, texts[index])) + 1
        if not packs or len(packs[-1]) >= most or used + size > room + 1:
            packs.append([])
            used = 0
        packs[-1].append(index)
        used += size
    return packs


def _entry(index: int, text: str) -> str:
    """An item below its number. Further lines of it are indented, so that none passes for another item."""
    return f"[{index + 1}] {_INDENT.join(text.splitlines(keepends=True))}"


def _prompt(instruction: str, entries: Sequence[str]) -> str:
    return TEMPLATE.format(instruction=instruction, n=len(entries), items="\n".join(entries))


def _listed(items: Any) -> list[Any]:
    if isinstance(items, (str, dict)) or not isinstance(items, Iterable):
        raise TypeError(f"items is {type(items).__name__}, not a list of str; nothing was sent")  # pyright: ignore[reportUnknownArgumentType]
    return list(items)  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]


def _text_of(index: int, item: Any) -> str:
    value: Any = item
    if isinstance(item, Match):
        value = item.text
    elif isinstance(item, Mapping):
        value = item.get("text")  # pyright: ignore[reportUnknownMemberType,reportUnknownVariableType]
    if not isinstance(value, str):
        raise TypeError(f"item {index} is {type(item).__name__}, not a str, a document or a match; nothing was sent")  # pyright: ignore[reportUnknownArgumentType]
    return value
