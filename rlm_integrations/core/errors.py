"""Every error that this package raises on purpose.

RLMError
├── InvalidArgumentError   an argument is wrong; also a ValueError
├── MissingExtraError      an optional dependency is not installed; also an ImportError
├── SandboxUnavailableError  nothing here can confine the REPL
└── RunError               a run failed; `.result` holds its trace and what was paid for
    ├── RootModelError     the root LM raised, hung or returned nothing usable
    ├── SandboxError       the REPL could not be started or kept running
    └── LimitReachedError  a limit was met, and no answer was had or `on_limit="raise"`
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rlm_integrations.core.trace.result import RLMResult


class RLMError(Exception):
    """Base of all errors of this package."""


class InvalidArgumentError(RLMError, ValueError):
    """An argument is wrong. The message names it, says what was wrong and what to pass instead."""


class MissingExtraError(RLMError, ImportError):
    """An optional dependency is missing. The message names the extra that brings it."""


class SandboxUnavailableError(RLMError):
    """No sandbox can confine model-written code on this machine. The message says what to do."""


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
    """The root LM raised (see `__cause__`), did not reply in time, or returned nothing usable."""


class SandboxError(RunError):
    """The REPL could not be started, or died again and again."""


class LimitReachedError(RunError):
    """A limit was met, and no answer was had or `on_limit="raise"`. `result.stop_reason` names the limit."""
