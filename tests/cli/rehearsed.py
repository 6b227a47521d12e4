"""The parent of the commands' programs runs this: it makes what each of them would make when it first needs it."""

from __future__ import annotations

from typing import Any

from openai._utils import maybe_transform
from openai.types.chat import ChatCompletion, ChatCompletionMessage, chat_completion, completion_create_params

from rlm_integrations.cli.app import command
from rlm_integrations.core.trace.records import CodeExecution, Iteration

commands: Any = command.commands
subcommands: Any = commands["trace"].commands
command.make_context("rehearsed", ["ask"])
commands["ask"].make_context("ask", ["-q", "?", "-m", "m"])
commands["chat"].make_context("chat", ["-m", "m"])
commands["demo"].make_context("demo", [])
subcommands["show"].make_context("show", ["run.json"])
for built in (ChatCompletion, ChatCompletionMessage, chat_completion.Choice, CodeExecution, Iteration):
    built.model_rebuild()
request = completion_create_params.CompletionCreateParamsNonStreaming
maybe_transform({"messages": [{"role": "user", "content": "?"}], "model": "m"}, request)
