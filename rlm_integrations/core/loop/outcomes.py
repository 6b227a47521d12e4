"""What the end of a step says about the reply that it ran. Pure."""

from __future__ import annotations

from rlm_integrations.wire.steps import ReplLost, StepDone

_IMPORT_ERRORS = ("ModuleNotFoundError: ", "ImportError: ")


def names_set(done: StepDone) -> frozenset[str]:
    """The variables that the step is known to have set."""
    return frozenset(name for line in done.variables if (name := line.partition(":")[0]).isidentifier())


def names_no_variable(outcome: StepDone | ReplLost, block: int) -> bool:
    """Whether the block, counted from 1, failed since a name in it is unknown."""
    if not isinstance(outcome, StepDone) or outcome.error is None:
        return False
    return outcome.error.block == block and outcome.error.message.startswith("NameError: ")


def may_be_example(outcome: StepDone | ReplLost, explained: bool) -> bool:
    """Whether code did nothing here: it wants a module that is not there, or ended without a word and was explained."""
    if not isinstance(outcome, StepDone):
        return False
    if outcome.error is not None:
        return outcome.error.message.startswith(_IMPORT_ERRORS)
    return explained and outcome.output.empty
