"""Typed maps: items packed into sub-calls, each reply read and checked, and what fails asked again, a few at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from rlm_integrations.core.calls.budget import Budget, BudgetError
from rlm_integrations.core.calls.end_together import side_by_side
from rlm_integrations.core.calls.endings import too_many_to_read
from rlm_integrations.core.calls.threads import in_thread, off_loop
from rlm_integrations.core.host.answers import RefusedCallError
from rlm_integrations.core.host.json_values import WrongSchemaError
from rlm_integrations.core.host.map_packs import ITEMS_A_CALL, Pack, TooLongItemError, pack_of, packed
from rlm_integrations.core.host.map_replies import NO_REPLY, STRAY, TWICE, lone_reply, marked_replies, stray_end
from rlm_integrations.core.host.map_values import MapValues
from rlm_integrations.core.host.open_maps import OpenMaps
from rlm_integrations.core.host.own_task import in_own_task
from rlm_integrations.core.host.reservations import Reservations
from rlm_integrations.core.host.step_record import StepRecord
from rlm_integrations.core.host.sub_calls import SubCalls
from rlm_integrations.core.wording import number, plural
from rlm_integrations.wire.calls import LlmMap, LlmQuery, MapLeft, Reserve, WrongCallError
from rlm_integrations.wire.typed_maps import MapItem, MapTask, read_items, read_map

if TYPE_CHECKING:
    from rlm_integrations.core.journal.node_journal import CallJournal

_SIZES = (ITEMS_A_CALL, 16, 5, 1, 1)
"""Items of a call, round by round: what failed is asked again in smaller calls."""
_AGAIN_SIZES = (16, 5, 1)
"""The same for what code asks once more."""
_QUERY_SIZES = (1, 1, 1)
_PROBES = 5
"""After a round without any value so many items are asked, one by one: where that helps nothing either, no more are."""


@dataclass(slots=True)
class _SoFar:
    """A map while it is asked: values by index, and the items that have none yet."""

    task: MapTask
    values: MapValues
    found: dict[int, Any] = field(default_factory=dict[int, Any])
    left: dict[int, MapItem] = field(default_factory=dict[int, MapItem])
    kept: CallJournal | None = None
    """What the journal has of it."""

    def take(
        self, item: MapItem, words: str | None, why: str, *, lone: bool = False, ends_at_mark: bool = False
    ) -> None:
        """What was said of an item, alone or in a pack; where it is no value, it is to be asked again."""
        value, misfit = None, why
        if words is not None:
            value, misfit = self.values.read(words, lone=lone, ends_at_mark=ends_at_mark)
        if misfit is None:
            self.found[item.index] = value
            del self.left[item.index]
        else:
            self.left[item.index] = replace(item, why=misfit)


class TypedMaps:
    """The maps of one node. `max_chars` is the longest prompt of a sub-call, in characters."""

    def __init__(
        self, sub_calls: SubCalls, reservations: Reservations, budget: Budget, open_maps: OpenMaps, max_chars: int
    ) -> None:
        self._sub_calls = sub_calls
        self._reservations = reservations
        self._budget = budget
        self._open = open_maps
        self._max_chars = max_chars

    async def ask(self, call: LlmMap, step: StepRecord, kept: CallJournal | None = None) -> dict[str, Any]:
        """The values of the items, and why the others have none, as `LlmMap` says.

        Raises RefusedCallError, and BudgetError where nothing was sent.
        """
        self._reservations.check_depth(1)
        task, items, values = await off_loop(len(call.sent), _read, call.sent)
        if not items:  # what is kept of a map is paid for by its sub-calls
            raise RefusedCallError("value", "llm_map: there are no items; nothing was sent")
        so_far = _SoFar(task, values, left={item.index: item for item in items}, kept=kept)
        sizes = _SIZES if call.map is None else _AGAIN_SIZES
        await self._rounds(so_far, _QUERY_SIZES if task.kind == "query" else sizes, step)
        left = list(so_far.left.values())
        map_id = call.map if call.map is not None else self._open.open(task, len(items))
        self._open.asked(map_id, items, left)
        return {
            "map": map_id,
            "values": [[index, so_far.found[index]] for index in sorted(so_far.found)],
            "left": [[item.index, item.why] for item in left],
        }

    async def _rounds(self, so_far: _SoFar, sizes: tuple[int, ...], step: StepRecord) -> None:
        """Ask until all is found, or more of it would be in vain. Raises as `ask` does."""
        helped = singly = False
        for round_, most in enumerate(sizes):
            items = list(so_far.left.values())
            probing = round_ > 0 and not helped and len(items) > _PROBES
            if probing:
                items = items[:_PROBES]
            before = len(so_far.found)
            more = items and await self._round(so_far, items, 1 if probing or singly else most, step, first=not round_)
            helped = len(so_far.found) > before
            if not more or (probing and not helped):
                break
            singly = singly or probing

    async def set_left(self, call: MapLeft) -> None:
        """Note what code has settled or dropped. Raises RefusedCallError."""
        try:
            self._open.set_left(call.map, await off_loop(len(call.left), read_items, call.left))
        except WrongCallError as error:
            raise RefusedCallError("value", str(error)) from None

    async def _round(self, so_far: _SoFar, items: list[MapItem], most: int, step: StepRecord, *, first: bool) -> bool:
        """Ask for these items once. Returns whether more can be asked."""
        chars = sum([len(item.text) for item in items])
        packs = await off_loop(chars, _packs, so_far, items, self._max_chars, most)
        if not first and len(packs) > self._budget.sub_calls_left:  # asking for them would end the run
            why = f"; {plural(len(packs), 'sub-call')} to ask again, {number(self._budget.sub_calls_left)} left"
            so_far.left |= {item.index: replace(item, why=item.why + why) for item in items}
            return False
        try:
            batch = await self._reservations.reserve(Reserve(len(packs), _chars(so_far.task, packs)), step)
        except BudgetError as error:
            if first:
                raise
            so_far.left |= {item.index: replace(item, why=f"{item.why}; {error}") for item in items}
            return False
        outcomes = await self._send(so_far, packs, batch, step)
        await in_thread(_take, so_far, packs, outcomes)
        refused = [outcome for outcome in outcomes if isinstance(outcome, BudgetError)]
        if first and len(refused) == len(packs):
            raise refused[0]
        return not refused

    async def _send(
        self, so_far: _SoFar, packs: Sequence[list[MapItem]], batch: int, step: StepRecord
    ) -> list[tuple[Pack, str] | RefusedCallError | BudgetError]:
        """What came of each pack. As many prompts are held at once as may be open, for all of them may be long."""
        outcomes = dict[int, tuple[Pack, str] | RefusedCallError | BudgetError]()
        numbered = enumerate(packs)

        async def work(rest: Iterator[tuple[int, list[MapItem]]]) -> None:
            for place, items in rest:
                chars = sum([len(item.text) for item in items])
                pack = await off_loop(chars, pack_of, so_far.task, so_far.values.form, items)
                sent = LlmQuery(pack.prompt, batch, place)
                kept = None if so_far.kept is None else await so_far.kept.part(sent)
                query = self._sub_calls.query(sent, step, kept)
                try:
                    outcomes[place] = pack, _readable(await in_own_task(query))
                except (RefusedCallError, BudgetError) as error:
                    outcomes[place] = error

        workers = min(len(packs), self._budget.limits.max_concurrency)
        await side_by_side(work(numbered) for _ in range(workers))
        return [outcomes[place] for place in range(len(packs))]


def _read(sent: str) -> tuple[MapTask, list[MapItem], MapValues]:
    """The task, its items, and what reads their values. Raises RefusedCallError."""
    try:
        task, items = read_map(sent)
        return task, items, MapValues(task.schema)
    except (WrongCallError, WrongSchemaError) as error:
        raise RefusedCallError("value", f"{error}; nothing was sent") from None


def _readable(reply: str) -> str:
    """A reply that values are looked for in. Raises RefusedCallError for one that is too long for that."""
    if (why := too_many_to_read(len(reply))) is not None:
        raise RefusedCallError("failed", why)
    return reply


def _packs(so_far: _SoFar, items: list[MapItem], max_chars: int, most: int) -> list[list[MapItem]]:
    """The items of each call. Raises RefusedCallError for an item that is too long."""
    form = so_far.values.form(False)
    most = 1 if so_far.task.kind == "query" else most
    try:
        return packed(so_far.task, form, items, max_chars, most)
    except TooLongItemError:  # maybe not without what is said of its last reply
        items = [replace(item, why="") for item in items]
    try:
        return packed(so_far.task, form, items, max_chars, most)
    except TooLongItemError as error:
        raise RefusedCallError("value", str(error)) from None


def _chars(task: MapTask, packs: Sequence[list[MapItem]]) -> int:
    """About how many characters their prompts have in all."""
    return len(packs) * len(task.instruction) + sum([len(item.text) for items in packs for item in items])


def _take(
    so_far: _SoFar,
    packs: Sequence[list[MapItem]],
    outcomes: Sequence[tuple[Pack, str] | RefusedCallError | BudgetError],
) -> None:
    """Read what came of each pack."""
    for items, outcome in zip(packs, outcomes, strict=True):
        if not isinstance(outcome, tuple):
            for item in items:
                so_far.take(item, None, str(outcome))
            continue
        pack, reply = outcome
        if not pack.marks:
            so_far.take(items[0], lone_reply(reply), NO_REPLY, lone=True)
            continue
        values = so_far.values
        words, twice = marked_replies(reply, pack.marks, objects=values.takes_objects, texts=values.takes_words)
        stray = stray_end(words) if values.takes_words else None
        last = next(reversed(words), None)
        for place, item in enumerate(items):
            if place == stray:
                so_far.take(item, None, STRAY)
            else:
                why = TWICE if place in twice else NO_REPLY
                so_far.take(item, words.get(place), why, ends_at_mark=place != last)
