from __future__ import annotations

import asyncio
import threading
from dataclasses import replace

import pytest
from llama_index.core import Document, Settings, SummaryIndex
from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    CompletionResponse,
    LLMMetadata,
    MessageRole,
    ThinkingBlock,
)
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler
from llama_index.core.llms import LLM, CustomLLM, MockLLM
from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback
from pydantic import BaseModel

from rlm_integrations.core.calls.missing_key import KEY_REMEDY
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.language_model import Completion, Message
from rlm_integrations.core.usage import Usage
from rlm_integrations.llama_index import RLMQueryEngine
from rlm_integrations.llama_index.language_model import LlamaIndexModel, choose_llm, unwrap_structured
from rlm_integrations.testing import ScriptedModel

ASKED = (Message("system", "be brief"), Message("user", "2 + 2?"), Message("assistant", "4"), Message("user", "sure?"))


class Echo(CustomLLM):
    """A completion-only LLM, as most local ones."""

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(model_name="echo")

    def complete(self, prompt, formatted=False, **kwargs):
        return CompletionResponse(text=f"{formatted} {threading.current_thread().name}\n{prompt}")

    def stream_complete(self, prompt, formatted=False, **kwargs):
        raise NotImplementedError


class Meeting(CustomLLM):
    """Replies only once three calls are in it at the same time."""

    barrier: object

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(is_chat_model=True)

    def chat(self, messages, **kwargs):
        self.barrier.wait(timeout=10)
        return ChatResponse(message=ChatMessage(role=MessageRole.ASSISTANT, content="met"))

    def complete(self, prompt, formatted=False, **kwargs):
        raise NotImplementedError

    def stream_complete(self, prompt, formatted=False, **kwargs):
        raise NotImplementedError


async def test_a_chat_model_gets_the_messages_and_gives_text_usage_and_model(scripted):
    llm = scripted(["yes", "yes"], usage=Usage(input_tokens=30, output_tokens=1, cached_tokens=8), model="scripted-1")
    model = LlamaIndexModel(llm)
    for completion in (await model.complete(ASKED), model.complete_sync(ASKED)):
        assert (completion.text, completion.model) == ("yes", "scripted-1")
        assert completion.usage == Usage(input_tokens=30, output_tokens=1, cached_tokens=8)
    assert llm.requests == [ASKED, ASKED]


def reply(content="", blocks=(), raw=None, **extra):
    message = ChatMessage(role=MessageRole.ASSISTANT, content=content, additional_kwargs=extra)
    message.blocks = [*blocks, *message.blocks]
    return ChatResponse(message=message, raw=raw)


@pytest.mark.parametrize(
    ("response", "becomes"),
    [
        (reply("It is", raw={"choices": [{"finish_reason": "length"}]}), Completion("It is", finish="length")),
        (reply("It is", raw={"stop_reason": "max_tokens"}), Completion("It is", finish="length")),
        (reply("3", raw={"stop_reason": "end_turn"}), Completion("3", finish="stop")),
        (reply("", raw={"candidates": [{"finish_reason": "SAFETY"}]}), Completion("", finish="content_filter")),
        (reply("It is", raw={"finish_reason": "MAX_TOKENS"}), Completion("It is", finish="length")),
        (reply("", raw={"done_reason": "length"}), Completion("", finish="length")),
        (
            reply("", raw={"choices": [{"finish_reason": "stop", "message": {"refusal": "I will not."}}]}),
            Completion("I will not.", finish="refusal"),
        ),
        (
            reply("3", raw={"choices": [{"message": {"reasoning_content": "hm"}}]}),
            Completion("3", thoughts="hm"),
        ),
        (reply("3", [ThinkingBlock(content="hm")]), Completion("3", thoughts="hm")),
        (reply("3", thinking="hm"), Completion("3", thoughts="hm")),
        (reply("3"), Completion("3")),
    ],
)
def test_how_a_reply_ended_and_what_was_thought(response, becomes):
    class Given(Meeting):
        def chat(self, messages, **kwargs):
            return response

    assert LlamaIndexModel(Given(barrier=None)).complete_sync(ASKED) == replace(becomes, model="unknown")


async def test_a_completion_only_llm_gets_one_prompt():
    model = LlamaIndexModel(Echo())
    for completion in (await model.complete(ASKED), model.complete_sync(ASKED)):
        formatted, prompt = completion.text.split("\n", 1)
        assert formatted.startswith("True")
        assert prompt == "system: be brief\nuser: 2 + 2?\nassistant: 4\nuser: sure?\nassistant: "
        assert completion.model == "echo"


async def test_async_methods_that_would_block_run_in_threads_side_by_side():
    completion = await LlamaIndexModel(Echo()).complete(ASKED)
    assert threading.current_thread().name not in completion.text
    meeting = LlamaIndexModel(Meeting(barrier=threading.Barrier(3)))
    replies = await asyncio.gather(*(meeting.complete(ASKED) for _ in range(3)))
    assert [reply.text for reply in replies] == ["met"] * 3


class Postponed(LLM):
    """Its async methods are still the sync ones, as in many integrations; a reply needs three calls at a time."""

    barrier: object
    chat_model: bool

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(is_chat_model=self.chat_model)

    @llm_chat_callback()
    def chat(self, messages, **kwargs):
        self.barrier.wait(timeout=10)
        return ChatResponse(message=ChatMessage(role=MessageRole.ASSISTANT, content="met"))

    @llm_chat_callback()
    async def achat(self, messages, **kwargs):
        return self.chat(messages, **kwargs)

    @llm_completion_callback()
    def complete(self, prompt, formatted=False, **kwargs):
        self.barrier.wait(timeout=10)
        return CompletionResponse(text="met")

    @llm_completion_callback()
    async def acomplete(self, prompt, formatted=False, **kwargs):
        return self.complete(prompt, formatted, **kwargs)

    def stream_chat(self, messages, **kwargs):
        raise NotImplementedError

    def stream_complete(self, prompt, formatted=False, **kwargs):
        raise NotImplementedError

    async def astream_chat(self, messages, **kwargs):
        raise NotImplementedError

    async def astream_complete(self, prompt, formatted=False, **kwargs):
        raise NotImplementedError


class Waiting(Postponed):
    """Its async methods wait for the caller, on the caller's loop."""

    @llm_chat_callback()
    async def achat(self, messages, **kwargs):
        await self.barrier.wait()
        return ChatResponse(message=ChatMessage(role=MessageRole.ASSISTANT, content=threading.current_thread().name))

    @llm_completion_callback()
    async def acomplete(self, prompt, formatted=False, **kwargs):
        await self.barrier.wait()
        return CompletionResponse(text=threading.current_thread().name)


@pytest.mark.parametrize("chat_model", [True, False])
async def test_async_methods_that_await_nothing_run_in_threads_and_others_on_the_callers_loop(chat_model):
    postponed = LlamaIndexModel(Postponed(barrier=threading.Barrier(3), chat_model=chat_model))
    replies = await asyncio.gather(*(postponed.complete(ASKED) for _ in range(3)))
    assert [reply.text for reply in replies] == ["met"] * 3
    meeting = asyncio.Event()
    waiting = LlamaIndexModel(Waiting(barrier=meeting, chat_model=chat_model))
    calls = asyncio.gather(*(waiting.complete(ASKED) for _ in range(3)))
    meeting.set()
    assert [reply.text for reply in await calls] == [threading.current_thread().name] * 3


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_completion_only_llm_answers_a_query(asynchronous):
    class Completing(Echo):
        def complete(self, prompt, formatted=False, **kwargs):
            assert "user: " in prompt
            return CompletionResponse(text="```repl\nanswer['content'] = len(context)\nanswer['ready'] = True\n```")

    engine = RLMQueryEngine.from_documents([Document(text="one"), Document(text="two")], llm=Completing())
    response = await engine.aquery("How many?") if asynchronous else engine.query("How many?")
    assert response.response == "2"


async def test_an_error_of_a_threaded_call_arrives():
    class Failing(Echo):
        def complete(self, prompt, formatted=False, **kwargs):
            raise ConnectionError("refused")

    with pytest.raises(ConnectionError, match="refused"):
        await LlamaIndexModel(Failing()).complete(ASKED)


def test_the_llms_own_system_prompt_is_kept_in_the_system_message_or_the_users(scripted):
    llm = scripted(["a", "b"], system_prompt="Answer in French.")
    model = LlamaIndexModel(llm)
    model.complete_sync(ASKED)
    model.complete_sync(ASKED[1:2])
    assert llm.requests[0] == (Message("system", "be brief\n\nAnswer in French."), *ASKED[1:])
    assert llm.requests[1] == (Message("user", "Answer in French.\n\n2 + 2?"),)


def test_an_llm_whose_system_role_is_the_users_gets_one_message_of_both():
    asked = []

    class UsersRole(Meeting):
        @property
        def metadata(self) -> LLMMetadata:
            return LLMMetadata(is_chat_model=True, system_role=MessageRole.USER)

        def chat(self, messages, **kwargs):
            asked.extend((message.role.value, message.content) for message in messages)
            return reply("4")

    LlamaIndexModel(UsersRole(barrier=None)).complete_sync(ASKED[:2])
    assert asked == [("user", "be brief\n\n2 + 2?")]


@pytest.mark.parametrize(
    ("window", "num_output", "expected"), [(3900, 256, None), (8192, 1000, 7192), (8192, -1, 8192)]
)
def test_the_window_is_taken_where_it_is_known(window, num_output, expected):
    class Sized(MockLLM):
        @property
        def metadata(self) -> LLMMetadata:
            return LLMMetadata(context_window=window, num_output=num_output)

    assert LlamaIndexModel(Sized()).max_input_tokens == expected


def test_settings_llm_is_the_default():
    Settings.llm = llm = MockLLM(max_tokens=2)
    assert choose_llm(None, "llm") is llm


def test_a_default_that_repeats_its_prompt_warns(documents):
    Settings.llm = None
    with pytest.warns(UserWarning, match="llm: none given, so it is MockLLM") as caught:
        SummaryIndex.from_documents(documents).as_query_engine(engine="rlm")
    assert [warning.filename for warning in caught] == [__file__]


def test_a_default_llm_with_a_small_window_warns_and_one_that_was_passed_does_not(scripted, documents):
    index = SummaryIndex.from_documents(documents)
    Settings.llm = small = scripted([], model="small-1", context_window=16_385)
    with pytest.warns(UserWarning, match=r"llm: none given, so it is Settings\.llm \(small-1\), which takes") as caught:
        index.as_query_engine(engine="rlm")
    assert [warning.filename for warning in caught] == [__file__]
    index.as_query_engine(engine="rlm", llm=small)
    Settings.llm = scripted([], context_window=128_000)
    index.as_query_engine(engine="rlm")


def test_no_llm_anywhere_is_an_error_that_names_the_argument(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    Settings._llm = None
    with pytest.raises(
        InvalidArgumentError, match=r"llm: none given, and Settings\.llm has no usable default"
    ) as raised:
        choose_llm(None, "llm")
    words = str(raised.value)
    assert words.endswith(KEY_REMEDY) or "`llama-index-llms-openai` package not found" in words


@pytest.mark.parametrize("wrong", ["gpt-5", 5, ScriptedModel(["x"])])
def test_what_is_no_llm_is_refused(wrong):
    with pytest.raises(InvalidArgumentError, match=r"sub_llm: .* cannot be used"):
        choose_llm(wrong, "sub_llm")


def test_a_structured_llm_is_unwrapped_with_its_callbacks(scripted):
    class City(BaseModel):
        name: str

    counter = TokenCountingHandler(tokenizer=str.split)
    structured = scripted(["x"]).as_structured_llm(City)
    structured.callback_manager = CallbackManager([counter])
    llm, output_cls = unwrap_structured(structured)
    assert output_cls is City
    LlamaIndexModel(llm).complete_sync(ASKED)
    assert len(counter.llm_token_counts) == 1
