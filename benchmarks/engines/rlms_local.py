"""Measures `rlms` (PyPI) with its local environment, which runs code in this process.

It takes a model only by the name of a provider, so its look-up of clients is replaced by a scripted client.
"""

from __future__ import annotations

from typing import Any

import rlm.core.rlm
from rlm import RLM
from rlm.clients.base_lm import BaseLM
from rlm.core.types import ModelUsageSummary, UsageSummary

from benchmarks.engines.measuring import main
from benchmarks.engines.timed_replies import TimedReplies


class _Client(BaseLM):
    """Replies from the script of the root LM, each a block of code, or from that of the sub-LM."""

    def __init__(self, replies: TimedReplies, reply: str) -> None:
        super().__init__(model_name="scripted")
        self._replies, self._reply = replies, reply

    def completion(self, prompt: Any, model: str | None = None) -> str:
        messages = [{"content": prompt}] if isinstance(prompt, str) else prompt
        return self._reply.format(self._replies.next(sum(len(each["content"]) for each in messages)))

    async def acompletion(self, prompt: Any, model: str | None = None) -> str:
        return self.completion(prompt, model)

    def get_usage_summary(self) -> UsageSummary:
        return UsageSummary(model_usage_summaries={})

    def get_last_usage(self) -> ModelUsageSummary:
        return ModelUsageSummary(total_calls=1, total_input_tokens=0, total_output_tokens=0)


class Rlms:
    finish = "answer['content'] = str(len(context))\nanswer['ready'] = True"

    def prepare(self, text: str) -> str:
        return text

    def run(self, context: str, root: TimedReplies, sub: TimedReplies) -> None:
        clients = {"openai": _Client(root, "```repl\n{}\n```"), "vllm": _Client(sub, "{}")}
        rlm.core.rlm.get_client = lambda backend, kwargs: clients[backend]
        engine = RLM(
            backend="openai",
            backend_kwargs={"model_name": "scripted"},
            other_backends=["vllm"],
            other_backend_kwargs=[{"model_name": "scripted"}],
            max_iterations=10_000,
        )
        answer = engine.completion(context, root_prompt="?").response
        if answer != str(len(context)):
            raise RuntimeError(f"rlms answered {answer!r:.200}")


if __name__ == "__main__":
    main(Rlms())
