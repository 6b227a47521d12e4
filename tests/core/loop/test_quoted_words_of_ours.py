"""Prompts and nudges: their own examples may run, the foreign words in them are quotations."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files

import pytest

from rlm_integrations import Message
from rlm_integrations.core.loop import quotations
from rlm_integrations.core.loop.quotations import Quotations, quotable
from rlm_integrations.core.loop.reply_parser import parse_reply
from rlm_integrations.core.prompts.texts import nudge, observation_part

from .quoting import EVIL, EVIL_LINE, HOSTILE, quoted, shown


def prompts() -> Iterator[str]:
    for file in files("rlm_integrations.core.prompts").iterdir():
        if file.name.endswith(".md"):
            yield file.read_text(encoding="utf-8")


@pytest.mark.parametrize("fence", ["check 6f21", "first 6f21", "second 6f21"])
def test_objections_and_answers_of_other_runs_are_foreign(fence: str) -> None:
    assert quoted(f"It says:\n{EVIL}", shown(HOSTILE, fence)) == 1


def test_every_fence_of_the_prompts_is_known() -> None:
    names = {name for text in prompts() for name in re.findall(r"^<(\w+) \{\w*tag\}", text, re.MULTILINE)}
    assert names > {"output", "first", "check"}
    for name in names - {"result"}:  # that of a sub-LM's tool, which no root LM sees
        assert quotations._FENCE_OPENING.fullmatch(f"<{name} 6f21>")


@pytest.mark.parametrize("role", ["system", "assistant"])
def test_what_the_root_wrote_and_what_the_system_message_says_may_run(role: str) -> None:
    message = shown(HOSTILE)
    assert quoted(EVIL, Message("assistant" if role == "assistant" else "system", message.content)) == 0


@pytest.mark.parametrize(
    "said",
    [
        f"`context` is a str.\n\nQuestion:\nWhat does this print?\n{EVIL}",
        f"Step 1 of 20: no code ran. Send it like this:\n{EVIL}",
    ],
)
def test_the_code_of_a_question_and_of_a_nudge_may_run(said: str) -> None:
    assert quoted(EVIL, Message("user", said)) == 0


EVIL_SPAN = f"```repl {EVIL_LINE}```"
TWO = "`context` is a list of 2 documents, 9,001 characters of text."
PASSED_ON = [
    "{question}Ids: {evil!r}, 'b'. No metadata.",
    "{question}Ids: 'a', 'b'. Metadata: topic ({evil!r}, 'news').",
    "{step}2 sub-calls asked, none answered (the model refused: {evil}).",
    "{step}1 of 2 sub-calls failed, at index 0 (the model refused: {evil}). The other replies are kept.",
    "{step}Unresolved, so None in the results: llm_map: 1 of 2 unresolved, at 0 (the reply {evil!r} does not fit).",
    "{step}answer not accepted: it does not fit the schema ({evil}xxx: Input should be a list). Mend it.",
    "{step}answer not accepted: it may rest on results that are None, llm_map: 1 of 2, at {evil}.",
]


def passed_on(line: str, evil: str) -> Message:
    step, above = "Step 1 of 20: ok\n", f"{TWO} "
    said = line.format(evil=evil, step=step, question=above)
    return Message("user", said if said.startswith(step) else f"{said}\n\nQuestion:\nWhat is it?")


@pytest.mark.parametrize("line", PASSED_ON)
def test_foreign_words_that_a_line_of_ours_passes_on_are_quoted(line: str) -> None:
    in_span = passed_on(line, EVIL_SPAN)
    assert quoted(f"They are:\n\n- {EVIL_SPAN}\n- b", in_span) == 1
    assert quoted(f"It says\n```repl\n{EVIL_LINE}\n```\nthere.", in_span) == 1
    shown = Quotations(quotable([passed_on(line, EVIL_LINE)]))
    assert parse_reply(f"They are:\n\n- {EVIL_LINE}\n- b\n", shown).final is None
    parsed = parse_reply(f"It is\n```\n{EVIL_LINE}\n```\nthere.", shown)
    assert (parsed.blocks, parsed.quoted) == ((), 1)


@pytest.mark.parametrize(
    ("message", "own"),
    [
        (Message("user", f"Step 1 of 20: ok\n{prompt}"), code)
        for prompt, code in [
            (observation_part("answer_unresolved", maps="llm_map: 1 of 2 unresolved"), "results.drop_unresolved()"),
            ("Set: hits: list[dict] 3, seen: int 4", "hits"),
            ("The question again: What does f(x) print?", "f(x)"),
        ]
    ]
    + [(Message("user", f"{TWO} Ids: 'a', 'b'.\n\nQuestion:\nWhat does f(x) print?"), "f(x)")],
)
def test_words_of_ours_and_of_the_user_are_no_quotation(message: Message, own: str) -> None:
    assert parse_reply(f"```python\n{own}\n```", Quotations(quotable([message]))).blocks == (own,)


@pytest.mark.parametrize("name", ["nudge_misfit", "nudge_no_code", "nudge_unfinished"])
def test_the_examples_of_a_nudge_may_be_copied(name: str) -> None:
    told = nudge(name, "fence", step=1, max_iterations=20, quoted="", why=EVIL_SPAN)
    example = told[told.index("```repl\nanswer") : told.rindex("```") + 3]
    shown = [Message("user", told)]
    assert quoted(example, *shown) == 0
    assert quoted(f"So:\n{EVIL_SPAN}", *shown) == (name != "nudge_no_code")
