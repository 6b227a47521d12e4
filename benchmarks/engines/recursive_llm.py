"""Measures `recursive-llm` (PyPI), which runs restricted Python in a process of the user's rights.

Its package has the name of that of `rlms`, so it has an environment of its own. Its model is a scripted completion
handler, of litellm's shape.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from benchmarks.engines.measuring import main
from benchmarks.engines.timed_replies import TimedReplies

_USAGE = SimpleNamespace(total_tokens=2, prompt_tokens=1, completion_tokens=1)


class RecursiveLLM:
    finish = "answer['content'] = str(len(context))\nanswer['ready'] = True"

    def prepare(self, text: str) -> str:
        return text

    def run(self, context: str, root: TimedReplies, sub: TimedReplies) -> None:
        # not above: a worker imports this module again, and with this name litellm, which takes it seconds
        from rlm import RLM

        replies = {"root": root, "sub": sub}

        async def complete(*, model: str, messages: list[dict[str, str]], **options: Any) -> Any:
            text = replies[model].next(sum(len(message["content"]) for message in messages))
            # as litellm has it: else the price is looked up
            return SimpleNamespace(
                choices=[SimpleNamespace(message=SimpleNamespace(content=text))],
                usage=_USAGE,
                _hidden_params={"response_cost": 0.0},
            )

        engine = RLM("root", "sub", max_iterations=10_000, repl_timeout=3_600, completion_handler=complete)
        answer = engine.complete("?", context)
        if answer != str(len(context)):
            raise RuntimeError(f"recursive-llm answered {answer!r:.200}")


if __name__ == "__main__":
    main(RecursiveLLM())
