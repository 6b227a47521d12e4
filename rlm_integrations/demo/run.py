"""The command `demo`: two questions that no window and no top-k can hold, answered before your eyes."""

from __future__ import annotations

import os

from rich.rule import Rule

from rlm_integrations.core.errors import MissingExtraError
from rlm_integrations.terminal.console import TerminalConsole, words

_REAL_MODEL = (
    "OPENAI_API_KEY=sk-... rlm-integrations demo --model gpt-5 --sub-model gpt-5-mini",
    "rlm-integrations demo --base-url http://localhost:11434/v1 --model qwen3-coder",
)


def run_demo(model: str | None, sub_model: str | None, base_url: str | None) -> None:
    """Run the demo, with a real model where one is named or OPENAI_API_KEY is set, else with the recording.

    Raises MissingExtraError where a framework is missing, InvalidArgumentError for options that do not fit,
    RunError for a run that failed.
    """
    try:
        from rlm_integrations.demo.models import choose_models
        from rlm_integrations.demo.parts import ask_about_messages, ask_about_stdlib
    except ImportError as error:
        raise MissingExtraError(
            f'the demo runs in LangChain and in LlamaIndex: pip install "rlm-integrations[all]" ({error})'
        ) from error
    console = TerminalConsole(highlight=False, emoji=False)
    models = choose_models(model, sub_model, base_url, os.environ)
    console.print(words(models.introduction, style="bold"))
    ask_about_messages(console, models)
    ask_about_stdlib(console, models)
    if models.recorded:
        console.print()
        console.print(Rule("The same of a real model: OpenAI's, or any compatible server's"))
        for command in _REAL_MODEL:
            console.print(command, soft_wrap=True)
