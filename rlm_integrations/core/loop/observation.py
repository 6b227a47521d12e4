"""What came of a step -> what the root LM is shown. Pure."""

from __future__ import annotations

from typing import NamedTuple

from rlm_integrations.core.calls.endings import to_its_writer
from rlm_integrations.core.language_model import CodeProtocol
from rlm_integrations.core.loop.happenings import BudgetView, CodeRan, FailedBatch
from rlm_integrations.core.loop.unresolved import refused_for, unresolved_lines
from rlm_integrations.core.prompts.texts import fill, observation_part, protocol_part
from rlm_integrations.core.wording import number, one_line, plural, shortened
from rlm_integrations.wire.steps import AnswerState, CodeError, Output, ReplLost, StepDone

OBJECTION_CHARS = 4_000
"""Of what a check says of an answer."""

_QUESTION_EVERY = 8
_QUESTION_CHARS = 400
_ERROR_CHARS = 2_000
_VARIABLES_CHARS = 4_000
_FEW_STEPS = 3
_FEW_TOKENS = 0.25
_LITTLE_TIME_S = 60.0
_LISTED_INDICES = 20


class StepContext(NamedTuple):
    """Where in the run the step stands. A named tuple, as it has many fields and is made for each step."""

    step: int
    max_iterations: int
    question: str
    depth: int
    blocks: int
    """How many blocks the reply had."""
    fence_open: bool
    tag: str
    """Of the fence around the output, which cannot know it."""
    quoted: int = 0
    """How many blocks of the reply were quotations of what the root LM was shown, and not run."""
    unseen: int = 0
    """How many blocks stood below an output that the root LM made up, and were not run."""
    drafts: int = 0
    """How many blocks stood in thoughts, and were not run."""
    unfinished: str | None = None
    """Why the reply is no whole one, where it is none."""
    misfit: str | None = None
    """Why the answer does not fit its schema, where it was ready and does not."""
    refused_for_maps: bool = False
    """Whether the answer was refused since typed maps have unresolved results."""
    doubt: str | None = None
    """What is said of the answer, where it is hardly meant."""
    objected: str | None = None
    """What is said of the answer, where the user's checks refused it."""
    unseen_final: bool = False
    """Whether FINAL(...) stood beside the code, made before anybody saw what the code prints."""
    no_variable: bool = False
    """Whether what stands in FINAL(...) was taken for a variable or for code, and is none."""
    unmarked: bool = False
    """Whether the code stood in no marked fence."""
    example: bool = False
    """Whether the code may have been an example in an answer."""
    protocol: CodeProtocol = "fence"
    """How the root LM hands over its code."""
    draft: str = ""
    """answer["content"] before the step."""


def observe(ran: CodeRan, at: StepContext) -> str:
    """Status first, errors next, output last, in a fence that output cannot forge."""
    lines = [_status(ran, at)]
    outcome = ran.outcome
    if isinstance(outcome, ReplLost):
        lines.append(_repl_lost(outcome, ran.retrieved))
    elif outcome.error is not None:
        lines.append(_error(outcome.error, at.blocks, at.protocol))
    if at.fence_open and (isinstance(outcome, ReplLost) or outcome.error is not None):
        lines.append(observation_part("fence_open"))
    if at.unfinished is not None:
        lines.append(unfinished_reply(one_line(to_its_writer(at.unfinished)), at.protocol))
    if at.quoted:
        lines.append(quoted_blocks(at.quoted))
    lines += _about_the_reply(at)
    lines += [_failed_batch(batch, again=at.step < at.max_iterations - 1) for batch in ran.failed_batches]
    lines += [refused_for(ran.unresolved)] if at.refused_for_maps else unresolved_lines(ran.unresolved)
    if isinstance(outcome, StepDone):
        lines += _answer_and_variables(outcome, at)
    lines += _reminders(outcome, ran.budget, at)
    lines.append(_output(outcome, at.tag))
    return "\n".join(lines)


def _about_the_reply(at: StepContext) -> list[str]:
    """How the root LM is to write what it meant."""
    lines: list[str] = []
    if at.unseen:
        lines.append(observation_part("unseen", blocks=plural(at.unseen, "block")))
    if at.drafts:
        lines.append(observation_part("drafts", blocks=plural(at.drafts, "block")))
    if at.unseen_final:
        lines.append(observation_part("final_unseen"))
    if at.no_variable:
        lines.append(observation_part("final_word"))
    if at.unmarked:
        lines.append(observation_part("unmarked"))
    if at.example:
        lines.append(observation_part("example"))
    return lines


def _status(ran: CodeRan, at: StepContext) -> str:
    failed = isinstance(ran.outcome, ReplLost) or ran.outcome.error is not None
    sub_calls = ""
    if at.depth:
        # Only where time is bounded: else equal runs would differ in it, and caches of replies miss.
        timed = ran.sub_calls_made and ran.budget.seconds_left != float("inf")
        seconds = f" in {ran.sub_call_seconds:.0f} s" if timed else ""
        made, left = number(ran.sub_calls_made), number(ran.budget.sub_calls_left)
        sub_calls = observation_part("sub_calls", made=made, seconds=seconds, left=left)
    return observation_part(
        "status",
        step=at.step,
        max_iterations=at.max_iterations,
        ok_or_error="error" if failed else "ok",
        sub_calls=sub_calls,
    )


def unfinished_reply(why: str, protocol: CodeProtocol) -> str:
    """Tells the root LM that its reply did not come whole."""
    return protocol_part(protocol, "unfinished", why=why)


def quoted_blocks(count: int) -> str:
    """Tells the root LM that fenced blocks of its reply were quotations, and not run."""
    return observation_part("quoted", blocks=plural(count, "fenced block"))


def objected_answer(words: str, tag: str) -> str:
    """Tells the root LM that a check of the user's refused its answer, and what the check says."""
    return observation_part("answer_objected", tag=tag, words=shortened(words, OBJECTION_CHARS))


def _repl_lost(lost: ReplLost, retrieved: int) -> str:
    kept = f", with the {plural(retrieved, 'document')} retrieved since" if retrieved else ""
    return fill("repl_lost", reason=one_line(lost.reason), retrieved=kept)


def _error(error: CodeError, blocks: int, protocol: CodeProtocol = "fence") -> str:
    unit = protocol_part(protocol, "unit")
    of_block = f" of {unit} {error.block}" if blocks > 1 else ""
    kept = observation_part("error_syntax", unit=unit) if error.kind == "syntax" else observation_part("error_kept")
    # Never at the margin, where our own words stand
    message = shortened("\n    ".join(error.message.splitlines()), _ERROR_CHARS)
    if error.line is None:
        of_block = f" in {unit} {error.block}" if blocks > 1 else ""
        return observation_part("error_no_line", of_block=of_block, message=message, kept=kept)
    return observation_part(
        "error", line=error.line, of_block=of_block, message=message, source=one_line(error.source), kept=kept
    )


def _failed_batch(batch: FailedBatch, *, again: bool) -> str:
    """`again`: whether there is a step left in which to ask once more."""
    reason, failed = one_line(batch.reason), len(batch.indices)
    if failed == batch.of:
        return observation_part("sub_calls_failed", n=plural(failed, "sub-call"), reason=reason)
    indices = ", ".join(map(str, batch.indices[:_LISTED_INDICES]))
    if failed > _LISTED_INDICES:
        indices += ", …"
    kept = observation_part("sub_calls_kept_again" if again else "sub_calls_kept")
    return observation_part(
        "sub_calls_failed_at", n_failed=number(failed), n=number(batch.of), indices=indices, reason=reason, kept=kept
    )


def _answer_and_variables(done: StepDone, at: StepContext) -> list[str]:
    lines: list[str] = []
    if done.answer.refused is not None:
        lines.append(observation_part("answer_refused", why=one_line(done.answer.refused)))
    if at.misfit is not None:
        lines.append(observation_part("answer_misfit", why=one_line(at.misfit)))
    lines += [said for said in (at.doubt, at.objected) if said is not None]
    # Where the output does not tell as much of them
    if done.variables and (done.error is not None or done.output.empty or done.output.cut_chars):
        lines.append(observation_part("variables", variables=one_line("; ".join(done.variables), _VARIABLES_CHARS)))
    return lines


def _is_new_draft(answer: AnswerState, before: str) -> bool:
    """Whether a step has left another content in `answer`, and said no word of whether that is ready."""
    return not answer.ready and answer.refused is None and bool(answer.content.strip()) and answer.content != before


def _reminders(outcome: StepDone | ReplLost, budget: BudgetView, at: StepContext) -> list[str]:
    left = at.max_iterations - at.step
    if left <= 0 or budget.limit is not None:
        return []  # the last call follows, and says what is to be said
    lines: list[str] = []
    if isinstance(outcome, StepDone) and outcome.error is None and _is_new_draft(outcome.answer, at.draft):
        lines.append(observation_part("answer_not_ready"))
    if left == 1:
        lines.append(observation_part("last_step"))
    elif left <= _FEW_STEPS and left < at.max_iterations - 1:
        lines.append(observation_part("few_steps", left=left))
    if 0 < budget.tokens_left_share < _FEW_TOKENS:
        lines.append(observation_part("few_tokens", percent=max(1, round(100 * budget.tokens_left_share))))
    if 0 < budget.seconds_left < _LITTLE_TIME_S:
        lines.append(observation_part("little_time", seconds=max(1, round(budget.seconds_left))))
    if at.step % _QUESTION_EVERY == 0:
        lines.append(observation_part("question_again", question=one_line(at.question, _QUESTION_CHARS)))
    return lines


def bare_result(outcome: StepDone | ReplLost) -> str:
    """What came of code for an agent that has a REPL and no run: its output, or the error that ended it."""
    printed = "" if outcome.output.empty else output_text(outcome.output).strip("\n")
    if isinstance(outcome, ReplLost):
        ending = fill("session_lost", reason=one_line(outcome.reason))
    elif outcome.error is not None:
        ending = _error(outcome.error, 1)
    else:
        return printed or observation_part("no_output")
    return f"{printed}\n{ending}".lstrip("\n")


def _output(outcome: StepDone | ReplLost, tag: str) -> str:
    if outcome.output.empty:
        failed = isinstance(outcome, ReplLost) or outcome.error is not None
        return observation_part("no_output_before_error" if failed else "no_output")
    return observation_part("output", tag=tag, output=output_text(outcome.output).strip("\n"))


def output_text(output: Output) -> str:
    """Head and tail, with a line between them that says how much is gone."""
    if not output.cut_chars:
        return output.head + output.tail
    return f"{output.head}\n{observation_part('cut', n=number(output.cut_chars))}\n{output.tail}"
