"""What the user's code raises: some of it is no failure, ends the run, and reaches whoever called it as it is."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

from rlm_integrations.core.calls.foreign_code import CarriedInterruptError
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


class boundary:  # noqa: N801 - it is used like a function
    """Around code that the user passed as an argument: what it raises ends the run as a RunError that names it.

    A class: from Python 3.12 on, the frames of a generator's `with` hold what is raised in it, and its traceback them.
    """

    __slots__ = ("_argument", "_known")

    def __init__(self, argument: str, known: tuple[type[RLMError], ...] = (RLMError,)) -> None:
        """`known`: what runs within it raises these too, which say for themselves what is wrong."""
        self._argument, self._known = argument, known

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if not isinstance(error, Exception) or isinstance(error, self._known):
            return
        if isinstance(error, CarriedInterruptError):
            raise EndsRunError(error.let_go()) from None
        raise RunError(f"{self._argument}: it raised {error_words(error)}") from error


class delivering_ends:  # noqa: N801 - the same
    """Around what is done outside of any run: raises what was to end one as it is."""

    __slots__ = ()

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        del at  # it holds the frame that raised it
        if isinstance(error, EndsRunError):
            raise error.let_go() from None
