"""Measures `droste` (PyPI) with its native environment, which runs code in this process. Its clients are scripted."""

from __future__ import annotations

from typing import Any

from droste import (
    Budget,
    EnvironmentConfig,
    LLMClient,
    RLMConfig,
    SubcallClient,
    TokenUsage,
    create_environment,
    create_environment_context,
    run_rlm,
)

from benchmarks.engines.measuring import main
from benchmarks.engines.timed_replies import TimedReplies

_BUDGET = Budget(tokens=10**9, subcalls=100_000, wall_ms=3_600_000, max_iterations=10_000)
_USAGE = TokenUsage(1, 1, 2, exact=True)


class _Root(LLMClient):
    """Replies from the script of the root LM, each a block of code."""

    def __init__(self, replies: TimedReplies) -> None:
        self._replies = replies

    def responses_create(self, messages: list[dict[str, Any]], model: str, **options: Any) -> tuple[str, TokenUsage]:
        sent = sum(len(str(message["content"])) for message in messages)
        return f"```python\n{self._replies.next(sent)}\n```", _USAGE

    def get_model_context_window(self, model: str) -> int | None:
        return None


class _Sub(SubcallClient):
    def __init__(self, replies: TimedReplies) -> None:
        self._replies = replies

    def llm_query(self, prompt: str, context: str = "") -> str:
        return self._replies.next(len(prompt) + len(context))


class Droste:
    finish = "answer['content'] = str(len(context))\nanswer['ready'] = True"

    def prepare(self, text: str) -> str:
        return text

    def run(self, context: str, root: TimedReplies, sub: TimedReplies) -> None:
        config = EnvironmentConfig("native", budget=_BUDGET)
        execution, subcalls = create_environment_context(config), _Sub(sub)
        environment = create_environment(
            config, context=context, registry=None, subcalls=subcalls, execution_context=execution
        )
        answer = run_rlm(
            "?",
            environment=environment,
            root_llm=_Root(root),
            subcalls=subcalls,
            config=RLMConfig(budget=_BUDGET),
            context=execution,
        ).answer
        if answer != str(len(context)):
            raise RuntimeError(f"droste answered {answer!r:.200}")


if __name__ == "__main__":
    main(Droste())
