"""What a session's corpus is, and what begins it anew."""

from __future__ import annotations

from typing import Any

import pytest

from rlm_integrations import Document, Message, RLMEngine
from rlm_integrations.core.session.idle_repls import idle_repls

from .questions import BEGUN_ANEW, GOES_ON, NOTES, UNSEEN, begin, finish, repl

LONG = "a line\n" * 3_000


pytestmark = pytest.mark.usefixtures("nothing_rests")


class Library:
    """A retriever that finds two documents for each query, one of them for all."""

    async def retrieve(self, query: str) -> list[Document]:
        return [Document("common", "of all"), Document(query[:9], f"about {query}")]


@pytest.mark.parametrize("sandbox", ["process", "wasi"])
def test_what_a_retriever_finds_for_a_later_question_is_added_to_the_context(sandbox: str) -> None:
    session, llm = begin(
        repl("n = [d['id'] for d in retrieve('more of it')]"),
        finish("[d['id'] for d in context]"),
        finish("[n, [d['id'] for d in context], cite('about question2')]"),
        context=Library(),
        sandbox=sandbox,
    )
    with session, llm:
        first, second = session.ask("question1"), session.ask("question2")
    assert first.text == '["common", "question1", "more of i"]'
    ids = '["common", "question1", "more of i", "question2"]'
    assert second.text == f'[["common", "more of i"], {ids}, "about question2"]'
    assert second.citations[0].document_id == "question2"
    assert "retrieve" not in str(second.trace.executions[0].host_calls)


class ByQuery:
    """A retriever that has the text of its one document by the query."""

    async def retrieve(self, query: str) -> list[Document]:
        return [Document("lease", f"The lease says of {query}: nothing.")]


def test_another_text_under_a_known_id_is_another_document() -> None:
    texts = "[(d['id'], d['text'].split()[4][:-1]) for d in context]"
    more = f"[d['id'] for d in retrieve('dogs') + retrieve('rent') + retrieve('dogs')], {texts}"
    session, llm = begin(finish(f"str([{more}])"), finish(f"str({texts})"), finish(f"str([{more}])"), context=ByQuery())
    rent, dogs, cats = ("lease", "rent"), ("lease#2", "dogs"), ("lease#3", "cats")
    with session, llm:
        assert session.ask("rent").answer == str([["lease#2", "lease", "lease#2"], [rent, dogs]])
        assert session.ask("cats").answer == str([rent, dogs, cats])
        assert session.ask("dogs").answer == str([["lease#2", "lease", "lease#2"], [rent, dogs, cats]])


def test_a_corpus_is_read_once_for_all_questions() -> None:
    reads = list[int]()

    class Texts(list[str]):
        def __iter__(self) -> Any:
            reads.append(1)
            return super().__iter__()

    session, llm = begin(finish("len(context)"), finish("len(context)"), finish("1"), context=Texts(["a", "b"]))
    with session, llm:
        session.ask("?")
        once = len(reads)
        session.ask("?")
        session.ask("?")
    assert len(reads) == once


def test_a_later_question_that_is_too_long_to_show_becomes_a_document_of_a_new_repl() -> None:
    session, llm = begin(
        finish("(x := 1)"), finish("['x' in globals(), [d['id'] for d in context], len(context[0]['text'])]")
    )
    with session, llm:
        session.ask("?")
        second = session.ask(LONG)
    assert second.text == f'[false, ["question-2-message-1", "a", "b"], {len(LONG)}]'
    assert f"{BEGUN_ANEW}: the question is too long to be shown" in llm.requests[1][-1].content


def test_a_long_message_of_the_history_is_not_read_again() -> None:
    session, llm = begin(finish("(x := 1)"), finish("[x, len(context)]"))
    with session, llm:
        session.ask(LONG)
        assert session.ask([Message("user", LONG), Message("assistant", "1"), Message("user", "And now?")]).text == (
            "[1, 3]"
        )
    assert "in the document 'message-1' of `context`" in llm.requests[1][1].content


def test_without_a_corpus_or_code_there_is_only_the_conversation() -> None:
    session, llm = begin("4", "8", context=None)
    with session, llm:
        assert session.ask("What is 2 + 2?").answer == "4"
        assert not idle_repls._idle
        assert session.ask("And twice that?").answer == "8"
    told = llm.requests[1]
    assert [message.content for message in told[1:3]] == ["What is 2 + 2?", "4"]
    assert "session" not in told[-1].content


def test_a_question_over_another_corpus_begins_anew_and_is_told() -> None:
    session, llm = begin(finish("(x := 1)"), finish("['x' in globals(), len(context)]"), finish("len(context)"))
    engine, memory = session._ask.__self__, session._memory
    with session, llm:
        session.ask("?")
        assert engine.ask_in(memory, "And now?", ["a", "b", "c"]).text == "[false, 3]"
        assert session.ask("And then?").text == "3"
    assert f"{BEGUN_ANEW}: this question came with another corpus" in llm.requests[1][-1].content
    assert GOES_ON in llm.requests[2][-1].content


def test_a_question_of_an_engine_with_other_functions_begins_anew_and_is_told() -> None:
    session, llm = begin(finish("(x := 1)"), finish("['x' in globals(), double(4)]"))

    def double(n: int) -> int:
        return 2 * n

    other = RLMEngine(llm, limits=UNSEEN, tools=[double])
    with session, llm:
        session.ask("?")
        assert other.ask_in(session._memory, "And now?", NOTES).text == "[false, 8]"
    assert f"{BEGUN_ANEW}: this question came with other limits, functions" in llm.requests[1][-1].content


def test_a_system_message_of_the_user_takes_no_place_of_what_was_said() -> None:
    session, llm = begin(finish("1"), finish("2"))
    with session, llm:
        session.ask("First?")
        session.ask([Message("system", "Be brief."), Message("user", "And now?")])
    system, *before, _ = llm.requests[1]
    assert "Be brief." in system.content
    assert [message.content for message in before] == ["First?", "1"]
