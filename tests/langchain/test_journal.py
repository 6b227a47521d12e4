"""The journal in LangChain: invoke, batches, names of runs, and what callbacks hear of a replay."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from langchain_core.callbacks import AsyncCallbackHandler, UsageMetadataCallbackHandler
from langchain_core.documents import Document
from langchain_core.messages import HumanMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tracers import BaseTracer, Run

from rlm_integrations import Completion, InvalidArgumentError, Journal, Message, RLMTrace, ToolCall, Usage
from rlm_integrations.langchain import ChatRLM, RLMRunnable
from rlm_integrations.testing.langchain import ScriptedChatModel

DOCUMENTS = [Document(f"Plot {n}.\n" + "Nothing of note.\n" * 30, id=f"plot-{n}") for n in range(5)]
ASK = '```repl\nanswer["content"] = llm_query("Rent?")\nanswer["ready"] = True\n```'
SPENT = Usage(input_tokens=100, output_tokens=10)


class KeepingTracer(BaseTracer):
    """Keeps all runs."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Run] = []

    def _persist_run(self, run: Run) -> None:
        self.seen = [run]
        for each in self.seen:
            self.seen += each.child_runs


class Progress(AsyncCallbackHandler):
    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []

    async def on_custom_event(self, name: str, data: Any, **kwargs: Any) -> None:
        self.told.append(data)


def models() -> tuple[ScriptedChatModel, ScriptedChatModel]:
    llm = ScriptedChatModel(always=lambda messages: ASK, usage=SPENT)
    return llm, ScriptedChatModel(always=lambda messages: "70 pounds", usage=SPENT, model="sub")


@pytest.mark.parametrize("kind", [RLMRunnable, ChatRLM])
async def test_a_call_that_has_ended_is_answered_at_no_cost(kind: type[Any], tmp_path: Path) -> None:
    llm, sub_llm = models()
    rlm = kind(llm=llm, sub_llm=sub_llm, context=DOCUMENTS, journal=tmp_path / "runs.sqlite")
    first = await rlm.ainvoke("Rent?")
    heard = UsageMetadataCallbackHandler()
    second = await rlm.ainvoke("Rent?", {"callbacks": [heard]})
    third = rlm.invoke("Rent?", {"callbacks": [heard]})
    assert first.content == second.content == third.content == "70 pounds"
    assert len(llm.requests) == len(sub_llm.requests) == 1
    assert heard.usage_metadata == {}
    assert RLMTrace.of(second).journal == "finished"
    assert RLMTrace.of(second).paid_usage.total_tokens == 0
    assert RLMTrace.of(second).usage.total_tokens == 220


async def test_what_was_replayed_is_in_no_sum_and_no_run_of_a_model(tmp_path: Path) -> None:
    """Ended by a root LM that fails in its second iteration, then gone on with, then made again."""
    code = "```repl\nprint(llm_query('Rent?'))\n```"
    llm = ScriptedChatModel(replies=[code, ConnectionError("cut"), 'FINAL("yes")'], usage=SPENT)
    _, sub_llm = models()
    rlm = RLMRunnable(llm=llm, sub_llm=sub_llm, context=DOCUMENTS, journal=tmp_path / "runs.sqlite")
    with pytest.raises(ConnectionError):
        await rlm.ainvoke("Rent?")
    tracer, progress = KeepingTracer(), Progress()
    message = await rlm.ainvoke("Rent?", {"callbacks": [tracer, progress]})
    assert message.usage_metadata is not None
    assert message.usage_metadata["total_tokens"] == 110
    assert {key: message.response_metadata["rlm"][key] for key in ("journal", "replayed_tokens")} == {
        "journal": "resumed",
        "replayed_tokens": 220,
    }
    assert [each.run_type for each in tracer.seen].count("llm") == 1
    assert [(each["total_tokens"], each.get("replayed_tokens")) for each in progress.told] == [(0, None), (0, 220)]
    again = await rlm.ainvoke("Rent?")
    assert (again.usage_metadata, again.response_metadata["rlm"]["replayed_tokens"]) == (None, 330)


async def test_a_config_names_a_run(tmp_path: Path) -> None:
    llm, sub_llm = models()
    rlm = RLMRunnable(llm=llm, sub_llm=sub_llm, context=DOCUMENTS, journal=str(tmp_path / "runs.sqlite"))
    for name in ("one", "two", "one"):
        await rlm.ainvoke("Rent?", {"configurable": {"rlm_run_id": name}})
    assert len(llm.requests) == 2
    with pytest.raises(InvalidArgumentError, match="run_id: 'two' is a run over another question"):
        await rlm.ainvoke("Owner?", {"configurable": {"rlm_run_id": "two"}})


@pytest.mark.parametrize("call", ["invoke", "ainvoke", "stream", "batch"])
async def test_a_config_names_a_run_of_a_chat_model(call: str, tmp_path: Path) -> None:
    llm, sub_llm = models()
    rlm = ChatRLM(llm=llm, sub_llm=sub_llm, context=DOCUMENTS, journal=tmp_path / "runs.sqlite")
    for name in ("one", "two", "one"):
        config: Any = {"configurable": {"rlm_run_id": name}}
        if call == "ainvoke":
            await rlm.ainvoke("Rent?", config)
        elif call == "batch":
            await asyncio.to_thread(rlm.batch, ["Rent?", "Rent?"], [config, {"configurable": {"rlm_run_id": name * 2}}])
        else:
            answered = getattr(rlm, call)("Rent?", config)
            assert "".join(piece.content for piece in [*answered]) if call == "stream" else answered.content
    assert len(llm.requests) == (4 if call == "batch" else 2)


@pytest.mark.parametrize("kind", [RLMRunnable, ChatRLM])
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "'' names nothing; name the run, or leave it out"),
        (" ", "' ' names nothing"),
        (["a"], "list given; pass a str"),
        (True, "bool given; pass a str"),
    ],
)
async def test_what_cannot_name_a_run_is_refused(kind: type[Any], name: object, words: str, tmp_path: Path) -> None:
    llm, sub_llm = models()
    rlm = kind(llm=llm, sub_llm=sub_llm, context=DOCUMENTS, journal=tmp_path / "runs.sqlite")
    config: Any = {"configurable": {"rlm_run_id": name}}
    for call in (lambda: rlm.invoke("Rent?", config), lambda: rlm.batch(["Rent?", "Owner?"], config)):
        with pytest.raises(InvalidArgumentError, match=rf"config\[.configurable.\]\['rlm_run_id'\]: {words}"):
            call()
    with pytest.raises(InvalidArgumentError, match=words):
        await rlm.ainvoke("Rent?", config)
    assert not llm.requests


@pytest.mark.parametrize("configurable", [{}, {"session_id": "a"}])
async def test_a_name_needs_a_journal(configurable: dict[str, str]) -> None:
    llm, sub_llm = models()
    rlm = RLMRunnable(llm=llm, sub_llm=sub_llm, context=DOCUMENTS)
    with pytest.raises(InvalidArgumentError, match=r"rlm_run_id.*: it names a run in a journal; pass jou"):
        await rlm.ainvoke("Rent?", {"configurable": {"rlm_run_id": "monday", **configurable}})
    assert not llm.requests


@pytest.mark.parametrize("kind", [RLMRunnable, ChatRLM])
@pytest.mark.parametrize("questions", [["Rent?", "Owner?", "Size?"], ["Rent?"] * 2])
async def test_one_name_for_several_runs_of_a_batch_is_refused_before_anything_is_paid(
    kind: type[Any], questions: list[str], tmp_path: Path
) -> None:
    llm, sub_llm = models()
    rlm = kind(llm=llm, sub_llm=sub_llm, context=DOCUMENTS, journal=tmp_path / "runs.sqlite")
    config: Any = {"max_concurrency": 1, "configurable": {"rlm_run_id": "monday"}}
    words = f"'monday' names {len(questions)} runs of one batch.*pass a list of configs"
    with pytest.raises(InvalidArgumentError, match=words):
        await rlm.abatch(questions, config, return_exceptions=True)
    with pytest.raises(InvalidArgumentError, match=words):
        rlm.batch(questions, config)
    assert not llm.requests
    assert len(rlm.batch(questions[:1], config)) == 1


FORMS: list[Callable[[str], Any]] = [
    lambda question: question,
    lambda question: [HumanMessage(question)],
    lambda question: ChatPromptTemplate.from_messages([("human", "{q}")]).invoke({"q": question}),
    lambda question: {"question": question, "context": [Document("Plot 9.", metadata={"page": [1, 2]})]},
]


@pytest.mark.parametrize("way", ["batch", "abatch"])
@pytest.mark.parametrize("form", FORMS, ids=["str", "messages", "prompt", "dict"])
async def test_equal_inputs_of_a_batch_are_samples_of_their_own(
    form: Callable[[str], Any], way: str, tmp_path: Path
) -> None:
    """One after another, where an equal call by itself would be answered from the file."""
    llm = ScriptedChatModel(replies=[f"say {n}" for n in range(4)])
    rlm = RLMRunnable(llm=llm, context="A text.", journal=tmp_path / "runs.sqlite")
    for at_once in (1, 3):
        inputs, config = [form("Vote?"), form("Other?"), form("Vote?"), form("Vote?")], {"max_concurrency": at_once}
        found = rlm.batch(inputs, config) if way == "batch" else await rlm.abatch(inputs, config)  # type: ignore[arg-type]
        assert [message.content for message in found] == ["say 0", "say 1", "say 2", "say 3"]
    assert rlm.invoke(form("Vote?")).content == "say 0"
    assert len(llm.requests) == 4


async def test_sessions_are_refused_by_name(tmp_path: Path) -> None:
    llm, sub_llm = models()
    rlm = RLMRunnable(llm=llm, sub_llm=sub_llm, context=DOCUMENTS, journal=Journal(tmp_path / "runs.sqlite"))
    with pytest.raises(InvalidArgumentError, match=r"journal: .*session_by=None"):
        await rlm.ainvoke("Rent?", {"configurable": {"session_id": "a"}})
    with pytest.raises(InvalidArgumentError, match="journal: int given"):
        RLMRunnable(llm=llm, journal=7)  # type: ignore[arg-type]


async def test_a_sub_lm_with_tools_goes_on_amid_its_rounds(tmp_path: Path) -> None:
    """Its calls are sent back in the form of the framework, which the journal keeps."""
    called: list[int] = []
    ends = True

    def rent(plot: int) -> dict[str, int]:
        """The rent of a plot, in pounds."""
        called.append(plot)
        return {"pounds": plot * 10}

    def sub(messages: Sequence[Message]) -> Completion:
        if not called:
            return Completion("", SPENT, "sub", "stop", tool_calls=(ToolCall("rent", '{"plot": 7}', "call_1"),))
        if ends:
            running.cancel()
            raise ConnectionError("cut")
        assert "70" in messages[-1].content
        return Completion("70 pounds", SPENT, "sub", "stop")

    llm, _ = models()
    sub_llm = ScriptedChatModel(always=sub)
    rlm = RLMRunnable(llm=llm, sub_llm=sub_llm, context=DOCUMENTS, sub_tools=[rent], journal=tmp_path / "runs.sqlite")
    running = asyncio.create_task(rlm.ainvoke("Rent?"))
    with pytest.raises(asyncio.CancelledError):
        await running
    ends = False
    answer = await rlm.ainvoke("Rent?")
    assert answer.content == "70 pounds"
    assert called == [7]
    assert len(llm.requests) == 1
    assert len(sub_llm.requests) == 3, "that of the first round, the one that was cut, and the last"
