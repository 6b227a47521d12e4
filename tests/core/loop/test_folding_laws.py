"""Every folded conversation is legal, and fits its window."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from rlm_integrations.core.language_model import CodeProtocol
from rlm_integrations.core.loop.actions import Finish
from rlm_integrations.core.loop.happenings import Opened, Replied, RootCallFailed

from .long_conversation import (
    EARLIER,
    OPEN,
    OPENING,
    Run,
    as_summary,
    called,
    check_legal,
    code,
    names,
    no_reply,
    rules,
)

MISHAPS: list[Callable[[int], Replied | RootCallFailed]] = [
    as_summary,
    as_summary,
    no_reply,
    code,
    called,
    lambda number: RootCallFailed("gone", OPEN),
    lambda number: Replied("z" * 3_000, OPEN, "length", "the reply was cut"),
]


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 1_800), min_size=1, max_size=70),
    st.sampled_from(["fence", "tool"]),
    st.sampled_from([None, 4_000, 8_000]),
    st.lists(st.sampled_from(MISHAPS), min_size=1, max_size=5),
    st.booleans(),
    st.booleans(),
)
def test_every_conversation_is_legal_and_the_run_ends_with_its_answer(
    sizes: list[int],
    protocol: CodeProtocol,
    window: int | None,
    mishaps: list[Callable[[int], Replied | RootCallFailed]],
    counted: bool,
    session: bool,
) -> None:
    run = Run(
        rules(window_tokens=window, protocol=protocol),
        sizes,
        lambda number: mishaps[number % len(mishaps)](number),
        refuses_over=16_000,
        counts=(lambda chars: chars // 4) if counted else (lambda chars: 0),
        opened=Opened((OPENING[0], *EARLIER, OPENING[1]), OPENING) if session else Opened(OPENING),
    )
    assert run.to_its_end() == Finish("120", "answer")
    for messages in (*run.asked, *(action.messages for action in run.folds)):
        check_legal(messages)
        assert messages[0] == OPENING[0]
        assert OPENING[1] in messages
    assert len(run.asked) == len(sizes) + 1
    assert [message.content for message in run.state.quotable if "printed" in message.content] != [] or not sizes
    for place, size in enumerate(sizes, 1):  # all that was printed is known
        assert any(f"printed {place} " + "y" * size in message.content for message in run.state.quotable)
    if run.state.folds:
        note = next(message for message in run.asked[-1] if message.content.startswith("The summary above"))
        assert names(note.content) >= {f"v{n}" for n in range(1, run.state.folded + 1)}


@given(
    st.lists(st.integers(0, 1_500), min_size=1, max_size=70),
    st.sampled_from(["fence", "tool"]),
    st.integers(4_000, 20_000),
)
def test_with_steps_that_fit_and_summaries_that_come_no_prompt_is_longer_than_the_window(
    sizes: list[int], protocol: CodeProtocol, window: int
) -> None:
    run = Run(rules(window_tokens=window, protocol=protocol), sizes, refuses_over=4 * window)
    assert run.to_its_end() == Finish("120", "answer")
    assert run.refused == 0
