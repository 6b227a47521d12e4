"""Who plays the model in the demo: the recording, or a model behind an OpenAI-compatible server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.demo.messages import DATA
from rlm_integrations.testing import ReplayingModel

if TYPE_CHECKING:
    from rlm_integrations.openai import OpenAIModel

RECORDING = DATA / "conversation.jsonl"

_BY_KEY = ("gpt-5", "gpt-5-mini")
"""Root LM and model of the sub-calls where a key is set and nothing else is said."""


@dataclass(frozen=True, slots=True)
class DemoModels:
    introduction: str
    """The demo's first words: who answers."""
    root: ReplayingModel | OpenAIModel
    sub: ReplayingModel | OpenAIModel
    recorded: bool = False


def recorded_models(recording: ReplayingModel) -> DemoModels:
    introduction = (
        "No model is asked in this demo: the model's replies are a recorded conversation, played by hand, by the "
        "authors of the messages. It shows how a run goes, not how well a model does. The REPL, the code and the "
        "sub-calls run for real."
    )
    return DemoModels(introduction, recording, recording, recorded=True)


def choose_models(
    model: str | None, sub_model: str | None, base_url: str | None, environment: Mapping[str, str]
) -> DemoModels:
    """A real model where one is named or the environment holds OPENAI_API_KEY, else the recording.

    Raises InvalidArgumentError for a server or a sub-model without a model, MissingExtraError where a real one is to
    answer and openai is not there.
    """
    has_key = bool(environment.get("OPENAI_API_KEY"))
    if model is None and (base_url or (sub_model and not has_key)):
        raise InvalidArgumentError("--model: not given; name the root LM, as the server knows it")
    if model is None and not has_key:
        return recorded_models(ReplayingModel.from_file(RECORDING))
    root, sub = (model, sub_model or model) if model else (_BY_KEY[0], sub_model or _BY_KEY[1])
    where = base_url or "OpenAI's API"
    from rlm_integrations.openai import OpenAIModel  # the recording needs none of it, and it takes a second

    introduction = f"A real model answers: {root} as the root LM and {sub} for the sub-calls, through {where}."
    return DemoModels(introduction, OpenAIModel(root, base_url), OpenAIModel(sub, base_url))
