"""The page of runs that were checked, asked twice, given back by a journal, or told without contents."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rlm_integrations import RLMEngine, RLMTrace, RunError
from rlm_integrations.core.journal.partial_trace import trace_of
from rlm_integrations.core.journal.reading import JournalReader
from rlm_integrations.testing import ScriptedModel

OpenTab = Callable[..., Any]


def texts(tab: Any, selector: str) -> list[str]:
    return tab.evaluate(f"[...document.querySelectorAll({selector!r})].map(each => each.textContent)")


def figure(tab: Any, name: str) -> str:
    (found,) = [text for text in texts(tab, ".figure") if text.startswith(name)]
    return found


def test_what_checks_said_stands_with_the_step(open_tab: OpenTab, checked_trace: RLMTrace) -> None:
    tab = open_tab(checked_trace, "#r1.i1")
    tab.until("document.querySelector('.checked')")
    assert "refused the answer" in texts(tab, ".step.here .checked p")[0]
    assert "it is too long: say it in a word" in texts(tab, ".step.here .checked .box")[0]
    assert "check" in texts(tab, ".legend span")
    assert tab.evaluate("document.querySelectorAll('.span.check').length") == 4
    assert tab.evaluate("document.querySelectorAll('.span.check.bad').length") == 1
    assert any("refused" in row for row in texts(tab, ".row"))
    assert tab.complaints == []


def test_the_runs_of_a_question_stand_beside_each_other(open_tab: OpenTab, checked_trace: RLMTrace) -> None:
    tab = open_tab(checked_trace)
    assert texts(tab, ".beside > .notice") == ["Two blind runs differed, and a third said which answer holds."]
    assert len(texts(tab, ".beside li")) == 2
    assert "plot 6" in texts(tab, ".beside li")[0]
    assert figure(tab, "Iterations") == "Iterations4of 20 at most in each run"
    assert figure(tab, "Time").endswith("of 3 runs")
    assert figure(tab, "Sub-calls").startswith(f"Sub-calls{checked_trace.sub_call_count}")
    assert f"{checked_trace.usage.total_tokens:,}" in figure(tab, "Tokens")
    tab.click(".beside li .open")
    tab.until("location.hash === '#r1.i1'")
    assert texts(tab, "#steps h2") == ["Steps: other run 1"]
    assert "Run whose answer was given › Other run 1" in texts(tab, ".path")[0]
    tab.click(".path a")
    tab.until("location.hash === '#i1'")
    assert texts(tab, "#steps h2") == ["Steps"]


def test_a_quote_says_in_which_iteration_it_was_cited(open_tab: OpenTab, checked_trace: RLMTrace) -> None:
    tab = open_tab(checked_trace)
    tab.unfold_everything()
    assert [text.partition(", cited in ")[2] for text in texts(tab, ".citation .where")] == ["i1"]
    assert tab.evaluate("document.querySelector('.citation .where a:last-child').hash") == "#i1"


def test_what_a_journal_gave_back_is_marked_and_not_said_to_be_paid(open_tab: OpenTab, resumed_trace: RLMTrace) -> None:
    tab = open_tab(resumed_trace)
    assert "2,020 from the journal" in figure(tab, "Tokens")
    assert "$0.50 of it paid before" in figure(tab, "Cost").replace("0.5000", "0.50")
    rows = texts(tab, ".row")
    assert ["from the journal" in row for row in rows] == [True, True, False, False]


def test_without_contents_it_says_so_and_shows_what_there_is(open_tab: OpenTab, small_trace: RLMTrace) -> None:
    tab = open_tab(small_trace.redacted())
    assert tab.complaints == []
    assert "Without contents: sizes and hashes stand for texts." in texts(tab, "#overview .notice")
    tab.unfold_everything()
    assert len(texts(tab, ".row")) == len(texts(open_tab(small_trace), ".row"))
    shown = tab.evaluate("document.body.textContent")
    for secret in ("yes", "note-", "plot", "rain", "server said"):
        assert secret not in shown.partition('{"trace"')[0]


def test_of_a_run_that_was_cut_off_what_a_journal_kept_is_drawn(open_tab: OpenTab, tmp_path: Path) -> None:
    code = "print(rlm_query('Which?', context[:9]), llm_query_batched(['a', 'b']))"
    root = ScriptedModel([f"```repl\n{code}\n```", RuntimeError("down")])
    sub = ScriptedModel(always=lambda messages: "```repl\nFINAL(1)\n```")
    with pytest.raises(RunError):
        RLMEngine(root, sub_llm=sub, journal=tmp_path / "runs", limits={"max_depth": 2}).run("How many?", "text")
    with JournalReader(tmp_path / "runs") as journal:
        [run] = journal.runs()
        trace = trace_of(journal.rows(run), contents=True)
    tab = open_tab(trace, "#i1.s1.i1")
    tab.until("document.querySelector('#steps h2').textContent === 'Steps of child RLM i1.s1'")
    assert tab.complaints == []
    assert texts(tab, "#overview .badge")[0] == "not finished"
    assert [row.partition(" ")[0].lstrip("▾") for row in texts(tab, ".row b")] == [
        "Iteration",
        "s1",
        "Iteration",
        "s2",
        "s3",
    ]
