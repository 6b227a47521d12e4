"""Limits of several runs of one question, what is left for each of them, and what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from rlm_integrations import InvalidArgumentError, LimitReachedError, Message, RLMEngine, Twice, Usage
from rlm_integrations.testing import ScriptedModel

from .blind_runs import model
from .code_word import CORPUS, LOOK, QUESTION, finish


def test_money_holds_for_all_runs_together_and_each_has_a_share() -> None:
    said = '{"verdict": "second", "why": "it stands there"}'
    replies = [*[LOOK] * 3, "heron", *[LOOK] * 3, "egret", LOOK, said]  # a cent each; the last of each run is extra
    with model(*replies) as llm, pytest.warns(RuntimeWarning) as told:
        result = RLMEngine(llm, limits={"max_cost_usd": 0.09}, verify=Twice()).run(QUESTION, CORPUS)
    assert (result.answer, result.stop_reason, result.agreement) == ("egret", "max_cost", "reconciled")
    shares = [trace.limits.max_cost_usd for trace in (*result.trace.beside, result.trace)]
    assert shares == [pytest.approx(0.03), pytest.approx(0.01), pytest.approx(0.025)]
    assert all("max_cost_usd" in str(warning.message) for warning in told)


def test_where_nothing_is_left_to_reconcile_them_they_differ() -> None:
    replies = [LOOK, LOOK, "heron", LOOK, LOOK, "egret"]
    with model(*replies) as llm, pytest.warns(RuntimeWarning) as told:
        result = RLMEngine(llm, limits={"max_cost_usd": 0.06}, verify=Twice()).run(QUESTION, CORPUS)
    assert (result.answers, result.agreement) == (("heron", "egret"), "differed")
    assert any("nothing was left of the limits to reconcile them" in str(warning.message) for warning in told)


def test_where_nothing_is_left_for_a_second_run_that_is_said() -> None:
    with model(LOOK, "heron") as llm, pytest.warns(RuntimeWarning) as told:
        result = RLMEngine(llm, limits={"max_cost_usd": 0.01}, verify=Twice()).run(QUESTION, CORPUS)
    assert (result.answer, result.agreement, result.answers) == ("heron", None, ("heron",))
    assert any("nothing was left of the limits to ask a second time" in str(warning.message) for warning in told)


def test_a_session_has_no_blind_runs() -> None:
    engine = RLMEngine(model(), verify=Twice())
    with pytest.raises(InvalidArgumentError, match="verify: Twice has blind runs, and a session one REPL"):
        engine.session(CORPUS)


@pytest.mark.parametrize(
    ("wrong", "words"), [(Twice, r"pass Twice\(\)"), ([Twice(), Twice()], "Twice is given more than once")]
)
def test_a_wrong_twice_is_refused_at_once(wrong: Any, words: str) -> None:
    with pytest.raises(InvalidArgumentError, match=words):
        RLMEngine(model(), verify=wrong)


def test_a_wrong_question_and_context_are_refused_as_of_one_run() -> None:
    engine = RLMEngine(model(), verify=Twice())
    with pytest.raises(InvalidArgumentError, match="question: is empty"):
        engine.run(" ", CORPUS)
    with pytest.raises(InvalidArgumentError, match="context: is empty"):
        engine.run(QUESTION, [])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("limit", [730, 1_000, 1_050])
def test_runs_together_overshoot_a_limit_by_no_more_than_one_run_does(limit: int) -> None:
    """By what was in flight, and by its last call: what a run overshoots is taken from the share of the next."""

    def root(messages: Sequence[Message]) -> str:
        return 'FINAL("x")' if "limit" in messages[-1].content else "```repl\nprint(1)\n```"

    def spent(verify: Twice | None) -> int:
        llm = ScriptedModel(always=root, usage=Usage(input_tokens=100))
        engine = RLMEngine(llm, verify=verify, limits={"max_total_tokens": limit})
        return engine.run(QUESTION, "text").usage.total_tokens

    assert limit < spent(None) <= limit + 200
    assert spent(Twice()) <= limit + 200


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (
            {"max_total_tokens": 300},
            r"the limit of 300 tokens \(max_total_tokens\), of which this one of the runs of Twice had (100|40) tokens",
        ),
        ({"max_iterations": 1}, r"reached the limit of 1 step \(max_iterations\)(?!, of)"),
    ],
)
def test_a_run_that_meets_its_share_names_the_users_limit(limits: dict[str, int], words: str) -> None:
    replies = ["```repl\nprint(1)\n```", finish("HERON")] * 2
    with pytest.warns(RuntimeWarning, match=words):
        result = RLMEngine(model(*replies), limits=limits, verify=Twice()).run(QUESTION, CORPUS)
    assert result.answer == "HERON"
    engine = RLMEngine(model(*["```repl\nprint(1)\n```"] * 2), limits=limits, verify=Twice(), on_limit="raise")
    with pytest.raises(LimitReachedError, match=words):
        engine.run(QUESTION, CORPUS)
