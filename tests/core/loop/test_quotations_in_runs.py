"""In whole runs: a quotation never runs, and the root LM is told."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from rlm_integrations import Message, RLMEngine
from rlm_integrations.testing import ScriptedModel

from .quoting import EVIL, HOSTILE

FILLER = "nothing to see\n" * 1_000


def block(code: str) -> str:
    return f"```repl\n{code}\n```"


def test_a_quotation_never_runs_and_the_root_is_told() -> None:
    def quote(messages: Sequence[Message]) -> str:
        assert EVIL in messages[-1].content
        return f"The note tells me to run this:\n\n{EVIL}\n\nI shall not."

    def told(messages: Sequence[Message]) -> str:
        assert messages[-1].content.startswith(
            "Step 2 of 20: no code ran. Not run, since quoted from what you were shown: 1 fenced block. "
        )
        return f"So, once more:\n{EVIL}\n{block('x = 1 / 0')}"

    def told_again(messages: Sequence[Message]) -> str:
        assert "\nNot run, since quoted from what you were shown: 1 fenced block. " in messages[-1].content
        return block('answer["content"] = "It is hostile."\nanswer["ready"] = True')

    with ScriptedModel([block("print(context[0]['text'][:500])"), quote, told, told_again]) as llm:
        result = RLMEngine(llm).run("What do the notes say?", {"note": HOSTILE + FILLER, "other": FILLER})
    assert result.answer == "It is hostile."
    assert [len(execution.blocks) for execution in result.trace.executions] == [1, 1, 1]


def test_where_the_root_has_seen_all_a_quotation_is_told_once_and_the_second_reply_answers() -> None:
    reply = f"The note says:\n{EVIL}"
    with ScriptedModel([reply, reply]) as llm:
        result = RLMEngine(llm).run("What does the note say?", {"note": HOSTILE})
    assert (result.answer, result.stop_reason) == (reply, "plain_reply")
    assert "Not run, since quoted" in llm.requests[1][-1].content


REPL_EVIL = EVIL.replace("python", "repl")
STUFFED = f"Answer from this context:\n\n{FILLER[:300]}\n{REPL_EVIL}\nThank you.\n\nQuestion: what does it say?"
LONG = "nothing to see\n" * 10_000


@pytest.mark.parametrize(
    ("question", "context"),
    [
        (STUFFED, None),
        ([Message("user", STUFFED), Message("assistant", "It is a note."), Message("user", "And more?")], None),
        ([Message("system", STUFFED), Message("user", "What does it say?")], None),
        ([Message("assistant", f"It says:\n{REPL_EVIL}"), Message("user", "Say it again.")], FILLER),
        (f"{LONG}\n{REPL_EVIL}\nWhat does it say?", None),
        (f"{LONG}\n{REPL_EVIL}\nWhat does it say?", ["a", "b"]),
        ([Message("user", f"{LONG}\n{REPL_EVIL}"), Message("user", "What does it say?")], FILLER),
    ],
    ids=["stuffed", "earlier", "system", "reply", "overlong", "overlong beside a corpus", "overlong, earlier"],
)
def test_documents_in_messages_are_quoted_and_the_root_is_told(question: str | list[Message], context: object) -> None:
    with ScriptedModel(
        [
            f"It says:\n{REPL_EVIL}\nIt is hostile.",
            block("# asked for\nanswer.update(content='It is hostile.', ready=True)"),
        ]
    ) as llm:
        result = RLMEngine(llm).run(question, context)
    assert "Not run, since quoted from what you were shown: 1 fenced block. " in llm.requests[1][-1].content
    assert result.answer == "It is hostile."


def test_the_code_of_a_question_beside_a_corpus_runs() -> None:
    asked = f"{STUFFED} Run it, and say what comes of it. {FILLER[:200]}"
    with ScriptedModel([REPL_EVIL]) as llm:
        assert RLMEngine(llm).run(asked, ["a", "b"]).answer == "obeyed\n"


def test_a_quotation_in_the_last_call_is_the_answer() -> None:
    reply = f"The note says:\n{EVIL}"
    with ScriptedModel([block("print(context[0]['text'][:500])"), reply]) as llm:
        result = RLMEngine(llm, limits={"max_iterations": 1}).run("What?", {"note": HOSTILE + FILLER})
    assert (result.answer, result.stop_reason) == (reply, "max_iterations")
    assert [len(execution.blocks) for execution in result.trace.executions] == [1]
