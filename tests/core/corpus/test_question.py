from __future__ import annotations

from typing import Any

import pytest

from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.corpus.question import Question, read_question
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.language_model import Message

MANY = 5_000


def test_a_str_is_the_question() -> None:
    assert read_question("How many?", MANY) == Question("How many?", "How many?")


def test_the_last_user_message_is_the_question_and_the_others_keep_their_places() -> None:
    messages = (
        Message("system", "Be brief."),
        Message("user", "Hello"),
        Message("assistant", "Hi"),
        Message("user", "How many?"),
        Message("system", "In French."),
    )
    assert read_question(messages, MANY) == Question("How many?", "How many?", before=messages[:3], after=messages[4:])


def test_an_overlong_message_becomes_a_document_and_the_root_sees_head_and_tail() -> None:
    stuffed = "Answer from {context}: HEAD" + "x" * 20_000 + "TAIL. How many?"
    asked = read_question(stuffed, MANY)
    assert asked.documents == (Document("message-1", stuffed, {"role": "user"}),)
    assert asked.query == stuffed[-2_000:]
    assert asked.text == (
        f"(This message has {len(stuffed):,} characters. All of it is in the document 'message-1' of `context`. Its "
        "first 2,000 and last 2,000 characters:)\n"
        f"{stuffed[:2_000]}\n[… {len(stuffed) - 4_000:,} characters not shown …]\n{stuffed[-2_000:]}"
    )


def test_every_overlong_message_becomes_one_in_its_role() -> None:
    system = Message("system", "s" * (MANY + 1))
    after = Message("assistant", "a" * 7_000)
    asked = read_question([system, Message("user", "How many?"), after], MANY)
    assert asked.text == "How many?"
    assert asked.documents == (
        Document("message-1", system.content, {"role": "system"}),
        Document("message-3", after.content, {"role": "assistant"}),
    )
    assert [message.role for message in (*asked.before, *asked.after)] == ["system", "assistant"]
    assert "'message-1'" in asked.before[0].content
    assert "'message-3'" in asked.after[0].content


def test_a_message_of_exactly_the_bound_stays_as_it_is() -> None:
    shown = (Document("message-1", "q" * MANY, {"role": "user"}),)
    assert read_question("q" * MANY, MANY) == Question("q" * MANY, "q" * MANY, shown=shown)


def test_messages_of_some_length_that_the_user_and_the_system_wrote_are_shown_and_may_be_cited() -> None:
    long, short = "x" * 200, "x" * 199
    messages = [
        Message("system", long),
        Message("user", short),
        Message("assistant", long),
        Message("user", "q" * (MANY + 1)),
        Message("user", long),
    ]
    asked = read_question(messages, MANY)
    assert [(each.id, each.text, each.metadata) for each in asked.shown] == [
        ("message-1", long, {"role": "system"}),
        ("message-5", long, {"role": "user"}),
    ]
    assert [each.id for each in asked.documents] == ["message-4"]


@pytest.mark.parametrize(
    ("question", "problem"),
    [
        ("", "question: is empty; pass what is to be answered"),
        (" \n", "question: is empty; pass what is to be answered"),
        ([Message("user", "first"), Message("user", " ")], "question: is empty; pass what is to be answered"),
        ([], "question: holds no user message; pass a str, or messages with a user message last"),
        (
            [Message("system", "Be brief.")],
            "question: holds no user message; pass a str, or messages with a user message last",
        ),
        (None, "question: NoneType given; pass a str, or a list of Messages"),
        (42, "question: int given; pass a str, or a list of Messages"),
        (
            [Message("user", "a"), {"role": "user", "content": "b"}],
            "question: item 2 is dict; pass a str, or Message(role, content) objects",
        ),
    ],
)
def test_what_asks_nothing_is_refused(question: Any, problem: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        read_question(question, MANY)
    assert str(caught.value) == problem
