"""What runs do to the event loop of their caller: how long it waits at most beside hostile ones, and their CPU time.

    python benchmarks/busy_loop.py [--size-mb 100] [--row NAME]

A loop that turns every millisecond runs beside a run whose code, documents or sub-LMs send about so many megabytes
of one kind. The longest time between two of its turns, over the millisecond that was asked for, is the figure. On a
busy machine a good part of it is waiting for a processor: the row of a quiet run says how much.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from pydantic import BaseModel

from rlm_integrations import RLMEngine, RLMLimits, RLMResult
from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.langchain import RLMRunnable
from rlm_integrations.testing import ScriptedModel
from rlm_integrations.testing.langchain import ScriptedChatModel

MB = 1_000_000
LINE = "Some line of a log that nobody reads until something breaks.\n"
CLAUSE = "The parties agree that all notices under this contract are to be given in writing, and signed. "
CONTRACTS, RUNS, TICK_S = 8_000, 50, 1e-3
LIMITS = {"max_sub_calls": 100_000, "timeout_s": 40}
THREADS = "from concurrent.futures import ThreadPoolExecutor\npool = ThreadPoolExecutor(16)\n"
DONE = "answer['content'] = 'x'\nanswer['ready'] = True"

FORGED = """
import fcntl, json, os, struct
for channel in range(3, 64):
    try: fcntl.fcntl(channel, fcntl.F_GETFD)
    except OSError: continue
    break
def frame(**fields):
    body = json.dumps(fields).encode()
    return struct.pack(">I", len(body)) + body
"""

Cells = list[tuple[str, str]]
"""What was measured, and the figure."""


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


def wait(what: str, work: Callable[[], Awaitable[object]]) -> Cells:
    async def checked() -> None:
        ended = await work()
        if isinstance(ended, RLMResult):
            done(ended)

    async def measured() -> float:
        await engine(DONE).arun("?", LINE * 200)  # what is done once in a process
        return await longest_wait(checked())

    return [(f"longest wait of the loop beside {what}", f"{asyncio.run(measured()) * 1_000:,.0f} ms")]


# -- what a run may do


def row_quiet(size_mb: int) -> Cells:
    """Nothing of a kind: what the machine itself makes of the figure."""
    return wait("runs that send little", lambda: engine(*["print(1)"] * 15, DONE).arun("?", LINE * 200))


def row_cites(size_mb: int) -> Cells:
    code = f"{THREADS}quote = context[:10_000]\nlist(pool.map(cite, [quote] * {size_mb * 100}))\n"
    code += f"for n in range(1_000): cite(context[n : n + 10_000])\n{DONE}"
    return wait("a flood of citations", lambda: engine(code).arun("?", LINE * 1_000))


def row_prints(size_mb: int) -> Cells:
    code = f"for n in range({size_mb} * 100): print('\\n' * 10_000)\n{DONE}"
    return wait("a flood of output", lambda: engine(code, DONE).arun("?", LINE * 200))


def row_tools(size_mb: int) -> Cells:
    async def take(values: list[Any]) -> list[Any]:
        """Take them."""
        return values

    code = f"{THREADS}def send(values): take(values)\n"
    code += f"list(pool.map(send, [['small'] * 20_000] * {size_mb * 6}))\n"
    code += f"list(pool.map(send, [['x' * 1_000_000]] * {max(1, size_mb // 2)}))\n{DONE}"
    return wait("tools of large arguments", lambda: engine(code, tools=[take]).arun("?", LINE * 200))


class _Hits:
    async def retrieve(self, query: str) -> Sequence[Document]:
        return [Document(f"{query}-{place}", "x" * 20_000) for place in range(10)]


def row_unread(size_mb: int) -> Cells:
    calls = size_mb * 5
    code = f"{FORGED}for n in range({calls}):\n"
    code += "    os.write(channel, frame(t='call', id=(1 << 30) + n, name='retrieve', payload={'query': str(n)}))\n"
    code += f"import time; time.sleep(3)\n{DONE}"
    return wait("replies of 200 KB that nobody reads", lambda: engine(code).arun("?", _Hits()))


def row_sub_calls(size_mb: int) -> Cells:
    hostile = ("[document c1 | " * 20_000 + "\n" + "c1@1, 1, 1\n" * 20_000 + "\ud800" * 100_000)[:500_000]
    code = f"llm_query_batched([context[n : n + 100_000] for n in range({size_mb})])\n{DONE}"

    async def run() -> None:
        result = done(await engine(code, sub=hostile).arun("?", LINE * 2_000))
        await result.evidence.find_async()

    return wait("hostile replies of sub-LMs", run)


def row_root_reply(size_mb: int) -> Cells:
    fences = ("```repl\nx = (\n```\n" * 50_000 + "FINAL((" * 50_000)[: min(size_mb, 1) * MB]
    model = ScriptedModel([fences, f"```repl\n{DONE}\n```"])

    async def run() -> None:  # its code is no Python
        await RLMEngine(model, limits=LIMITS).arun("?", LINE * 200)

    return wait("a hostile reply of the root LM", run)


class _Row(BaseModel):
    place: int
    name: str


def row_answers(size_mb: int) -> Cells:
    chars = min(size_mb, 10) * MB - 100
    wrong = f"answer['content'] = '[' + ','.join(['{{}}'] * {min(chars, 3_999_999) // 3}) + ']'\nanswer['ready'] = True"
    halves = f"answer['content'] = '\\ud800' * {chars}\nanswer['ready'] = True"
    right = "answer['content'] = [{'place': 1, 'name': 'x'}]\nanswer['ready'] = True"

    async def run() -> None:
        done(await engine(wrong, right, answer_type=list[_Row]).arun("?", LINE * 200))
        done(await engine(halves).arun("?", LINE * 200))

    return wait("answers of 4 and 10 MB", run)


def contract(number: int) -> str:
    return f"CONTRACT between the city and the builder\n{CLAUSE * 2}\nNo. {number}\n{CLAUSE}"


def row_contracts(size_mb: int) -> Cells:
    contracts = {f"c{number}": contract(number) for number in range(CONTRACTS)}
    code = f"llm_query_batched(chunks(context))\nprint(search('No. 7'))\n{DONE}"
    root, sub = ScriptedChatModel([f"```repl\n{code}\n```"]), ScriptedChatModel(["nothing"] * 1_000)
    chain = RLMRunnable(llm=root, sub_llm=sub, context=contracts, limits=RLMLimits.of(LIMITS)).with_sources()
    # the long question joins a document to the corpus
    return wait(f"a run over {CONTRACTS:,} contracts of one form", lambda: chain.ainvoke("x" * 30_000 + "Which?"))


# -- many at once


def row_cpu(size_mb: int) -> Cells:
    """CPU time of this process, which is the host's, for short runs over one corpus."""
    corpus = Corpus.of({f"c{number}": contract(number) for number in range(200)})
    codes = ["print(search('No. 7'))", "llm_query_batched(chunks(context))", DONE]

    async def runs(count: int) -> None:
        await asyncio.gather(*(engine(*codes).arun("Which?", corpus) for _ in range(count)))

    asyncio.run(runs(1))
    began = time.process_time()
    asyncio.run(runs(RUNS))
    return [(f"{RUNS} short runs at once: CPU time of the host", f"{time.process_time() - began:.2f} s")]


ROWS: dict[str, Callable[[int], Cells]] = {
    name.removeprefix("row_"): row for name, row in list(globals().items()) if name.startswith("row_")
}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size-mb", type=int, default=100, help="how much is sent, about")
    parser.add_argument("--row", choices=ROWS, help="measure this one here, and print it as JSON")
    options = parser.parse_args(arguments)
    if options.row is not None:
        sys.stdout.write(json.dumps(ROWS[options.row](options.size_mb)))
        return
    sys.stdout.write("| | measured |\n|---|---|\n")
    for name in ROWS:
        command = [sys.executable, __file__, "--size-mb", str(options.size_mb), "--row", name]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
        for what, figure in json.loads(done.stdout):
            sys.stdout.write(f"| {what} | {figure} |\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
