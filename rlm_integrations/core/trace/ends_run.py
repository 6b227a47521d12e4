"""Exceptions of the user's code that are no failures: they end the run, and reach whoever called it as they are."""

from __future__ import annotations

from collections.abc import Callable

from rlm_integrations.core.trace.run_errors import RunError

EndsRun = Callable[[Exception], bool]
"""Whether what code of the user's raised is meant for whoever called the run, and no failure to tell the model of."""


class EndsRunError(RunError):
    """Carries what code of the user's raised, `end`, to the end of the run, where it is raised in this one's place."""

    def __init__(self, end: Exception) -> None:
        super().__init__(f"the run was ended by {type(end).__name__}")
        self.end = end


def let_through(error: Exception, ends_run: EndsRun | None) -> None:
    """Raises EndsRunError where the error is to end the run."""
    if ends_run is not None and ends_run(error):
        raise EndsRunError(error)
