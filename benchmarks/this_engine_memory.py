"""Measures what many REPLs of this engine take together, while their code waits in a tool of the host."""

from __future__ import annotations

import asyncio
import os
import time

from measuring import Engine, Figures, Task, main
from process_memory import descendants, leaves, private_mb, shared_mb
from this_engine import LIMITS, ThisEngine

from rlm_integrations import RLMEngine, Usage
from rlm_integrations.core.corpus import Corpus
from rlm_integrations.testing import ScriptedModel

DOCUMENT_CHARS = 1_000


def runs_at_once(engine: Engine, task: Task) -> Figures:
    """So many runs over one str, each of which has read all of it: memory beyond the str itself, in all."""
    corpus = engine.prepare(task.text())
    before = shared_mb([os.getpid()])
    return asyncio.run(_while_they_wait(corpus, "context.count('nobody')", task.times, before))


def repls(engine: Engine, task: Task) -> Figures:
    """So many idle REPLs over a small str: memory in all beyond the host's, and the time until all have run a step."""
    before = shared_mb([os.getpid()])
    return asyncio.run(_while_they_wait(engine.prepare(task.text()), "len(context)", task.times, before))


def documents(engine: Engine, task: Task) -> Figures:
    """Memory that one run has for itself, when its code has read every text of documents of 1,000 characters."""
    text = task.text()
    corpus = Corpus.of([text[at : at + DOCUMENT_CHARS] for at in range(0, len(text), DOCUMENT_CHARS)])
    return asyncio.run(_while_they_wait(corpus, "sum(d['text'].count('nobody') for d in context)", 1, 0.0))


async def _while_they_wait(corpus: Corpus, reads: str, runs: int, host_mb_before: float) -> Figures:
    """Figures at the moment when the code of all runs is in a tool that does not return."""
    waiting, all_wait, leave = 0, asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        nonlocal waiting
        waiting += 1
        if waiting == runs:
            all_wait.set()
        await leave.wait()

    def run() -> asyncio.Task[object]:
        code = f"```repl\n{reads}\nwait()\nFINAL('done')\n```"
        llm = ScriptedModel(always=lambda messages: code, usage=Usage())
        return asyncio.create_task(RLMEngine(llm, limits=LIMITS, tools=[wait]).arun("?", corpus))

    began = time.perf_counter()
    tasks = [run() for _ in range(runs)]
    await asyncio.wait([*tasks, waits := asyncio.create_task(all_wait.wait())], return_when=asyncio.FIRST_COMPLETED)
    if not waits.done():
        await asyncio.gather(*tasks)
    seconds = time.perf_counter() - began
    below = descendants(os.getpid())
    figures = {
        "mb": shared_mb([os.getpid(), *below]) - host_mb_before,
        "seconds": seconds,
        "private_mb": max(private_mb(pid) for pid in leaves(os.getpid())),
    }
    leave.set()
    await asyncio.gather(*tasks)
    return figures


if __name__ == "__main__":
    main(ThisEngine(), {each.__name__: each for each in (runs_at_once, repls, documents)})
