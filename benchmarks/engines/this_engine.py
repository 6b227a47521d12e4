"""Measures this engine with its default sandbox. The models are scripted, in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from benchmarks.engines.measuring import OF_EVERY_ENGINE, Engine, Measurement, Task, callback, main
from benchmarks.engines.timed_replies import TimedReplies
from rlm_integrations import Message, RLMEngine, RLMResult, Usage
from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.testing import ScriptedModel

COUNTED = Usage(input_tokens=1)
"""Most servers count tokens; where none does, the engine estimates them, which takes it longer."""
LIMITS = {"max_iterations": 10_000, "max_sub_calls": 100_000}


class ThisEngine:
    finish = "answer['content'] = len(context)\nanswer['ready'] = True"

    def prepare(self, text: str) -> Corpus:
        return Corpus.of(text)

    def run(self, context: str | Corpus, root: TimedReplies, sub: TimedReplies) -> None:
        _check(_engine(root, sub).run("?", context))


class ThisEngineAsync(ThisEngine):
    """On an event loop of the caller, with the models' async methods."""

    def run(self, context: str | Corpus, root: TimedReplies, sub: TimedReplies) -> None:
        _check(asyncio.run(_engine(root, sub).arun("?", context)))


def callback_async(engine: Engine, task: Task) -> float:
    return callback(ThisEngineAsync(), task)


def _check(result: RLMResult) -> None:
    if result.stop_reason != "answer":
        raise RuntimeError(f"the run ended with {result.stop_reason}: {result.text:.200}")


def _engine(root: TimedReplies, sub: TimedReplies) -> RLMEngine:
    return RLMEngine(
        ScriptedModel(always=lambda messages: f"```repl\n{root.next(_chars(messages))}\n```", usage=COUNTED),
        sub_llm=ScriptedModel(always=lambda messages: sub.next(_chars(messages)), usage=COUNTED),
        limits=LIMITS,
    )


def _chars(messages: Sequence[Message]) -> int:
    return sum(len(message.content) for message in messages)


MEASUREMENTS: Mapping[str, Measurement] = {**OF_EVERY_ENGINE, "callback_async": callback_async}

if __name__ == "__main__":
    main(ThisEngine(), MEASUREMENTS)
