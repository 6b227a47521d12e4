"""A run that is over, as it looked while it went on: in the words of the live view, out of its trace."""

from __future__ import annotations

from rich.text import Text

from rlm_integrations.core.trace.call_records import AnswerCheck
from rlm_integrations.core.trace.events import CodeEnded, FoldEnded, RootFailed, RootReplied
from rlm_integrations.core.trace.records import Agreement, Iteration, RLMTrace
from rlm_integrations.core.wording import one_line, plural
from rlm_integrations.terminal.amounts import SubCallCounts, place
from rlm_integrations.terminal.console import sentence
from rlm_integrations.terminal.run_lines import failure_line, iteration_line, summary_line
from rlm_integrations.terminal.run_view import RunView
from rlm_integrations.terminal.run_words import code_words, spelled_out

_MOST_CHILDREN = 8
"""Of each iteration, that have a line."""
_ANSWER_CHARS = 200
"""Of a run that stands beside the one whose answer was given."""
_AGREEMENTS: dict[Agreement, str] = {
    "agreed": "Two blind runs agreed.",
    "reconciled": "Two blind runs differed, and a third said which answer holds.",
    "differed": "Two blind runs differed: the answer is the first one's.",
}


def trace_lines(trace: RLMTrace, *, in_full: bool) -> list[Text]:
    """Question, corpus, a line for each iteration and for its children, and the sums.

    Args:
        trace: of a run, or a summary of one.
        in_full: with what the root LM wrote and what its code printed.
    """
    lines = [sentence(f"question: {trace.question}"), sentence(f"corpus: {trace.context}")]
    lines += _iterations(trace, in_full=in_full)
    for number, other in enumerate(trace.beside, 1):
        lines += [sentence(f"other run {number}: {_what_it_said(other)}"), *_iterations(other, in_full=in_full)]
    if trace.agreement is not None:
        lines.append(Text(_AGREEMENTS[trace.agreement]))
    view = RunView(
        iterations=trace.iteration_count,
        sub_calls=SubCallCounts(done=trace.sub_call_count, failed=trace.failed_sub_call_count),
        first_failure=_first_failure(trace),
        usage=trace.paid_usage,
        replayed=trace.replayed_usage,
    )
    if view.first_failure:
        lines.append(sentence(failure_line(view)))
    lines += [sentence(f"warning: {warning}") for warning in trace.warnings]
    lines.append(sentence(summary_line(view, trace.seconds + sum(other.seconds for other in trace.beside))))
    return [*lines, sentence(_end_words(trace))]


def _iterations(trace: RLMTrace, *, in_full: bool) -> list[Text]:
    lines: list[Text] = []
    for iteration in trace.iterations:
        if in_full:
            lines += _spelled_out(iteration)
        ended = Text(iteration_line(_view(trace, iteration), _end(iteration)))
        lines += [ended, *_children(iteration), *(_check_line(check) for check in iteration.checks)]
    if omitted := trace.omitted_iterations:
        lines.append(Text(f"left out of this summary: {plural(omitted.count, 'iteration')}"))
    return lines


def _check_line(check: AnswerCheck) -> Text:
    if check.error is not None:
        said = f"broke: {check.error}"
    else:
        said = "took the answer" if check.objection is None else f"refused the answer: {check.objection}"
    return Text.assemble("  ", sentence(f"check {check.name}: {said}"))


def _what_it_said(other: RLMTrace) -> str:
    if other.error is not None:
        return f"failed: {other.error}"
    return one_line(other.answer, _ANSWER_CHARS) or "no answer"


def _view(trace: RLMTrace, iteration: Iteration) -> RunView:
    execution = iteration.execution
    replayed = iteration.replayed_root_usage
    usage = iteration.root_usage - replayed
    view = RunView(
        iteration=iteration.number,
        max_iterations=trace.limits.max_iterations,
        iteration_began=iteration.call.start,
        iteration_usage=usage,
        iteration_replayed=replayed,
    )
    if execution is None:
        return view
    return RunView(
        iteration=view.iteration,
        max_iterations=view.max_iterations,
        blocks=len(execution.blocks),
        raised=execution.error is not None,
        objections=sum(check.objection is not None or check.error is not None for check in iteration.checks),
        sub_calls=SubCallCounts(done=execution.sub_call_count, failed=execution.failed_sub_call_count),
        iteration_began=view.iteration_began,
        iteration_usage=usage + (execution.usage - execution.replayed_usage),
        iteration_replayed=replayed + execution.replayed_usage,
    )


def _end(iteration: Iteration) -> float:
    last = iteration.execution or iteration.call
    return last.start + last.seconds


def _children(iteration: Iteration) -> list[Text]:
    calls = [] if iteration.execution is None else [call for call in iteration.execution.sub_calls if call.child]
    lines: list[Text] = []
    for call in sorted(calls, key=lambda call: call.number)[:_MOST_CHILDREN]:
        assert call.child is not None
        parts = [plural(call.child.iteration_count, "iteration"), plural(call.child.sub_call_count, "sub-call")]
        parts += [] if call.error is None else [f"failed: {call.error}"]
        lines.append(Text.assemble("  ", sentence(f"child {place((call.number,))}: {', '.join(parts)}")))
    more = len(calls) - _MOST_CHILDREN
    return [*lines, *([Text(f"  and {more} more")] if more > 0 else [])]


def _spelled_out(iteration: Iteration) -> list[Text]:
    number, call, execution = iteration.number, iteration.call, iteration.execution
    if call.error is not None:
        return [*spelled_out(RootFailed(number, call.error)), *_summaries(iteration)]
    lines = spelled_out(RootReplied(number, iteration.reply, call.usage, thoughts=call.thoughts))
    if execution is None:
        return lines
    handed_over = [block for block in execution.blocks if block.strip() not in iteration.reply]  # by a tool
    return [*lines, *code_words(handed_over), *spelled_out(CodeEnded(number, execution)), *_summaries(iteration)]


def _summaries(iteration: Iteration) -> list[Text]:
    """What the root LM wrote to stand for its older iterations."""
    return [words for fold in iteration.folds for words in spelled_out(FoldEnded(iteration.number, fold))]


def _first_failure(trace: RLMTrace) -> str:
    calls = (
        call
        for run in (trace, *trace.beside)
        for each in run.tree()
        for execution in each.executions
        for call in execution.sub_calls
    )
    return next((call.error for call in calls if call.error is not None), "")


def _end_words(trace: RLMTrace) -> str:
    if trace.error is not None:
        return f"The run failed: {trace.error}"
    if trace.stop_reason is None:
        return "The run was not finished." if trace.contents else "No end of the run is kept."
    answered = trace.stop_reason in ("answer", "plain_reply")
    return "The answer:" if answered else f"Stopped by: {trace.stop_reason}"
