"""What the user's code raises: some of it is no failure, ends the run, and reaches whoever called it as it is."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from rlm_integrations.core.calls.foreign_code import CarriedInterruptError
from rlm_integrations.core.calls.raised_instead import raising_instead
from rlm_integrations.core.errors import RLMError
from rlm_integrations.core.trace.run_errors import RunError
from rlm_integrations.core.wording import error_words

EndsRun = Callable[[Exception], bool]
"""Whether what code of the user's raised is meant for whoever called the run, and no failure to tell the model of."""


class EndsRunError(RunError):
    """Carries what code of the user's raised, `end`, to the end of the run, where it is raised in this one's place."""

    def __init__(self, end: BaseException) -> None:
        super().__init__(f"the run was ended by {type(end).__name__}")
        self.end = end

    def let_go(self) -> BaseException:
        """`end`, to be raised: in the context of this, which is not to hold it then, nor what it went through."""
        end = self.end
        del self.end
        self.__cause__ = self.__context__ = self.__traceback__ = None
        return end


def let_through(error: Exception, ends_run: EndsRun | None) -> None:
    """Raises EndsRunError where the error is to end the run."""
    if isinstance(error, CarriedInterruptError):
        raise EndsRunError(error.let_go())
    if ends_run is not None and ends_run(error):
        raise EndsRunError(error)


def boundary(argument: str, known: tuple[type[RLMError], ...] = (RLMError,)) -> AbstractContextManager[None]:
    """Around code that the user passed as an argument: what it raises ends the run as a RunError that names it.

    `known`: what runs within it raises these too, which say for themselves what is wrong.
    """

    def named(error: BaseException) -> None:
        if isinstance(error, known):
            return
        if isinstance(error, CarriedInterruptError):
            raise EndsRunError(error.let_go()) from None
        if isinstance(error, Exception):
            raise RunError(f"{argument}: it raised {error_words(error)}") from error

    return raising_instead(named)


def delivering_ends() -> AbstractContextManager[None]:
    """Around what is done outside of any run: raises what was to end one as it is."""
    return raising_instead(_deliver)


def _deliver(error: BaseException) -> None:
    if isinstance(error, EndsRunError):
        raise error.let_go() from None
