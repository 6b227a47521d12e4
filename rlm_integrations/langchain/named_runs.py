"""How runs in the journal are told apart: by the name that a config gives one, and by the place of equal inputs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, cast
from uuid import UUID

from langchain_core.documents import Document
from langchain_core.messages import BaseMessage
from langchain_core.prompt_values import PromptValue
from langchain_core.runnables import RunnableConfig

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.journal.samples import numbered

_KEY = "rlm_run_id"
"""What a config calls the name of a run in the journal; its `run_id` is for tracers."""


def run_name(config: RunnableConfig, *, journal: bool) -> str | None:
    """What the config calls the run; None where it says nothing.

    Raises:
        InvalidArgumentError: It is nothing that can name a run, or there is no journal.
    """
    given: Mapping[str, Any] = config.get("configurable") or {}
    name = given.get(_KEY)
    if name is None:
        return None
    said = f'config["configurable"][{_KEY!r}]'
    if not isinstance(name, (str, int, UUID)) or isinstance(name, bool):
        raise InvalidArgumentError(f"{said}: {type(name).__name__} given; pass a str")
    if not str(name).strip():
        raise InvalidArgumentError(f"{said}: {name!r:.80} names nothing; name the run, or leave it out")
    if not journal:
        raise InvalidArgumentError(f'{said}: it names a run in a journal; pass journal="runs.sqlite", or leave it out')
    return str(name)


def samples(inputs: Sequence[Any], configs: Sequence[RunnableConfig], *, journal: bool) -> list[int]:
    """For each input of a batch, which of those that are equal to it, from 1.

    Raises:
        InvalidArgumentError: Two of them are to be one run.
    """
    names = Counter(filter(None, (run_name(config, journal=journal) for config in configs)))
    shared = next((name for name, runs in names.items() if runs > 1), None)
    if shared is not None:
        raise InvalidArgumentError(
            f'config["configurable"][{_KEY!r}]: {shared!r:.100} names {names[shared]:,} runs of one batch, and each is '
            "of its own; pass a list of configs with a name for each, or leave it out: a batch that is made again goes "
            "on where it was without names"
        )
    return numbered(map(_likeness, inputs)) if journal else [1] * len(inputs)


def _likeness(value: object) -> Hashable:
    """Equal for equal inputs. What cannot be compared, such as a retriever, is only like itself."""
    if value is None or isinstance(value, (str, bytes, int, float)):
        return value
    if isinstance(value, Mapping):
        entries = cast("Mapping[object, object]", value)
        return ("mapping", *((key, _likeness(each)) for key, each in entries.items()))
    if isinstance(value, (list, tuple)):
        return tuple(map(_likeness, cast("Sequence[object]", value)))
    if isinstance(value, PromptValue):
        return tuple(map(_likeness, value.to_messages()))
    if isinstance(value, BaseMessage):
        return (value.type, _likeness(value.content))
    if isinstance(value, Document):
        return (value.page_content, value.id, _likeness(value.metadata))
    return ("object", id(value))
