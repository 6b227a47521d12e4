"""What the end of a step says about the reply that it ran. Pure."""

from __future__ import annotations

from rlm_integrations.core.loop.reply_parser import ParsedReply
from rlm_integrations.core.wording import number, one_line
from rlm_integrations.wire.steps import CodeError, ReplLost, StepDone

_NO_CODE = ("NameError: ", "SyntaxError: ")
_IMPORT_ERRORS = ("ModuleNotFoundError: ", "ImportError: ")


def names_set(done: StepDone) -> frozenset[str]:
    """The variables that the step is known to have set."""
    return frozenset(name for line in done.variables if (name := line.partition(":")[0]).isidentifier())


def looked_up_in_vain(parsed: ParsedReply, outcome: StepDone | ReplLost) -> bool:
    """Whether a FINAL(...) of the prose was taken for code, and names no variable or is no Python."""
    if not parsed.looked_up or not isinstance(outcome, StepDone) or outcome.error is None:
        return False
    return outcome.error.block == len(parsed.blocks) and outcome.error.message.startswith(_NO_CODE)


def word_for_no_variable(parsed: ParsedReply, outcome: StepDone | ReplLost) -> str | None:
    """The word in a FINAL(...) of the prose, where the REPL was asked for a variable of that name and has none."""
    word = parsed.final
    return word if word is not None and word.isidentifier() and looked_up_in_vain(parsed, outcome) else None


def may_be_example(outcome: StepDone | ReplLost, explained: bool) -> bool:
    """Whether code did nothing here: it wants a module that is not there, or ended without a word and was explained."""
    if not isinstance(outcome, StepDone):
        return False
    if outcome.error is not None:
        return outcome.error.message.startswith(_IMPORT_ERRORS)
    return explained and outcome.output.empty


def failure(outcome: StepDone | ReplLost) -> str:
    """Why the step failed, in one line of at most 300 characters; "" where it did not."""
    if isinstance(outcome, ReplLost):
        return one_line(f"the REPL was lost: {outcome.reason}")
    return "" if outcome.error is None else one_line(outcome.error.message)


def error_line(error: CodeError) -> str:
    """Where the exception was raised, and its own words."""
    line = "" if error.line is None else f", line {error.line}"
    return f"block {error.block}{line}: {error.message}"


def failed_steps(why: str, times: int) -> str:
    """The end of a sentence that says how code failed to the end; "" where it did not."""
    steps = "the last step" if times == 1 else f"each of the last {number(times)} steps"
    return f"; {steps} failed: {why}" if times else ""
