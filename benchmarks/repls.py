"""Corpora, runs and REPLs as several groups measure them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from rlm_integrations import Corpus, RLMEngine, Usage
from rlm_integrations.core.sandbox import Repl, Sandbox
from rlm_integrations.testing import ScriptedModel
from rlm_integrations.wire.settings import ReplSettings
from rlm_integrations.wire.steps import StepDone

MB = 1_000_000
LINE = "Some line of a log that nobody reads until something breaks.\n"
CLAUSE = "The parties agree that all notices under this contract are to be given in writing, and signed. "
DONE = "```repl\nanswer['content'] = 'x'\nanswer['ready'] = True\n```"
SETTINGS = ReplSettings(depth=1, sub_call_chars=100_000, max_output_chars=8192, step_timeout_s=120.0, memory_mb=256)
LIMITS = {"max_iterations": 10_000, "max_sub_calls": 100_000}


def text_of(megabytes: float, line: str = LINE) -> str:
    return line * int(megabytes * MB / len(line))


def contract(number: int) -> str:
    return f"CONTRACT between the city and the builder\n{CLAUSE * 2}\nNo. {number}\n{CLAUSE}"


def pieces_of(megabytes: float, count: int) -> list[str]:
    text = text_of(megabytes)
    each = len(text) // count
    return [text[at * each : (at + 1) * each] for at in range(count)]


def dicts_of(megabytes: float, count: int) -> list[dict[str, object]]:
    pieces = enumerate(pieces_of(megabytes, count))
    return [{"id": f"d{number}", "text": piece, "year": number % 30} for number, piece in pieces]


def run(corpus: Corpus, replies: Sequence[str] = (DONE,)) -> None:
    RLMEngine(ScriptedModel(list(replies), usage=Usage(input_tokens=1)), limits=LIMITS).run("?", corpus)


async def step(repl: Repl, code: str) -> None:
    """Raises RuntimeError where it ends otherwise than well."""
    end = await repl.step([code], lambda call: repl.refuse(call.id, "failed", "there is no host here"))
    if not isinstance(end, StepDone) or end.error is not None:
        raise RuntimeError(f"the step did not end well: {end}")


async def opened(count: int, corpus: Corpus, sandbox: Sandbox) -> list[Repl]:
    return list(await asyncio.gather(*(sandbox.open(corpus, SETTINGS) for _ in range(count))))


async def closed(repls: Sequence[Repl]) -> None:
    await asyncio.gather(*(repl.close() for repl in repls))
