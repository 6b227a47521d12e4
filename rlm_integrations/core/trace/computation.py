"""What code computed over the corpus, where an answer rests on that and on no document: a count, a sum, a list.

No document says how many documents there are. What can be shown for such an answer is the code and its output.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from rlm_integrations.core.trace.data_flow import DataFlow
from rlm_integrations.core.trace.records import CodeExecution, RLMTrace
from rlm_integrations.core.wording import shortened
from rlm_integrations.frozen import frozen

_CHARS = 8_000
"""Of the whole text."""
_PART_CHARS = 1_500
"""Of the code of a step, and of its output."""
_WORDS_CHARS = 40_000
"""Of a text whose words are compared."""
_WORD = re.compile(r"\w++")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d\d\d(?!\d))")
_LONG_WORD = 4


@frozen
class _Step:
    number: int
    execution: CodeExecution


def computation_of(trace: RLMTrace, sources: Sequence[str]) -> str | None:
    """What the code of a run computed, where the answer says something of it that none of the sources says.

    That is the code that read the corpus, its output, and the answer where that code set it; at most _CHARS
    characters. `sources` are the texts that stand for the answer otherwise.

    None where the answer has nothing that was computed: where all it says stands in the sources, in the question or in
    replies of sub-calls, or where the root LM just wrote it.
    """
    flow, steps = DataFlow(), list[_Step]()
    for iteration in trace.iterations:
        if iteration.execution is not None:
            called = frozenset(call.name for call in iteration.execution.host_calls)
            reads = [flow.follow(block, called) for block in iteration.execution.blocks]
            if any(reads):
                steps.append(_Step(iteration.number, iteration.execution))
    ended_by_code = bool(trace.iterations) and trace.iterations[-1].execution is not None
    computed = flow.answer_from_corpus and ended_by_code and trace.stop_reason == "answer"
    if not steps or not _is_needed(trace, sources, flow, steps, computed):
        return None
    return _text(trace, steps, computed)


def _is_needed(trace: RLMTrace, sources: Sequence[str], flow: DataFlow, steps: Sequence[_Step], computed: bool) -> bool:
    replies = (call.reply or "" for execution in trace.executions for call in execution.sub_calls)
    unproven = _words([trace.answer]) - _words([trace.question]) - _words(sources)
    unproven -= _words(replies)
    if computed and unproven - _words(flow.literals):
        return True
    printed = unproven & _words(step.execution.output for step in steps)
    return bool(printed) and (not sources or any(word[0].isdecimal() for word in printed))


def _text(trace: RLMTrace, steps: Sequence[_Step], computed: bool) -> str:
    head = f"Computed by code that read the corpus ({trace.context}); not the text of any document."
    end = f"\n\nThe code set the answer to:\n{shortened(trace.answer, _PART_CHARS)}" if computed else ""
    left, shown = _CHARS - len(head) - len(end) - 100, list[str]()
    for step in reversed(steps):
        written = _step_text(step)
        left -= len(written) + 2
        if left < 0:
            shown.append("(earlier steps are left out)")
            break
        shown.append(written)
    return "\n\n".join([head, *reversed(shown)]) + end


def _step_text(step: _Step) -> str:
    execution = step.execution
    code = shortened("\n\n".join(execution.blocks), _PART_CHARS)
    lines = [f"Step {step.number}, its code:\n{code}"]
    if execution.output.strip():
        lines.append(f"Its output:\n{shortened(execution.output.strip(), _PART_CHARS)}")
    if execution.error is not None:
        lines.append(f"It ended with: {shortened(execution.error, _PART_CHARS)}")
    return "\n".join(lines)


def _words(texts: Iterable[str]) -> set[str]:
    """Numbers, and words that are not short."""
    words: set[str] = set()
    for text in texts:
        words.update(_WORD.findall(_THOUSANDS.sub("", text[:_WORDS_CHARS].lower())))
    return {word for word in words if len(word) >= _LONG_WORD or word[0].isdecimal()}
