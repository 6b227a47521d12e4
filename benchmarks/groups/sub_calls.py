"""Sub-calls over HTTP to a server that takes 100 ms for each, beside what the bare clients take for the same calls.

A run's time has all of it: the REPL opened, the batch, the answer, the REPL closed. The bare clients are used as their
documentation says: requests gathered behind a semaphore or mapped over threads, and `batch` and `abatch`. All take
turns, with a client that is warm.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
from langchain_openai import ChatOpenAI

from benchmarks.registry import Group, Scale
from benchmarks.repeats import alternating, seconds
from benchmarks.row import OURS, Row
from benchmarks.slow_server import served
from rlm_integrations import LanguageModel, RLMEngine
from rlm_integrations.langchain import RLMRunnable
from rlm_integrations.openai import OpenAIModel
from rlm_integrations.testing import ScriptedModel
from rlm_integrations.testing.langchain import ScriptedChatModel

CALLS, MANY, MODEL_MS = 200, 10_000, 100
BARE_OPENAI, BARE_LANGCHAIN = "bare openai", "bare ChatOpenAI"
Way = Callable[[int, int], int]
"""(calls, of them at once) -> how many of the replies were right."""


def close(model: ChatOpenAI, loop: asyncio.Runner) -> None:
    """Its clients, which langchain-openai keeps for all models of a URL."""
    model.root_client.close()
    loop.run(model.root_async_client.close())


def code_of(calls: int) -> str:
    """Each sub-call asks for something else, and its reply is compared."""
    asked = f"prompts = [f'piece {{n}}' for n in range({calls})]\nreplies = llm_query_batched(prompts)\n"
    return f"{asked}answer['content'] = sum(a == b for a, b in zip(prompts, replies))\nanswer['ready'] = True"


def _prompts(calls: int) -> list[str]:
    return [f"piece {number}" for number in range(calls)]


def _right(prompts: Sequence[str], replies: Sequence[object]) -> int:
    return sum(prompt == reply for prompt, reply in zip(prompts, replies, strict=True))


def _limits(calls: int, at_once: int) -> dict[str, Any]:
    return {"max_sub_calls": calls, "max_concurrency": at_once, "step_timeout_s": 600, "max_total_tokens": 10**9}


class _Ways:
    """The engine, the runnable, and the bare clients, over one server."""

    def __init__(self, url: str, loop: asyncio.Runner) -> None:
        self._model: LanguageModel = OpenAIModel("served", url, "none")
        self._chat = ChatOpenAI(model="served", base_url=url, api_key="none")
        self._client = openai.OpenAI(base_url=url, api_key="none")
        self._async_client = openai.AsyncOpenAI(base_url=url, api_key="none")
        self._loop = loop  # one for all: ChatOpenAI's client belongs to the first it is used on

    def __enter__(self) -> _Ways:
        return self

    def __exit__(self, *error: object) -> None:
        self._client.close()
        self._loop.run(self._async_client.close())
        close(self._chat, self._loop)

    def engine(self, calls: int, at_once: int) -> int:
        return int(self._engine(calls, at_once).run("?", "Some text.").text)

    def engine_async(self, calls: int, at_once: int) -> int:
        return int(self._loop.run(self._engine(calls, at_once).arun("?", "Some text.")).text)

    def _engine(self, calls: int, at_once: int) -> RLMEngine:
        root = ScriptedModel([f"```repl\n{code_of(calls)}\n```"])
        return RLMEngine(root, sub_llm=self._model, limits=_limits(calls, at_once))

    def runnable(self, calls: int, at_once: int) -> int:
        return int(str(self._runnable(calls, at_once).invoke("?").content))

    def runnable_async(self, calls: int, at_once: int) -> int:
        return int(str(self._loop.run(self._runnable(calls, at_once).ainvoke("?")).content))

    def _runnable(self, calls: int, at_once: int) -> RLMRunnable:
        root = ScriptedChatModel([f"```repl\n{code_of(calls)}\n```"])
        return RLMRunnable(llm=root, sub_llm=self._chat, context="Some text.", limits=_limits(calls, at_once))

    def bare_openai(self, calls: int, at_once: int) -> int:
        def ask(prompt: str) -> str | None:
            messages: Any = [{"role": "user", "content": prompt}]
            return self._client.chat.completions.create(model="served", messages=messages).choices[0].message.content

        prompts = _prompts(calls)
        with ThreadPoolExecutor(at_once) as threads:
            return _right(prompts, list(threads.map(ask, prompts)))

    def bare_openai_async(self, calls: int, at_once: int) -> int:
        slots = asyncio.Semaphore(at_once)

        async def ask(prompt: str) -> str | None:
            messages: Any = [{"role": "user", "content": prompt}]
            async with slots:
                reply = await self._async_client.chat.completions.create(model="served", messages=messages)
            return reply.choices[0].message.content

        async def ask_all() -> list[str | None]:
            return await asyncio.gather(*map(ask, prompts))

        prompts = _prompts(calls)
        return _right(prompts, self._loop.run(ask_all()))

    def bare_langchain(self, calls: int, at_once: int) -> int:
        prompts = _prompts(calls)
        return _right(prompts, [each.content for each in self._chat.batch(prompts, {"max_concurrency": at_once})])

    def bare_langchain_async(self, calls: int, at_once: int) -> int:
        prompts = _prompts(calls)
        replies = self._loop.run(self._chat.abatch(prompts, {"max_concurrency": at_once}))
        return _right(prompts, [each.content for each in replies])


def _seconds(way: Way, calls: int, at_once: int) -> Callable[[], float]:
    def measure() -> float:
        right: list[int] = []
        took = seconds(lambda: right.append(way(calls, at_once)))
        if right != [calls]:
            raise RuntimeError(f"{right[0]} of {calls} replies were right")
        return took

    return measure


def batches(scale: Scale) -> list[Row]:
    """200 calls, 32 and 200 of them at once, on a loop and in threads."""
    calls, delay, times = scale.of(CALLS, 4), scale.of(MODEL_MS, 1), scale.of(5, 1)
    rows: list[Row] = []
    with served(delay) as url, asyncio.Runner() as loop, _Ways(url, loop) as ways:
        pairs = {
            "OpenAIModel, async": (ways.engine_async, BARE_OPENAI, ways.bare_openai_async, 1.5),
            "OpenAIModel, in threads": (ways.engine, BARE_OPENAI, ways.bare_openai, None),
            "ChatOpenAI, async": (ways.runnable_async, BARE_LANGCHAIN, ways.bare_langchain_async, 1.5),
            "ChatOpenAI, in threads": (ways.runnable, BARE_LANGCHAIN, ways.bare_langchain, None),
        }
        for at_once in (32, 200):
            for name, (ours, beside, bare, bound) in pairs.items():
                compared = {OURS: _seconds(ours, calls, at_once), beside: _seconds(bare, calls, at_once)}
                if not scale.quick:
                    alternating(compared, 1)  # clients are warm
                taken = alternating(compared, times)
                label = f"{CALLS} calls of {MODEL_MS} ms, {at_once} at once: {name}"
                rows.append(Row(label, "s", taken.pop(OURS), taken, ratio_bound=bound))
    return rows


def none_lost(scale: Scale) -> list[Row]:
    """10,000 calls in one batch."""
    calls, at_once = scale.of(MANY, 20), 200
    label = f"{MANY:,} calls of {MODEL_MS} ms, {at_once} at once"
    right: list[int] = []
    with served(scale.of(MODEL_MS, 1)) as url, asyncio.Runner() as loop, _Ways(url, loop) as ways:
        took = seconds(lambda: right.append(ways.engine_async(calls, at_once)))
    return [
        Row(f"{label}: OpenAIModel, async", "s", took),
        Row(f"{label}: replies that are lost or wrong", "", calls - right[0], bound=0),
    ]


GROUP = Group("Sub-calls over HTTP", (batches, none_lost))
