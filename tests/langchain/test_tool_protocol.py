"""protocol="tool" in LangChain: real models with tools bound to them, the same runs, and errors at construction."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage

from rlm_integrations import InvalidArgumentError, RLMTrace, Usage
from rlm_integrations.langchain import ChatRLM, RLMRunnable
from rlm_integrations.testing import PythonCalls
from rlm_integrations.testing.langchain import ScriptedChatModel

DOCUMENTS = [Document(f"Plot {n}.\n" + "Nothing of note.\n" * 300, id=f"plot-{n}") for n in range(20)]
DONE = "answer['content'] = x\nanswer['ready'] = True"
SPENT = Usage(input_tokens=10, output_tokens=5)


def rent(plot: int) -> int:
    """The rent of a plot."""
    return plot


class RootModel(ScriptedChatModel):
    """The root LM of a test."""


def root(*replies: Any) -> RootModel:
    return RootModel(replies, usage=SPENT)


async def test_the_run_tree_is_that_of_any_run(tracer: Any) -> None:
    llm = root(PythonCalls("x = 1", "x += 1", text="Look."), PythonCalls(DONE))
    rlm = RLMRunnable(llm=llm, context=DOCUMENTS, protocol="tool", trace="full")
    message: AIMessage = await rlm.ainvoke("?", {"callbacks": [tracer]})
    assert (message.content, message.tool_calls) == ("2", [])
    assert tracer.lines() == [
        "RLMRunnable [chain]",
        "  RootModel [chat_model]",
        "  python_repl [tool]",
        "  RootModel [chat_model]",
        "  python_repl [tool]",
    ]
    assert RLMTrace.of(message).executions[0].blocks == ["x = 1", "x += 1"]
    assert RLMTrace.of(message).usage.total_tokens == 30


@pytest.mark.parametrize("sync", [True, False])
async def test_a_chat_rlm_has_it_too(sync: bool) -> None:
    chat = ChatRLM(llm=root(PythonCalls("x = 'so'\n" + DONE)), context=DOCUMENTS, protocol="tool")
    said = chat.invoke("?") if sync else await chat.ainvoke("?")
    assert (said.content, said.tool_calls) == ("so", [])


@pytest.mark.parametrize("wrap", ["bind", "retry", "fallbacks"])
async def test_wrapped_models_call_the_tool(wrap: str) -> None:
    model = root(PythonCalls("x = 1"), PythonCalls(DONE))
    wrapped: Any = {
        "bind": lambda: model.bind(stop=["x"]),
        "retry": lambda: model.with_retry(),
        "fallbacks": lambda: root(*[ConnectionError("down")] * 2).with_fallbacks([model]),
    }[wrap]()
    assert (await RLMRunnable(llm=wrapped, context=DOCUMENTS, protocol="tool").ainvoke("?")).content == "1"


@pytest.mark.parametrize("face", [RLMRunnable, ChatRLM])
@pytest.mark.parametrize(
    ("llm", "words"),
    [
        (FakeListChatModel(responses=["x"]), r"FakeListChatModel cannot call tools \(it has no bind_tools\)"),
        (FakeListChatModel(responses=["x"]).with_retry(), "FakeListChatModel cannot call tools"),
        (ScriptedChatModel(["x"], profile={"tool_calling": False}), "ScriptedChatModel cannot .* profile says so"),
        (ScriptedChatModel(["x"]).bind_tools([rent]), "ScriptedChatModel cannot .*some are bound to it already"),
    ],
)
def test_a_model_that_cannot_call_tools_is_refused_at_construction(face: Any, llm: Any, words: str) -> None:
    whole = rf'protocol: "tool" needs an llm .*, and {words}.*; pass as llm .*leave protocol="fence"'
    with pytest.raises(InvalidArgumentError, match=whole):
        face(llm=llm, protocol="tool")
    face(llm=llm)


def test_an_unknown_protocol_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match=r"protocol='json': pass 'fence' or 'tool'"):
        RLMRunnable(llm=root("x"), protocol="json")  # type: ignore[arg-type]


async def test_of_children_whose_model_cannot_the_code_stands_in_fences() -> None:
    child = FakeListChatModel(responses=[f"```repl\nx = 3\n{DONE}\n```"])
    ask = PythonCalls("x = rlm_query('How many?', 'a b c')\n" + DONE)
    rlm = RLMRunnable(llm=root(ask), sub_llm=child, context=DOCUMENTS, protocol="tool", limits={"max_depth": 2})
    with pytest.warns(RuntimeWarning, match="no token usage"):
        assert (await rlm.ainvoke("?")).content == "3"
