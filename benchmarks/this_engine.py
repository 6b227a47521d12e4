"""Measures this engine with its default sandbox. The models are scripted, in this process."""

from __future__ import annotations

import asyncio

from measuring import OF_EVERY_ENGINE, Engine, Task, callback, main
from model_gaps import TimedReplies

from rlm_integrations import RLMEngine, RLMResult, Usage
from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.testing import ScriptedModel

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
        ScriptedModel(always=lambda messages: f"```repl\n{root.next()}\n```", usage=Usage()),
        sub_llm=ScriptedModel(always=lambda messages: sub.next(), usage=Usage()),
        limits=LIMITS,
    )


if __name__ == "__main__":
    main(ThisEngine(), {**OF_EVERY_ENGINE, "callback_async": callback_async})
