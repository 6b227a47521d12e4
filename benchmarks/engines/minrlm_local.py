"""Measures `minrlm` (PyPI), which runs code in this process. Its client is a scripted one, of openai's shape."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from minrlm import RLM

from benchmarks.engines.measuring import main
from benchmarks.engines.timed_replies import TimedReplies

_NAMES = "context, llm_query = input_0, sub_llm\n"
_USAGE = SimpleNamespace(total_tokens=2, prompt_tokens=1, completion_tokens=1)


class _Client:
    """Replies from the script of the root LM, each a block of code, or from that of the sub-LM."""

    def __init__(self, root: TimedReplies, sub: TimedReplies) -> None:
        self.chat = SimpleNamespace(completions=self)
        self._root, self._sub = root, sub
        self._root_system: str | None = None

    def create(self, *, messages: list[dict[str, str]], **options: Any) -> Any:
        sent = sum(len(message["content"]) for message in messages)
        # both are asked by one client: the system prompt of the first request is the root LM's
        self._root_system = self._root_system or messages[0]["content"]
        if messages[0]["content"] == self._root_system:
            text = f"```python\n{_NAMES}{self._root.next(sent)}\n```"
        else:
            text = self._sub.next(sent)
        return SimpleNamespace(choices=[SimpleNamespace(message=SimpleNamespace(content=text))], usage=_USAGE)


class MinRLM:
    # it takes no answer before the data was searched
    finish = "search(context[:100], 'line')\nFINAL(str(len(context)))"

    def prepare(self, text: str) -> str:
        return text

    def run(self, context: str, root: TimedReplies, sub: TimedReplies) -> None:
        client: Any = _Client(root, sub)
        engine = RLM("scripted", client, max_iterations=10_000, max_time_seconds=3_600, max_sub_llm_calls=100_000)
        answer = engine.completion("How long is it?", context).response
        if answer != str(len(context)):
            raise RuntimeError(f"minrlm answered {answer!r:.200}")


if __name__ == "__main__":
    main(MinRLM())
