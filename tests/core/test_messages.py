"""A conversation that grows: what it says, and what it costs."""

from __future__ import annotations

import gc
import weakref

from hypothesis import given
from hypothesis import strategies as st

from rlm_integrations.core.calls.token_counts import prompt_size
from rlm_integrations.core.image import Image
from rlm_integrations.core.language_model import Message
from rlm_integrations.core.messages import Messages

SAID = [
    Message("user", "one"),
    Message("assistant", "three"),
    Message("user", "", images=(Image(b"\x89PNG\r\n\x1a\n", "image/png"),)),
]
CONVERSATIONS = st.lists(st.sampled_from(SAID), max_size=6).map(tuple)


@given(st.lists(st.tuples(st.integers(0, 9), CONVERSATIONS), max_size=12), CONVERSATIONS)
def test_whatever_is_said_in_whatever_order_each_is_as_a_tuple_would_be(
    said: list[tuple[int, tuple[Message, ...]]], begun: tuple[Message, ...]
) -> None:
    tuples, grown = [begun], [Messages(begun)]
    for place, more in said:  # some go on from one that others went on from before
        tuples.append(tuples[place % len(tuples)] + more)
        grown.append(grown[place % len(grown)].saying(*more))
    for expected, messages in zip(tuples, grown, strict=True):
        assert messages == expected
        assert (len(messages), [*messages]) == (len(expected), [*expected])
        assert [messages[place] for place in range(-len(expected), len(expected))] == [*expected, *expected]
        assert messages[1:-1] == expected[1:-1]
        assert prompt_size(messages) == prompt_size(expected)
        for other in grown:
            if messages.goes_on_from(other):
                assert messages[: len(other)] == other[:]


def test_one_is_known_to_go_on_from_another_without_a_look_at_either() -> None:
    begun = Messages(SAID[:1])
    longer = begun.saying(*SAID[1:])
    assert longer.goes_on_from(begun)
    assert not begun.goes_on_from(longer)
    assert not begun.saying(*SAID[2:]).goes_on_from(longer)


def test_what_is_said_again_is_looked_at_once() -> None:
    class Text(str):
        looks = 0

        def __len__(self) -> int:
            Text.looks += 1
            return str.__len__(self)

    messages = Messages()
    for n in range(100):
        messages = messages.saying(Message("user", Text("x" * n)))
    assert prompt_size(messages).chars == 99 * 100 // 2
    assert Text.looks == len(messages)


def test_an_empty_one_keeps_nothing_of_what_goes_on_from_it() -> None:
    class Kept(str):
        __slots__ = ("__weakref__",)

    empty, text = Messages(), Kept("x")
    seen, longer = weakref.ref(text), empty.saying(Message("user", text))
    assert len(longer) == 1
    del text, longer
    gc.collect()
    assert seen() is None
