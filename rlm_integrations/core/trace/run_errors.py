"""Errors of runs that had begun: each hands back what was done and paid for."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, cast

from rlm_integrations.core.errors import RLMError
from rlm_integrations.core.language_model import Completion
from rlm_integrations.core.trace.result import RLMResult


class RunError(RLMError):
    """A run failed after it had begun: a retriever, `on_event` or `around_step` raised, or as the subclasses say.

    `result` is the partial result: its trace, usage and draft answer.
    """

    def __init__(self, message: str, result: RLMResult[Any] | None = None) -> None:
        super().__init__(message)
        self.result = result


def keep_result(end: BaseException, result: RLMResult[Any]) -> None:
    """Give an exception that is not ours a `result`, as a RunError has one."""
    with suppress(Exception):  # its class may have a slot of that name, or a property that is read-only
        cast(Any, end).result = result
    vars(end)["result"] = result


def result_of(end: BaseException) -> RLMResult[Any] | None:
    """The result that an exception carries."""
    result = vars(end).get("result")
    return cast("RLMResult[Any]", result) if isinstance(result, RLMResult) else None


class RootModelError(RunError):
    """The root LM raised (see `__cause__`), did not reply in time, refused, or returned nothing usable.

    One whose cause is what the model raised is of that class too, with its attributes: `except RateLimitError`, and
    retries and fallbacks by a provider's classes, work as on the model itself.
    """


class SandboxError(RunError):
    """The REPL could not be started, or its sandbox broke its contract."""


class JournalError(RunError):
    """What was paid for could not be kept in the journal: its disk is full, for one. `result` has it."""

    unkept: Completion | None = None
    """The reply that it was about."""


class MapError(RLMError):
    """Some questions of `map` or `amap` failed. `results` has one entry for each: its RLMResult, or its RunError."""

    def __init__(self, message: str, results: Sequence[RLMResult[Any] | RunError] = ()) -> None:
        super().__init__(message)
        self.results = list(results)


class LimitReachedError(RunError):
    """A limit was met, and no answer was had or `on_limit="raise"`. `result.stop_reason` names the limit."""


def caused_by(cause: BaseException | None, kind: type[RunError], message: str) -> RunError:
    """An error of that kind with that cause, which is of the cause's class as well, where Python lets it be."""
    error: RunError | None = None
    # An error of ours says what went wrong by itself, and one that ends an iteration must not get a second life.
    if isinstance(cause, Exception) and not isinstance(cause, (RLMError, StopIteration, StopAsyncIteration)):
        with suppress(Exception):  # that class is final, has another layout, or does not let itself be made like this
            both = _of_both(kind, type(cause), message)
            vars(both).update(vars(cause), result=None)
            error = both
    error = kind(message) if error is None else error
    error.__cause__ = cause
    return error


class _TwofoldError(RunError):
    """It shows, and is pickled, as one of the first. The `__init__` of the second may want anything."""

    kind: type[RunError]

    def __init__(self, message: str) -> None:
        self.args, self.result = (message,), None

    @property
    def result(self) -> RLMResult[Any] | None:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Stands before a slot or a property of that name that the second has."""
        return vars(self).get("result")

    @result.setter
    def result(self, result: RLMResult[Any] | None) -> None:
        vars(self)["result"] = result

    def __str__(self) -> str:
        return str(self.args[0])

    def __reduce__(self) -> tuple[type[RunError], tuple[str, RLMResult[Any] | None]]:
        return self.kind, (str(self), self.result)


def _of_both(kind: type[RunError], other: type[Exception], message: str) -> RunError:
    own = {"__module__": kind.__module__, "__qualname__": kind.__qualname__, "kind": kind}
    both: type[_TwofoldError] = type(kind.__name__, (_TwofoldError, kind, other), own)
    return both(message)
