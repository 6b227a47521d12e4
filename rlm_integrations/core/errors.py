"""Errors of arguments and of the machine; those of a run that had begun are in `trace/run_errors.py`.

RLMError
├── InvalidArgumentError   an argument is wrong; also a ValueError
│   └── CannotCallToolsError  a model calls no tools natively, but is to
├── MissingExtraError      an optional dependency is not installed; also an ImportError
├── SandboxUnavailableError  nothing here can confine the REPL
├── MapError               some questions of `map` failed; `.results` holds what came of each
└── RunError               a run failed; `.result` holds its trace and what was paid for
    ├── RootModelError     the root LM raised, hung, refused or returned nothing usable
    ├── SandboxError       the REPL could not be started or kept running
    ├── JournalError       what was paid for could not be kept in the journal
    └── LimitReachedError  a limit was met, and no answer was had or `on_limit="raise"`
"""

from __future__ import annotations


class RLMError(Exception):
    """Base of all errors of this package."""


class InvalidArgumentError(RLMError, ValueError):
    """An argument is wrong. The message names it, says what was wrong and what to pass instead."""


class CannotCallToolsError(InvalidArgumentError):
    """A model calls no tools natively, but is to. Raised by `LanguageModel.with_tools`.

    Args:
        model: Its name.
        why: How that is known.
        instead: A model that would do, as "a chat model that can, for instance ChatOpenAI(...)".
    """

    def __init__(self, model: str, why: str, instead: str) -> None:
        super().__init__(f"{model} cannot call tools ({why}); pass {instead}")
        self.problem = f"{model} cannot call tools ({why})"
        self.instead = instead


class MissingExtraError(RLMError, ImportError):
    """An optional dependency is missing. The message names the extra that brings it."""


class SandboxUnavailableError(RLMError):
    """No sandbox can confine model-written code on this machine. The message says what to do."""
