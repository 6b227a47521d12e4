"""How long the caller's event loop waits at most beside runs that are hostile to it.

A loop that turns every millisecond runs beside a run whose code, documents or sub-LMs send about 100 MB of one kind.
The longest time between two of its turns, over the millisecond that was asked for, is the figure. On a busy machine a
good part of it is waiting for a processor: the row of a quiet run says how much.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from pydantic import BaseModel

from benchmarks.forged import FORGED
from benchmarks.registry import Group, Scale
from benchmarks.repls import LINE, MB, contract
from benchmarks.row import Row
from rlm_integrations import RLMEngine, RLMLimits, RLMResult
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.langchain import RLMRunnable
from rlm_integrations.testing import ScriptedModel
from rlm_integrations.testing.langchain import ScriptedChatModel

CONTRACTS, TICK_S, BOUND_MS = 8_000, 1e-3, 100
FULL_MB, QUICK_MB = 100, 1
LIMITS = {"max_sub_calls": 100_000, "timeout_s": 40}
THREADS = "from concurrent.futures import ThreadPoolExecutor\npool = ThreadPoolExecutor(16)\n"
DONE = "answer['content'] = 'x'\nanswer['ready'] = True"


def scripted(*codes: str) -> ScriptedModel:
    return ScriptedModel([f"```repl\n{code}\n```" for code in codes])


def engine(*codes: str, sub: str = "ok", **options: Any) -> RLMEngine[Any]:
    replies = ScriptedModel(always=lambda messages: sub)
    return RLMEngine(scripted(*codes), sub_llm=replies, limits=LIMITS, **options)


def done(result: RLMResult[Any]) -> RLMResult[Any]:
    """The result of a run whose code ran to its end. Raises RuntimeError for any other."""
    problems = [each.error or each.lost for each in result.trace.executions if each.error or each.lost]
    if problems or result.stop_reason != "answer":
        raise RuntimeError(f"the run ended with {result.stop_reason}: {problems}")
    return result


async def longest_wait(work: Awaitable[object]) -> float:
    """Seconds between two turns of the loop while the work goes on, at most."""
    longest = 0.0
    task = asyncio.ensure_future(work)
    before = time.perf_counter()
    while not task.done():
        await asyncio.sleep(TICK_S)
        now = time.perf_counter()
        longest, before = max(longest, now - before - TICK_S), now
    await task
    return longest


def wait(what: str, work: Callable[[], Awaitable[object]], bound: float | None = BOUND_MS) -> list[Row]:
    async def checked() -> None:
        ended = await work()
        if isinstance(ended, RLMResult):
            done(ended)

    async def measured() -> float:
        await engine(DONE).arun("?", LINE * 200)  # what is done once in a process
        return await longest_wait(checked())

    return [Row(f"longest wait of the loop beside {what}", "ms", asyncio.run(measured()) * 1_000, bound=bound)]


def quiet(scale: Scale) -> list[Row]:
    """Nothing of a kind: what the machine itself makes of the figure."""
    return wait("runs that send little", lambda: engine(*["print(1)"] * 15, DONE).arun("?", LINE * 200), None)


def cites(scale: Scale) -> list[Row]:
    mb = scale.of(FULL_MB, QUICK_MB)
    code = f"{THREADS}quote = context[:10_000]\nlist(pool.map(cite, [quote] * {mb * 100}))\n"
    code += f"for n in range({scale.of(1_000, 10)}): cite(context[n : n + 10_000])\n{DONE}"
    return wait("a flood of citations", lambda: engine(code).arun("?", LINE * 1_000))


def prints(scale: Scale) -> list[Row]:
    mb = scale.of(FULL_MB, QUICK_MB)
    code = f"for n in range({mb} * 100): print('\\n' * 10_000)\n{DONE}"
    return wait("a flood of output", lambda: engine(code, DONE).arun("?", LINE * 200))


def tools(scale: Scale) -> list[Row]:
    mb = scale.of(FULL_MB, QUICK_MB)

    async def take(values: list[Any]) -> list[Any]:
        """Take them."""
        return values

    code = f"{THREADS}def send(values): take(values)\n"
    code += f"list(pool.map(send, [['small'] * 20_000] * {mb * 6}))\n"
    code += f"list(pool.map(send, [['x' * 1_000_000]] * {max(1, mb // 2)}))\n{DONE}"
    return wait("tools of large arguments", lambda: engine(code, tools=[take]).arun("?", LINE * 200))


class _Hits:
    async def retrieve(self, query: str) -> Sequence[Document]:
        return [Document(f"{query}-{place}", "x" * 20_000) for place in range(10)]


def unread(scale: Scale) -> list[Row]:
    mb = scale.of(FULL_MB, QUICK_MB)
    calls = mb * 5
    code = f"{FORGED}for n in range({calls}):\n"
    code += "    os.write(channel, frame(t='call', id=(1 << 30) + n, name='retrieve', payload={'query': str(n)}))\n"
    code += f"import time; time.sleep({scale.of(3, 0.1)})\n{DONE}"
    return wait("replies of 200 KB that nobody reads", lambda: engine(code).arun("?", _Hits()))


def sub_calls(scale: Scale) -> list[Row]:
    mb = scale.of(FULL_MB, QUICK_MB)
    hostile = ("[document c1 | " * 20_000 + "\n" + "c1@1, 1, 1\n" * 20_000 + "\ud800" * 100_000)[
        : scale.of(500_000, 5_000)
    ]
    code = f"llm_query_batched([context[n : n + 100_000] for n in range({mb})])\n{DONE}"

    async def run() -> None:
        result = done(await engine(code, sub=hostile).arun("?", LINE * 2_000))
        await result.evidence.find_async()

    return wait("hostile replies of sub-LMs", run)


def root_reply(scale: Scale) -> list[Row]:
    fences = "```repl\nx = (\n```\n" * scale.of(50_000, 500) + "FINAL((" * scale.of(50_000, 500)
    model = ScriptedModel([fences, f"```repl\n{DONE}\n```"])

    async def run() -> None:  # its code is no Python
        await RLMEngine(model, limits=LIMITS).arun("?", LINE * 200)

    return wait("a hostile reply of the root LM", run)


class _Row(BaseModel):
    place: int
    name: str


def answers(scale: Scale) -> list[Row]:
    chars = scale.of(10 * MB, 100_000) - 100
    wrong = f"answer['content'] = '[' + ','.join(['{{}}'] * {min(chars, 3_999_999) // 3}) + ']'\nanswer['ready'] = True"
    halves = f"answer['content'] = '\\ud800' * {chars}\nanswer['ready'] = True"
    right = "answer['content'] = [{'place': 1, 'name': 'x'}]\nanswer['ready'] = True"

    async def run() -> None:
        done(await engine(wrong, right, answer_type=list[_Row]).arun("?", LINE * 200))
        done(await engine(halves).arun("?", LINE * 200))

    return wait("answers of 4 and 10 MB", run)


def contracts(scale: Scale) -> list[Row]:
    texts = {f"c{number}": contract(number) for number in range(scale.of(CONTRACTS, 80))}
    code = f"llm_query_batched(chunks(context))\nprint(search('No. 7'))\n{DONE}"
    root, sub = ScriptedChatModel([f"```repl\n{code}\n```"]), ScriptedChatModel(["nothing"] * 1_000)
    chain = RLMRunnable(llm=root, sub_llm=sub, context=texts, limits=RLMLimits.of(LIMITS)).with_sources()
    # the long question joins a document to the corpus
    return wait(f"a run over {CONTRACTS:,} contracts of one form", lambda: chain.ainvoke("x" * 30_000 + "Which?"))


GROUP = Group(
    "What runs do to their caller's event loop",
    (quiet, cites, prints, tools, unread, sub_calls, root_reply, answers, contracts),
)
