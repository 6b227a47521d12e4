"""Errors of runs that had begun: each hands back what was done and paid for."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from rlm_integrations.core.errors import RLMError
from rlm_integrations.core.trace.result import RLMResult
from rlm_integrations.core.wording import error_words


class RunError(RLMError):
    """A run failed after it had begun: a retriever, `on_event` or `around_step` raised, or as the subclasses say.

    `result` is the partial result: its trace, usage and draft answer.
    """

    def __init__(self, message: str, result: RLMResult[Any] | None = None) -> None:
        super().__init__(message)
        self.result = result


def keep_result(end: BaseException, result: RLMResult[Any]) -> None:
    """Give an exception that is not ours a `result`, as a RunError has one."""
    vars(end)["result"] = result


class RootModelError(RunError):
    """The root LM raised (see `__cause__`), did not reply in time, refused, or returned nothing usable."""


class SandboxError(RunError):
    """The REPL could not be started, or its sandbox broke its contract."""


class LimitReachedError(RunError):
    """A limit was met, and no answer was had or `on_limit="raise"`. `result.stop_reason` names the limit."""


@contextmanager
def boundary(argument: str) -> Generator[None]:
    """Around code that the user passed as an argument: what it raises ends the run as a RunError that names it."""
    try:
        yield
    except RLMError:
        raise
    except Exception as error:
        raise RunError(f"{argument}: it raised {error_words(error)}") from error
