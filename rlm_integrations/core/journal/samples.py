"""Equal calls of one job: each is a sample of its own, and the same one whenever the job is started again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Hashable, Iterable
from contextlib import contextmanager
from contextvars import ContextVar

_SAMPLE: ContextVar[tuple[int, ...]] = ContextVar("rlm_sample", default=())


def numbered(calls: Iterable[Hashable]) -> list[int]:
    """For each of the calls of a job, which of those that are equal to it, from 1."""
    seen: Counter[Hashable] = Counter()
    numbers: list[int] = []
    for call in calls:
        seen[call] += 1
        numbers.append(seen[call])
    return numbers


@contextmanager
def sample(number: int) -> Generator[None]:
    """Runs that begin here are the sample of that number. The first is what such a call is by itself."""
    outer = _SAMPLE.get()
    token = _SAMPLE.set((*outer, number) if outer or number > 1 else outer)
    try:
        yield
    finally:
        _SAMPLE.reset(token)


def current_sample() -> str:
    """What tells it from other samples; "" for the first."""
    return ".".join(map(str, _SAMPLE.get()))
