"""This engine beside its peers: what of a run is no model's time, and what is sent to the models for one solution."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, replace

from benchmarks.engines.contenders import PEERS, THIS_ENGINE, Contender
from benchmarks.engines.measuring import Task
from benchmarks.fresh_process import CouldNotRunError
from benchmarks.registry import Group, Scale
from benchmarks.row import OURS, Row
from benchmarks.table import size


@dataclass(frozen=True)
class _Asked:
    """A row to be measured of each engine."""

    name: str
    measurement: str
    mb: float = 0.01
    times: int = 1
    """How often the thing is done in a process."""
    slow_times: int = 3
    processes: int = 1
    """How many processes measure it, each anew and the engines in turn; their median counts."""
    unit: str = "ms"
    bound: float | None = None
    peers: bool = True
    """Whether the peers have such a thing."""

    def at(self, scale: Scale) -> _Asked:
        mb = self.mb / 100 if self.mb >= 1 else self.mb
        return replace(self, mb=mb, times=min(2, self.times), slow_times=2, processes=1) if scale.quick else self


def one_turn(scale: Scale) -> list[Row]:
    return [_row(_Asked("a run of one turn, warm", "one_turn", times=15, processes=3, bound=15), scale)]


def iteration(scale: Scale) -> list[Row]:
    small = _Asked("an iteration, 10 KB", "iteration", times=60, slow_times=20, processes=3, bound=0.5)
    large = _Asked("an iteration, 1 GB", "iteration", 1_000, times=60, bound=0.5)
    return [_row(each, scale) for each in (small, large)]


def callback(scale: Scale) -> list[Row]:
    on_a_loop = _Asked("host callback, async", "callback_async", times=200, processes=3, bound=0.25, peers=False)
    in_a_thread = _Asked("host callback, sync", "callback", times=200, slow_times=40, processes=3, bound=0.4)
    return [_row(each, scale) for each in (on_a_loop, in_a_thread)]


def first_use(scale: Scale) -> list[Row]:
    some = _Asked("first use of a str, 100 MB", "first_use", 100, processes=3, bound=300)
    large = _Asked("first use of a str, 1 GB", "first_use", 1_000, bound=4_000)
    return [_row(each, scale) for each in (some, large)]


def next_run(scale: Scale) -> list[Row]:
    return [_row(_Asked("next run over the same, 1 GB", "next_run", 1_000, times=9, slow_times=1, bound=10), scale)]


def sent(scale: Scale) -> list[Row]:
    """In place of tokens, whose number each model counts in another way."""
    return [_row(_Asked("characters sent for the same solution", "sent", unit="KB"), scale)]


def _row(wanted: _Asked, scale: Scale) -> Row:
    asked = wanted.at(scale)
    contenders = [THIS_ENGINE, *(PEERS if scale.peers and asked.peers else ())]
    taken: dict[str, list[float]] = {}
    missing: dict[str, str] = {}
    for _ in range(asked.processes):
        for each in contenders:
            if each.name in missing:
                continue
            try:
                taken.setdefault(_name(each, asked.mb), []).append(_figure(each, asked, scale))
            except CouldNotRunError as error:
                missing[each.name] = str(error)
    medians = {name: statistics.median(figures) for name, figures in taken.items() if figures}
    ours = medians.pop(OURS, None)
    return Row(asked.name, asked.unit, ours, medians, asked.bound, missing=missing)


def _name(contender: Contender, mb: float) -> str:
    return contender.name if mb <= contender.largest_mb else f"{contender.name} (at {size(contender.largest_mb)})"


def _figure(contender: Contender, asked: _Asked, scale: Scale) -> float:
    if scale.quick and contender is THIS_ENGINE:
        from benchmarks.engines.this_engine import MEASUREMENTS, ThisEngine

        return MEASUREMENTS[asked.measurement](ThisEngine(), Task(asked.mb, asked.times))
    return contender.measure(asked.measurement, asked.mb, asked.slow_times if contender.is_slow else asked.times)


GROUP = Group("Beside other engines", (one_turn, iteration, callback, first_use, next_run, sent))
