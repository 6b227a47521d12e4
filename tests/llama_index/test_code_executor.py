"""The sandbox behind LlamaIndex's CodeActAgent."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
from llama_index.core.agent.workflow import CodeActAgent, ToolCallResult
from llama_index.core.tools import FunctionTool
from llama_index.core.workflow import Context

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.llama_index import CodeExecutor, get_code_executor

pytestmark = [  # LlamaIndex's agents do all of it themselves
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning"),
    pytest.mark.filterwarnings("ignore:is_running called from within a step:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Skipping serialization of known unserializable key"),
]


@pytest.fixture
def executor():
    with get_code_executor(limits={"step_timeout_s": 5, "max_output_chars": 1_000}) as executor:
        yield executor


async def run(agent, question="What is it?", ctx=None):
    handler = agent.run(question, ctx=ctx)
    results = [event async for event in handler.stream_events() if isinstance(event, ToolCallResult)]
    return str(await handler), [result.tool_output.content for result in results]


def act(code):
    return f"<execute>\n{code}\n</execute>"


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("way", ["execute", "call"])
async def test_an_agent_runs_its_code_in_it(way, streaming, executor, scripted):
    with scripted([act("n = 6 * 7\nprint(n)"), act("n + 1"), act("n / 0"), "It is 42."]) as llm:
        function = executor.execute if way == "execute" else executor
        agent = CodeActAgent(code_execute_fn=function, llm=llm, streaming=streaming)
        answer, [printed, shown, error] = await run(agent)
        assert "Result of executing the code given:\n\n42" in llm.requests[1][-1].content
    assert answer == "It is 42."
    assert (printed, shown) == ("42", "43")
    assert error.startswith("Error at line 1: ZeroDivisionError: division by zero\n    n / 0\n")


async def test_its_variables_are_kept_from_run_to_run_of_the_agent(executor, scripted):
    llm = scripted([act("kept = 'heliotrope'"), "Noted.", act("print(kept)"), "It is heliotrope."])
    agent = CodeActAgent(code_execute_fn=executor.execute, llm=llm)
    ctx = Context(agent)
    assert await run(agent, ctx=ctx) == ("Noted.", ["No output."])
    assert await run(agent, ctx=ctx) == ("It is heliotrope.", ["heliotrope"])


async def test_an_agents_tools_are_called_from_its_code(scripted):
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    async def shout(word: str) -> str:
        """Say it loudly."""
        return word.upper()

    def fail() -> None:
        """Never works."""
        raise ValueError("out of order")

    tools = [FunctionTool.from_defaults(add), shout, fail]
    code = "print(add(2, 3), shout('hi'))\ntry:\n    fail()\nexcept Exception as error:\n    print(error)"
    with get_code_executor(tools=tools) as executor, scripted([act(code), "Done."]) as llm:
        agent = CodeActAgent(code_execute_fn=executor.execute, llm=llm, tools=[*tools])
        answer, [content] = await run(agent)
        assert "def add(a" in llm.requests[0][0].content
    assert answer == "Done."
    assert content.startswith("5 HI\n")
    assert "out of order" in content


def test_a_tool_that_never_returns_is_given_up():
    returns = threading.Event()

    def wait() -> None:
        returns.wait()

    with get_code_executor(tools=[wait], limits={"call_timeout_s": 0.1}) as executor:
        assert "wait: TimeoutError: it took too long" in executor("wait()")
        assert executor("1 + 1") == "2"
    returns.set()


def test_tools_are_called_no_more_often_and_no_more_at_once_than_the_limits_say():
    together, running, most = threading.Barrier(2), set[int](), list[int]()

    def meet() -> int:
        running.add(threading.get_ident())
        most.append(len(running))
        place = together.wait(10)
        running.discard(threading.get_ident())
        return place

    limits = {"max_concurrency": 2, "max_tool_calls": 4}
    code = """
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(4) as pool:
    print(sorted(pool.map(lambda n: meet(), range(4))))
"""
    with get_code_executor(tools=[meet], limits=limits) as executor:
        assert executor(code) == executor(code) == "[0, 0, 1, 1]"
        assert max(most) == 2
        assert "meet: the 4 calls of tools and `retrieve` of this run are made" in executor(f"{code}\nmeet()")


def test_it_is_confined(executor, tmp_path, monkeypatch):
    secret = tmp_path / "secret"
    secret.write_text("heliotrope")
    told = executor(f"print(open({str(secret)!r}).read())")
    assert "heliotrope" not in told
    assert told.startswith("Error at line 1: ")
    monkeypatch.setenv("RLM_TEST_SECRET", "heliotrope")
    assert executor("import os\nprint(os.environ.get('RLM_TEST_SECRET'))") == "None"


def test_output_is_bounded(executor):
    told = executor("for i in range(30_000): print(i)")
    assert len(told) < 1_500
    assert told.startswith("0\n1\n")
    assert told.endswith("29999")
    assert "characters cut here" in told


def test_a_session_that_was_lost_is_said_to_be_and_a_new_one_goes_on(executor):
    executor("n = 1")
    told = executor("print('before')\nimport os\nos._exit(3)")
    assert told.startswith("before\nThe session ended while this code ran: ")
    assert "All your variables are gone" in told
    assert "NameError" in executor("n")
    assert executor("n = 2\nn") == "2"


def test_code_that_never_ends_is_interrupted():
    with get_code_executor(limits={"step_timeout_s": 0.3}) as executor:
        executor("n = 1")
        assert "Error" in executor("while True: pass")
        assert executor("n") == "1"


@pytest.mark.parametrize("code", ["answer = 42\nanswer", "answer['ready'] = True\nanswer['content'] = 42\n42"])
def test_an_answer_ends_nothing(code, executor):
    assert executor(code) == "42"
    assert executor("1 + 1") == "2"


def test_what_there_is_nothing_for_is_an_error_in_the_code(executor):
    assert "Error" in executor("cite('a')")
    assert executor("print(context)") == "None"


def test_from_loop_to_loop_and_thread_to_thread(executor):
    async def add():
        return await executor.execute("n = globals().get('n', 0) + 1\nn")

    assert [asyncio.run(add()) for _ in range(2)] == ["1", "2"]
    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(executor, ["n += 1"] * 8))
    assert told == ["No output."] * 8
    assert executor("n") == "10"


async def test_calls_side_by_side_take_turns(executor):
    codes = [f"x = {n}\nfor _ in range(1000): pass\nprint(x)" for n in range(8)]
    assert await asyncio.gather(*map(executor.execute, codes)) == [str(n) for n in range(8)]


async def test_a_cancelled_call_ends_its_code_and_the_next_has_a_new_session():
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    def begin() -> None:
        loop.call_soon_threadsafe(begun.set)

    with get_code_executor(tools=[begin]) as executor:
        await executor.execute("n = 1")
        task = asyncio.create_task(executor.execute("begin()\nwhile True: pass"))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert "NameError" in await executor.execute("n")


def test_closed_it_says_so():
    executor = get_code_executor()
    assert executor("1") == "1"
    executor.close()
    executor.close()
    with pytest.raises(InvalidArgumentError, match=r"it is closed; make another with get_code_executor\(\)"):
        executor("1")


def test_it_is_closed_when_nothing_holds_it_any_more():
    executor = get_code_executor()
    executor("1")
    session, gone = executor._repl, weakref.ref(executor)
    thread = session._thread
    del executor
    gc.collect()
    assert gone() is None
    thread.join()
    assert session._closed


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sandbox": "nowhere"}, "sandbox: 'nowhere' is not one"),
        ({"limits": 3}, "limits: int given"),
        ({"tools": 3}, "tools: int given"),
    ],
)
def test_wrong_arguments_are_refused(options, message):
    with pytest.raises(InvalidArgumentError, match=message):
        get_code_executor(**options)


def test_code_that_is_no_text_is_refused(executor):
    assert isinstance(executor, CodeExecutor)
    with pytest.raises(InvalidArgumentError, match="code: int given; pass a str"):
        executor(3)
