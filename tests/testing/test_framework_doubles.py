from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from llama_index.core import Document
from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler
from llama_index.core.tools import FunctionTool

from rlm_integrations.core.language_model import Completion, Message
from rlm_integrations.core.trace.records import RLMTrace
from rlm_integrations.core.usage import Usage
from rlm_integrations.langchain import RLMRunnable
from rlm_integrations.llama_index import RLMQueryEngine
from rlm_integrations.testing import ReplayingModel, ScriptExhausted
from rlm_integrations.testing.langchain import ScriptedChatModel
from rlm_integrations.testing.llama_index import ScriptedLLM, tool_call

REPLY = Completion(
    "the whole reply", Usage(input_tokens=10, output_tokens=5, cached_tokens=4, reasoning_tokens=2), "tiny"
)
CONVERSATION = (Message("system", "Be brief."), Message("user", "Well?"), Message("assistant", "Hm."))


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "c.jsonl"
    path.write_text(json.dumps({"role": "root", "question": "Well?", "turn": 0, "reply": "recorded"}) + "\n")
    return path


async def test_a_chat_model_gives_its_script_invoked_streamed_sync_and_async() -> None:
    messages = [SystemMessage("Be brief."), HumanMessage([{"type": "text", "text": "Well?"}]), AIMessage("Hm.")]
    with ScriptedChatModel([REPLY] * 4) as model:
        replies = [model.invoke(messages), await model.ainvoke(messages)]
        for chunks in ([*model.stream(messages)], [chunk async for chunk in model.astream(messages)]):
            assert [chunk.content for chunk in chunks][:3] == ["the ", "whole ", "reply"]
            replies.append(sum(chunks[1:], chunks[0]))
    for reply in replies:
        assert isinstance(reply, AIMessage)
        assert reply.text == "the whole reply"
        assert reply.usage_metadata == {
            "input_tokens": 10,
            "output_tokens": 5,
            "total_tokens": 15,
            "input_token_details": {"cache_read": 4},
            "output_token_details": {"reasoning": 2},
        }
        assert reply.response_metadata["model_name"] == "tiny"
    assert model.requests == [CONVERSATION] * 4


def test_a_chat_model_tells_its_window_and_answers_from_a_recording(recording: Path) -> None:
    assert ScriptedChatModel([], max_input_tokens=8_000).profile == {"max_input_tokens": 8_000}
    with ScriptedChatModel.replaying(recording) as model:
        assert model.invoke("Well?").text == "recorded"
    with pytest.raises(ScriptExhausted, match="Eh"):
        ScriptedChatModel.replaying(ReplayingModel.from_file(recording)).invoke("Eh?")


def test_replies_left_over_fail_both_framework_forms() -> None:
    with pytest.raises(ScriptExhausted, match="not used"), ScriptedChatModel(["a"]):
        pass
    with pytest.raises(ScriptExhausted, match="not used"), ScriptedLLM(["a"]):
        pass


async def test_an_llm_gives_its_script_in_every_call_form() -> None:
    chat = [
        ChatMessage(role=MessageRole.SYSTEM, content="Be brief."),
        ChatMessage(content="Well?"),
        ChatMessage(role=MessageRole.ASSISTANT, content="Hm."),
    ]
    with ScriptedLLM([REPLY] * 8) as llm:
        assert [llm.chat(chat).message.content, (await llm.achat(chat)).message.content] == ["the whole reply"] * 2
        assert [llm.complete("Well?").text, (await llm.acomplete("Well?")).text] == ["the whole reply"] * 2
        streams = [
            [*llm.stream_chat(chat)],
            [response async for response in await llm.astream_chat(chat)],
            [*llm.stream_complete("Well?")],
            [response async for response in await llm.astream_complete("Well?")],
        ]
    for responses in streams:
        assert [response.delta for response in responses] == ["the ", "whole ", "reply"]
        assert str(responses[-1]).endswith("the whole reply")
    complete = (Message("user", "Well?"),)
    assert llm.requests == [CONVERSATION] * 2 + [complete] * 2 + [CONVERSATION] * 2 + [complete] * 2


def test_an_llm_reports_its_window_and_its_tokens_to_llama_index(recording: Path) -> None:
    counter = TokenCountingHandler(tokenizer=str.split)
    llm = ScriptedLLM([REPLY], context_window=4_000, model="tiny", callback_manager=CallbackManager([counter]))
    llm.chat([ChatMessage(content="Well?")])
    assert (counter.prompt_llm_token_count, counter.completion_llm_token_count) == (10, 5)
    assert (llm.metadata.context_window, llm.metadata.model_name, llm.metadata.is_chat_model) == (4_000, "tiny", True)
    with ScriptedLLM.replaying(recording) as replaying:
        assert replaying.complete("Well?").text == "recorded"


async def test_an_llm_calls_tools_in_every_form_of_a_chat() -> None:
    def look(word: str) -> str:
        """Looks a word up."""
        return f"{word}!"

    tool = FunctionTool.from_defaults(look)
    with ScriptedLLM([tool_call("look", word="kiln")] * 5 + ["No call."], is_function_calling_model=True) as llm:
        assert llm.metadata.is_function_calling_model
        responses = [llm.chat_with_tools([tool], "Well?"), await llm.achat_with_tools([tool], "Well?")]
        responses += [*llm.stream_chat_with_tools([tool], "Well?")]
        responses += [response async for response in await llm.astream_chat_with_tools([tool], "Well?")]
        for response in responses:
            [call] = llm.get_tool_calls_from_response(response)
            assert (call.tool_name, call.tool_kwargs) == ("look", {"word": "kiln"})
        assert str(llm.predict_and_call([tool], "Well?")) == "kiln!"
        with pytest.raises(ValueError, match=r"calls no tool: 'No call\.'"):
            llm.get_tool_calls_from_response(llm.chat_with_tools([tool], "Well?"))
    assert len(responses) == 4
    assert llm.requests == [(Message("user", "Well?"),)] * 6


@pytest.mark.parametrize(
    ("module", "framework", "extra"),
    [("langchain", "langchain_core", "langchain"), ("llama_index", "llama_index", "llama-index")],
)
def test_without_its_framework_a_double_names_the_extra(module: str, framework: str, extra: str) -> None:
    code = (
        f"import sys; sys.modules[{framework!r}] = None\n"
        "from rlm_integrations.core.errors import MissingExtraError\n"
        f"try: import rlm_integrations.testing.{module}\n"
        "except MissingExtraError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert f'pip install "rlm-integrations[{extra}]"' in done.stdout


@pytest.mark.parametrize("sync", [True, False])
async def test_how_a_scripted_reply_ended_and_what_was_thought_reaches_a_run(sync: bool) -> None:
    cut = Completion("It is", finish="length", thoughts="hm")
    rlm = RLMRunnable(llm=ScriptedChatModel([cut, "It is 3."]), context="3", trace="full")
    engine = RLMQueryEngine.from_documents([Document(text="3")], llm=ScriptedLLM([cut, "It is 3."]), trace="full")
    answered = [rlm.invoke("?"), engine.query("?")] if sync else [await rlm.ainvoke("?"), await engine.aquery("?")]
    for trace in map(RLMTrace.of, answered):
        assert trace.answer == "It is 3."
        assert (trace.iterations[0].call.finish, trace.iterations[0].call.thoughts) == ("length", "hm")
