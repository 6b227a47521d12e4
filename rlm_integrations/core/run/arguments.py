"""The checks of plain arguments of an engine and of its jobs. Each raises InvalidArgumentError, which names one."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.host.sub_tools import SubTool, read_sub_tools
from rlm_integrations.core.journal.settings import Journal
from rlm_integrations.core.language_model import Message
from rlm_integrations.core.limits import RLMLimits
from rlm_integrations.core.wording import value_words

_CALLED_WITH = {
    "on_event": "event",
    "around_step": "iteration, code, execute",
    "around_child": "prompt, execute",
    "around_sub_call": "prompt, execute",
    "ends_run": "error",
}


def check_choice(value: object, argument: str, *choices: str) -> None:
    if not isinstance(value, str) or value not in choices:  # a table compares with each, and has no truth
        known = " or ".join(f'"{choice}"' for choice in choices)
        raise InvalidArgumentError(f"{argument}: {value_words(value)} is unknown; pass {known}")


def check_counts(*, at_least: int = 1, **arguments: object) -> None:
    for argument, value in arguments.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < at_least:
            raise InvalidArgumentError(f"{argument}: {value!r:.80} given; pass an int of {at_least} or more")


def check_questions(questions: object) -> None:
    """Of a str each character would be asked."""
    given = type(questions).__name__
    if isinstance(questions, str | bytes | Message) or not isinstance(questions, Iterable):
        raise InvalidArgumentError(f"questions: {given} given; pass a list of questions, [question] for a single one")
    if isinstance(questions, dict):
        raise InvalidArgumentError(f"questions: {given} given; pass a list of questions, as list(questions.values())")


def check_texts(**arguments: object) -> None:
    for argument, value in arguments.items():
        if value is not None and not isinstance(value, str):
            raise InvalidArgumentError(f"{argument}: {type(value).__name__} given; pass a str, or leave it out")


def check_functions(**arguments: object) -> None:
    for argument, value in arguments.items():
        if value is not None and not callable(value):
            raise InvalidArgumentError(
                f"{argument}: {type(value).__name__} given; pass a function({_CALLED_WITH[argument]}), or leave it out"
            )


def read_journal(journal: str | os.PathLike[str] | Journal | None) -> Journal | None:
    """What keeps one is imported now, since few engines need it, and no run may have its event loop wait for files."""
    settings = Journal.of(journal)
    if settings is not None:
        importlib.import_module("rlm_integrations.core.run.journalled")
    return settings


def checked_run_id(run_id: str | None, journal: Journal | None) -> str | None:
    if run_id is None:
        return None
    if journal is None:
        raise InvalidArgumentError('run_id: it names a run in a journal; pass journal="runs.sqlite" to the engine')
    check_texts(run_id=run_id)
    if not run_id.strip():
        raise InvalidArgumentError(f"run_id: {run_id!r:.80} names nothing; name the run, or leave it out")
    return run_id


def read_sub_tools_within(
    limits: RLMLimits, sub_tools: Sequence[Callable[..., Any] | SubTool]
) -> Mapping[str, SubTool]:
    """By name. There must be sub-LMs to call them."""
    found = read_sub_tools(sub_tools)
    if found and not (limits.max_depth and limits.max_sub_calls):
        none = "max_sub_calls" if limits.max_depth else "max_depth"
        raise InvalidArgumentError(
            f"sub_tools: no sub-LM would call them, for {none} is 0; raise it, or leave them out"
        )
    return found
