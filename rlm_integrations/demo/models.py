"""Who plays the model in the demo: a script, or a model behind an OpenAI-compatible server where one is asked for."""

from __future__ import annotations

from collections.abc import Mapping

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.language_model import LanguageModel
from rlm_integrations.demo.script import scripted_reader, scripted_root
from rlm_integrations.frozen import frozen

MAX_TOTAL_TOKENS = 300_000
"""The end of a live run."""
_EXPECTED = "15,000 to 60,000"
_DEFAULT = ("gpt-5", "gpt-5-mini")


@frozen
class Wanted:
    """The options of the command."""

    recorded: bool = False
    live: bool = False
    model: str | None = None
    sub_model: str | None = None
    base_url: str | None = None


@frozen
class DemoModels:
    introduction: str
    """The demo's first words: who answers."""
    root: LanguageModel
    sub: LanguageModel
    cost: str | None = None
    """What may have to be paid; None where nobody is asked."""


def choose_models(wanted: Wanted, environment: Mapping[str, str]) -> DemoModels:
    """The script, unless --live or --model asks for a model; what the environment holds is no such wish.

    With one of them, RLM_MODEL, RLM_SUB_MODEL and OPENAI_BASE_URL stand for options that are not given.

    Raises InvalidArgumentError for options that contradict each other or ask for no model, MissingExtraError where one
    is to answer and openai is not there.
    """
    live = wanted.live or wanted.model is not None
    if live and wanted.recorded:
        raise InvalidArgumentError("--recorded: given with --live or --model; leave one of them out")
    if not live:
        if wanted.base_url or wanted.sub_model:
            raise InvalidArgumentError("--model: not given; name the root LM, as the server knows it")
        return DemoModels(
            "No model is asked here, and nothing billed: a script plays it, and knows what each message means. So this "
            "shows how a run goes, not how good a model is. All the rest is real: the corpus, the code in its sandbox, "
            "the sub-calls and the checks.",
            scripted_root(),
            scripted_reader(),
        )
    from rlm_integrations.openai import OpenAIModel  # the script needs none of it, and it takes a second

    named = wanted.model or environment.get("RLM_MODEL")
    root = named or _DEFAULT[0]
    sub = wanted.sub_model or environment.get("RLM_SUB_MODEL") or (root if named else _DEFAULT[1])
    url = wanted.base_url or environment.get("OPENAI_BASE_URL")
    where = url or "OpenAI's API"
    prices = "" if named else ": at the prices of 2025 some $0.02 to $0.15, and at most about $3"
    cost = (
        f"{root} and {sub} at {where} will likely read and write {_EXPECTED} tokens, and at most about "
        f"{MAX_TOTAL_TOKENS:,}{prices}."
    )
    introduction = f"A real model answers: {root} as the root LM and {sub} for the sub-calls, through {where}."
    return DemoModels(introduction, OpenAIModel(root, url), OpenAIModel(sub, url), cost)
