from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rlm_integrations.core.calls.conversation import continued, conversation
from rlm_integrations.core.language_model import Message, Role

ROLES: dict[str, Role] = {"s": "system", "u": "user", "a": "assistant"}


def messages(short: str) -> list[Message]:
    """ "u1 a-" -> a message "u1" of the user, and an empty one of the assistant."""
    return [Message(ROLES[name[0]], "" if name[1:] == "-" else name) for name in short.split()]


@pytest.mark.parametrize(
    ("given", "becomes"),
    [
        ("s1 u1 a1 u2", [("system", "s1"), ("user", "u1"), ("assistant", "a1"), ("user", "u2")]),
        ("s1 s2 u1", [("system", "s1\n\ns2"), ("user", "u1")]),
        ("u1 s1 a1 u2 s2", [("system", "s1\n\ns2"), ("user", "u1"), ("assistant", "a1"), ("user", "u2")]),
        ("u1 u2 a1 a2 u3", [("user", "u1\n\nu2"), ("assistant", "a1\n\na2"), ("user", "u3")]),
        ("a1 u1", [("user", "(The conversation begins.)"), ("assistant", "a1"), ("user", "u1")]),
        ("u1 a1", [("user", "u1"), ("assistant", "a1"), ("user", "(Go on with what was asked above.)")]),
        ("s1 u1 a- u2", [("system", "s1"), ("user", "u1"), ("assistant", "(no reply)"), ("user", "u2")]),
        ("s- u- u1 s-", [("user", "u1")]),
        ("s1", [("system", "s1"), ("user", "(The conversation begins.)")]),
    ],
)
def test_the_one_form(given: str, becomes: list[tuple[str, str]]) -> None:
    assert [(message.role, message.content) for message in conversation(messages(given))] == becomes


MESSAGES = st.lists(
    st.builds(Message, st.sampled_from(list(ROLES.values())), st.sampled_from(["", " \n", "one", "two"]))
)


@given(MESSAGES)
def test_every_conversation_gets_it_and_keeps_all_that_was_said(given: list[Message]) -> None:
    sent = conversation(given)
    turns = sent[sent[0].role == "system" :]
    assert all(message.content.strip() for message in sent)
    assert [turns[0].role, turns[-1].role] == ["user", "user"]
    assert all({one.role, other.role} == {"user", "assistant"} for one, other in pairwise(turns))
    for role in ROLES.values():
        said = [word for each in given if each.role == role for word in each.content.split()]
        kept = [word for each in sent if each.role == role for word in each.content.split()]
        assert [word for word in kept if word in ("one", "two")] == said


@given(MESSAGES, st.sampled_from(["", "reply"]))
def test_it_is_a_fixed_point_and_what_goes_on_keeps_its_beginning(given: list[Message], reply: str) -> None:
    sent = conversation(given)
    assert conversation(sent) == sent
    grown = (*sent, Message("assistant", reply), Message("user", "next"))
    assert conversation(grown)[: len(sent)] == sent


MESSAGES = st.lists(
    st.builds(Message, st.sampled_from(("system", "user", "assistant")), st.sampled_from(("", " ", "a", "b"))),
    max_size=5,
)


@given(before=MESSAGES, new=MESSAGES)
@example(before=messages("u1 a1"), new=messages("a2 u2"))
def test_what_goes_on_by_turns_need_not_be_formed_anew(before: list[Message], new: list[Message]) -> None:
    assert continued(conversation(before), new) in (None, conversation([*before, *new]))
    turns = [Message("user", "q"), Message("assistant", "a"), Message("user", "r")]
    assert continued(conversation(turns[:1]), turns[1:]) == tuple(turns)
