"""Ctrl-C and cancellation: a run ends whatever hangs, quietly, and what it had done is not lost."""

from __future__ import annotations

import asyncio
import os
import signal
import textwrap
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from rlm_integrations import RLMEngine
from rlm_integrations.core.language_model import Completion, Message
from rlm_integrations.core.usage import Usage
from rlm_integrations.testing import ScriptedModel

PROGRAM = """
import asyncio, threading
from rlm_integrations import RLMEngine
from rlm_integrations.testing import ScriptedModel

class Hung(ScriptedModel):
    async def complete(self, messages):
        print("hanging", flush=True)
        await asyncio.Event().wait()

    def complete_sync(self, messages):
        hang()

class Retriever:
    async def retrieve(self, query):
        await Hung([]).complete([])

    def retrieve_sync(self, query):
        hang()

def hang():
    "Never comes back."
    print("hanging", flush=True)
    threading.Event().wait()

def busy(event):
    if type(event).__name__ == "CodeStarted":
        print("hanging", flush=True)

def root(code):
    return ScriptedModel(["```repl\\nnoted = 'kept'\\n```", f"```repl\\n{code}\\n```"])

long = "a line\\n" * 20_000
"""

HUNG = {
    "model": "engine, context = RLMEngine(Hung([])), long",
    "sub-call": "engine, context = RLMEngine(root('llm_query(1 * \"x\")'), sub_llm=Hung([])), long",
    "tool": "engine, context = RLMEngine(root('hang()'), tools=[hang]), long",
    "retriever": "engine, context = RLMEngine(root('1')), Retriever()",
    "REPL": "engine, context = RLMEngine(root('while True: pass'), on_event=busy), long",
}
CALLS = {
    "run": 'engine.run("?", context)',
    "arun": 'asyncio.run(engine.arun("?", context))',
}
END = """
try:
    {call}
except KeyboardInterrupt as interrupt:
    result = getattr(interrupt, "result", None) or interrupt.__context__.result
    print(result.trace.error, len(result.trace.iterations), flush=True)
"""


Interrupted = Callable[..., tuple[str, str, int]]


@pytest.fixture
def interrupted(start_program: Callable[..., Any]) -> Interrupted:
    """What a program prints that gets a SIGINT when it says "hanging", its stderr and exit status."""

    def run(program: str, **options: Any) -> tuple[str, str, int]:
        running = start_program(textwrap.dedent(program), fresh=True, **options)
        line = running.stdout.readline()
        while line and line != "hanging\n":
            line = running.stdout.readline()
        os.kill(running.process.pid, signal.SIGINT)
        ended = running.end(30)
        return ended.stdout.replace("hanging\n", ""), ended.stderr, ended.returncode

    return run


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("hung", HUNG)
def test_ctrl_c_ends_a_run_and_its_trace_is_kept(interrupted: Interrupted, hung: str, call: str) -> None:
    printed, complaints, status = interrupted(PROGRAM + HUNG[hung] + END.format(call=CALLS[call]))
    iterations = {"model": 1, "retriever": 0, "REPL": 1}.get(hung, 2)
    assert (printed, complaints, status) == (f"the run was cancelled {iterations}\n", "", 0)


FRAMEWORKS = {
    "langchain": """
        from rlm_integrations.langchain import RLMRunnable
        from rlm_integrations.testing.langchain import ScriptedChatModel
        llm = ScriptedChatModel(replies=["```repl\\nwhile True: pass\\n```"])
        ask = lambda: RLMRunnable(llm=llm, context="a line\\n" * 20_000, on_event=busy).invoke("?")
    """,
    "llama_index": """
        from rlm_integrations.llama_index import RLMQueryEngine
        from rlm_integrations.testing.llama_index import ScriptedLLM
        llm = ScriptedLLM(["```repl\\nwhile True: pass\\n```"])
        ask = lambda: RLMQueryEngine(llm=llm, context="a line\\n" * 20_000, on_event=busy).query("?")
    """,
}


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_ctrl_c_ends_a_framework_s_sync_call(interrupted: Interrupted, framework: str) -> None:
    program = textwrap.dedent(FRAMEWORKS[framework]) + END.format(call="ask()")
    ended = interrupted(PROGRAM + program, everything=True, warnings=["default", "ignore::DeprecationWarning"])
    assert ended == ("the run was cancelled 1\n", "", 0)


async def test_a_cancelled_run_keeps_its_trace() -> None:
    began = asyncio.Event()

    class Hung:
        async def complete(self, messages: object) -> object:
            began.set()
            await asyncio.Event().wait()
            raise AssertionError

    root = ScriptedModel(["```repl\nprint(llm_query('x'))\n```"])
    task = asyncio.create_task(RLMEngine(root, sub_llm=Hung()).arun("?", "a line\n" * 20_000))  # type: ignore[arg-type]
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    trace = caught.value.result.trace  # type: ignore[attr-defined]
    assert trace.error == "the run was cancelled"
    [call] = trace.iterations[0].execution.sub_calls
    assert (call.prompt, call.error) == ("x", "CancelledError: the run ended first")


@pytest.mark.parametrize(
    "error", [asyncio.CancelledError("gone"), SystemExit(3), pytest.fail.Exception("no")], ids=lambda error: type(error)
)
@pytest.mark.parametrize("where", ["tool", "model"])
def test_what_would_end_the_loop_fails_one_call(error: BaseException, where: str) -> None:
    async def lookup() -> str:
        """Raises."""
        raise error

    class Failing:
        async def complete(self, messages: object) -> object:
            raise error

    code = "try: lookup()" if where == "tool" else "try: llm_query('x')"
    code += "\nexcept Exception as e: answer.update(content=str(e), ready=True)"
    root = ScriptedModel(always=lambda messages: f"```repl\n{code}\n```")
    engine = RLMEngine(root, sub_llm=Failing(), tools=[lookup])  # type: ignore[arg-type]
    for result in (engine.run("?", "a line\n" * 20_000), asyncio.run(engine.arun("?", "a line\n" * 20_000))):
        assert f"{type(error).__name__}: {error}" in result.answer


class SoftTimeLimitError(Exception):
    """As job queues raise it, in a signal handler."""


MANY = "```repl\nfor n in range(100): print(llm_query(f'part {n}'))\n```"
USAGE = Usage(input_tokens=10, output_tokens=5)


@pytest.fixture
def out_of_time(handle_signal: Callable[..., None]) -> Callable[[], None]:
    """Sends the signal of a soft time limit to the process, whose handler raises in the main thread."""

    def handle(number: int, frame: object) -> None:
        raise SoftTimeLimitError

    handle_signal(signal.SIGALRM, handle)
    return lambda: os.kill(os.getpid(), signal.SIGALRM)


@pytest.mark.parametrize("amid", ["root call", "sub-call"])
def test_a_soft_time_limit_ends_the_run_and_its_spending(amid: str, out_of_time: Callable[[], None]) -> None:
    go_on = threading.Event()
    asked: list[str] = []
    others = {*threading.enumerate()}

    class Slow:
        def complete_sync(self, messages: Sequence[Message]) -> Completion:
            asked.append(messages[-1].content)
            if len(asked) == 2:
                out_of_time()
                go_on.wait()
            return Completion(MANY, USAGE)

        async def complete(self, messages: Sequence[Message]) -> Completion:
            raise AssertionError("the sync method is there")

    quick = ScriptedModel(always=lambda messages: "```repl\nprint(llm_query('a'))\n```", usage=USAGE)
    root, sub = (Slow(), quick) if amid == "root call" else (quick, Slow())
    with pytest.raises(SoftTimeLimitError) as caught:
        RLMEngine(root, sub_llm=sub).run("?", "a line\n" * 20_000)
    counted = len(asked), len(quick.requests)
    go_on.set()
    for thread in {*threading.enumerate()} - others:
        thread.join(10)
        assert not thread.is_alive(), thread
    assert (len(asked), len(quick.requests)) == counted

    trace = caught.value.result.trace  # type: ignore[attr-defined]
    assert trace.error == "the run was cancelled"
    sub_calls = [call for each in trace.iterations if each.execution for call in each.execution.sub_calls]
    if amid == "root call":
        assert [bool(each.reply) for each in trace.iterations] == [True, False]
        assert {call.error for call in sub_calls} == {None}
        assert len(sub_calls) == len(quick.requests)
    else:
        assert [call.error for call in sub_calls] == [None, "CancelledError: the run ended first"]
    assert trace.usage.total_tokens == 15 * (sum(counted) - 1)
