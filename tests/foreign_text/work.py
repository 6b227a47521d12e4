"""Nothing that others wrote keeps the host: what reads texts of documents, replies or the REPL is linear and bounded.

The tables `READERS` of test_reading_*.py feed each such function its worst shapes, and what stands here counts lines of
the package that are executed and characters that methods of str look at. Patterns are not seen by that:
tests/test_patterns.py proves each of the host.

Not repeated here: `parse_reply` (tests/core/loop/test_reply_parser_cost.py), what `mark_citations` looks at
(tests/llama_index/test_citation_marks.py, test_prefixes.py), `find_evidence` over one corpus
(tests/core/trace/test_evidence.py), and frames without end (tests/sandboxes/test_inbound.py).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import rlm_integrations
from rlm_integrations import RLMLimits
from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.trace.call_records import HostFunctionCall, ModelCall
from rlm_integrations.core.trace.evidence import Evidence
from rlm_integrations.core.trace.records import CodeExecution, Iteration, RLMTrace, SubCall
from rlm_integrations.core.trace.result import RLMResult

PACKAGE = str(Path(rlm_integrations.__file__).parent)
LONG = 10_000
"""Characters of what is read with work counted; a quarter of them is what it is held against."""
LIMITS = RLMLimits()


class Work:
    """Lines of the package that were executed, and characters that methods of `Counted` looked at."""

    def __init__(self) -> None:
        self.done = 0

    def __enter__(self) -> Work:
        Counted.work, self._before = self, sys.gettrace()

        def enter(frame: FrameType, event: str, argument: object) -> Any:
            return count if frame.f_code.co_filename.startswith(PACKAGE) else None

        def count(frame: FrameType, event: str, argument: object) -> Any:  # once for each line: no method, nor a sum
            if event == "line":
                self.done += 1
            return count

        sys.settrace(enter)
        return self

    def __exit__(self, *raised: object) -> None:
        sys.settrace(self._before)
        Counted.work = Work()


class Counted(str):
    """A text that counts what of it is looked at. What its methods return counts as well."""

    work: Work = Work()

    def find(self, *arguments: Any) -> int:
        place = super().find(*arguments)
        start, end = self._bounds(arguments)
        Counted.work.done += (end if place < 0 else place) - start
        return place

    def rfind(self, *arguments: Any) -> int:
        place = super().rfind(*arguments)
        start, end = self._bounds(arguments)
        Counted.work.done += end - max(place, start)
        return place

    def _bounds(self, arguments: tuple[Any, ...]) -> tuple[int, int]:
        """Of a search, given what to search for, where to begin and where to end."""
        start, end = (*arguments[1:], *(0, len(self))[len(arguments) - 1 :])
        return min(start, len(self)), min(end, len(self))

    def __add__(self, other: str) -> Counted:
        return self._copied(super().__add__(other))

    def __radd__(self, other: str) -> Counted:
        return self._copied(other + str(self))

    def __getitem__(self, key: Any) -> Counted:
        return self._copied(super().__getitem__(key))

    def _copied(self, text: str) -> Counted:
        Counted.work.done += len(text)
        return Counted(text)

    def startswith(self, prefix: Any, *places: Any) -> bool:
        Counted.work.done += len(prefix)
        return super().startswith(prefix, *places)

    def _whole(self, result: Any) -> Any:
        Counted.work.done += len(self)
        return [Counted(each) for each in result] if isinstance(result, list) else result

    def strip(self, *chars: Any) -> Any:
        return Counted(self._whole(super().strip(*chars)))

    def split(self, *arguments: Any, **keywords: Any) -> Any:
        return self._whole(super().split(*arguments, **keywords))

    def splitlines(self, keepends: bool = False) -> Any:
        return self._whole(super().splitlines(keepends))

    def replace(self, *arguments: Any) -> Any:
        return Counted(self._whole(super().replace(*arguments)))

    def count(self, *arguments: Any) -> int:
        return self._whole(super().count(*arguments))

    def encode(self, *arguments: Any, **keywords: Any) -> bytes:
        return self._whole(super().encode(*arguments, **keywords))

    def __contains__(self, part: Any) -> bool:
        return self._whole(super().__contains__(part))


def work_of(read: Callable[[str], object], text: str) -> int:
    with Work() as work:
        read(Counted(text))
    return work.done


Reader = tuple[Callable[[str], object], dict[str, Callable[[int], str]]]
"""What reads a text, and shapes that may make it slow, of about so many characters."""


def assert_in_proportion(reader: Reader, shape: str) -> None:
    """That reading a long text of this shape takes no more for each character than reading a short one."""
    read, shapes = reader
    short, long = shapes[shape](LONG // 4), shapes[shape](LONG)
    assert len(long) >= LONG * 0.4
    read(short)  # what is made once
    assert work_of(read, long) <= 1.3 * len(long) / len(short) * work_of(read, short) + 2_000


def every_shape(readers: dict[str, Reader]) -> list[tuple[str, str]]:
    return [(name, shape) for name, (_, shapes) in readers.items() for shape in shapes]


def trace_of(text: str, calls: int = 1) -> RLMTrace:
    sub_calls = [SubCall(number=number, prompt=text, reply=text) for number in range(1, calls + 1)]
    host_calls = [HostFunctionCall(name="tool", arguments="a" * 2_000, result="r" * 2_000)] * calls
    execution = CodeExecution(blocks=[text], output=text, sub_calls=sub_calls, host_calls=host_calls)
    iteration = Iteration(number=1, call=ModelCall(prompt_chars=1), reply=text, execution=execution)
    return RLMTrace(question=text, context="c", limits=LIMITS, iterations=[iteration])


def result_of(trace: RLMTrace) -> RLMResult[str]:
    evidence = Evidence(trace, Corpus.of(None))
    return RLMResult(trace.answer, trace.answer, tuple(trace.citations), evidence, "answer", trace)
