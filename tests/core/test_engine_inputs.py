"""What a run is given: questions, messages, documents, tools, types and instructions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import BaseModel

from rlm_integrations import Message
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.testing import ScriptedModel

from .both_protocols import (
    LONG,
    NOTES,
    each_protocol,  # noqa: F401 - of each test below
    engine,
    finish,
    repl,
)


class Found(BaseModel):
    word: str
    line: int


def test_a_typed_answer_is_validated_and_a_misfit_told() -> None:
    with ScriptedModel([finish("{'word': 'HERON'}"), finish("{'word': 'HERON', 'line': 2001}")]) as llm:
        result = engine(llm, answer_type=Found).run("?", LONG)
    assert result.answer == Found(word="HERON", line=2001)
    assert result.text == '{"word":"HERON","line":2001}'
    assert "line: Field required" in llm.requests[1][-1].content
    assert '"word"' in llm.requests[0][-1].content


def test_tools_run_in_the_host_and_are_described() -> None:
    seen: list[object] = []

    def lookup(name: str, years: list[int]) -> dict[str, object]:
        """Look a name up in the register."""
        seen.append((name, years))
        return {"name": name, "sum": sum(years)}

    async def shout(text: str) -> str:
        """Make it loud."""
        return text.upper()

    with ScriptedModel([repl("a = lookup('Ada', years=[1, 2])\nb = shout('x')"), finish("[a['sum'], b]")]) as llm:
        result = engine(llm, tools=[lookup, shout]).run("?", LONG)
    assert result.text == '[3, "X"]'
    assert seen == [("Ada", [1, 2])]
    assert "lookup(name: str, years: list[int])" in llm.requests[0][0].content.replace("'", "")
    assert [call.name for call in result.trace.executions[0].host_calls] == ["lookup", "shout"]


def test_a_tool_that_raises_is_told() -> None:
    def broken() -> None:
        """Always fails."""
        raise ZeroDivisionError("no")

    with ScriptedModel([repl("broken()"), finish("'ok'")]) as llm:
        assert engine(llm, tools=[broken]).run("?", LONG).answer == "ok"
    assert "broken: ZeroDivisionError: no" in llm.requests[1][-1].content


@dataclass
class Shelf:
    """A retriever over a few notes."""

    def found(self, query: str) -> list[Document]:
        return [Document(name, text) for name, text in NOTES.items() if any(word in text for word in query.split())]

    async def retrieve(self, query: str) -> list[Document]:
        return self.found(query)


def test_a_retriever_is_a_sample_and_brings_more() -> None:
    code = "n = len(context)\nmore = retrieve('Friday')\nhits = search('Friday')"
    with ScriptedModel([repl(code), finish("[n, len(more), len(context), hits[0].id]")]) as llm:
        result = engine(llm).run("What of Monday", Shelf())
    assert result.text == '[1, 1, 2, "b"]'
    assert "sample" in llm.requests[0][-1].content
    assert [call.name for call in result.trace.executions[0].host_calls] == ["retrieve"]


def test_an_overlong_message_becomes_a_document_in_its_place() -> None:
    stuffed = f"Answer from this alone.\n{LONG}"
    question = [Message("system", stuffed), Message("user", "What is the code word?")]
    with ScriptedModel([finish("search('code word')[0].line.split()[-1]")]) as llm:
        result = engine(llm).run(question)
    assert result.answer == "HERON"
    system, first = llm.requests[0]
    assert (system.role, first.role) == ("system", "user")
    _, mark, before = system.content.partition("\n\n(This message has")
    assert mark
    assert "Answer from this alone." in before
    assert len(before) < 5_000


def test_history_keeps_its_roles_and_places() -> None:
    history = [Message("user", "Hello"), Message("assistant", "Hi"), Message("user", "What is the code word?")]
    with ScriptedModel([finish("'HERON'")]) as llm:
        engine(llm).run(history, LONG)
    assert [message.role for message in llm.requests[0]] == ["system", "user", "assistant", "user"]
    assert llm.requests[0][1].content == "Hello"


def test_files_and_folders_are_documents_named_by_their_paths(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "one.txt").write_bytes(b"first\r\nsecond")
    (tmp_path / "notes" / "picture.png").write_bytes(b"\x89PNG\0\0")
    read = finish("[(d['id'].rsplit('/', 1)[-1], d['text']) for d in context]")
    with ScriptedModel([read]) as llm, pytest.warns(UserWarning, match="skipped 1 binary"):
        result = engine(llm, limits={"inline_chars": 0}).run("?", tmp_path / "notes")
    assert result.text == '[["one.txt", "first\\r\\nsecond"]]'


def test_instructions_are_added_and_a_system_prompt_replaces() -> None:
    with ScriptedModel(["x"]) as llm:
        engine(llm, instructions="Answer in Welsh.").run("?")
    assert "Answer in Welsh." in llm.requests[0][0].content
    assert "`context`" in llm.requests[0][0].content
    with ScriptedModel(["x"]) as llm:
        engine(llm, system_prompt="You are terse.").run("?")
    assert llm.requests[0][0].content == "You are terse."
    with ScriptedModel(["x"]) as llm:
        engine(llm, system_prompt="You are terse.", instructions="Answer in Welsh.").run("?")
    assert llm.requests[0][0].content == "You are terse.\n\nFurther instructions:\nAnswer in Welsh."


@pytest.mark.parametrize("bad", ["", "   ", [], [Message("system", "only")]])
def test_a_question_that_asks_nothing_is_refused(bad: str | list[Message]) -> None:
    with pytest.raises(InvalidArgumentError, match="question"):
        engine(ScriptedModel()).run(bad, LONG)


def test_many_matches_are_printed_within_bounds_and_with_their_total() -> None:
    with ScriptedModel([repl("search('nothing', around=400, limit=None)"), finish("'x'")]) as llm:
        engine(llm).run("?", LONG)
    assert "(2,000 matches)" in llm.requests[1][-1].content
    assert "characters cut" not in llm.requests[1][-1].content


def test_a_lazy_loader_is_a_corpus() -> None:
    def load() -> Iterator[dict[str, object]]:
        for n in range(3):
            yield {"id": f"n{n}", "text": f"note {n}", "metadata": {"n": n}}

    with ScriptedModel([finish("[d['metadata']['n'] for d in context]")]) as llm:
        assert engine(llm, limits={"inline_chars": 0}).run("?", load()).text == "[0, 1, 2]"
