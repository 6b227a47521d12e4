"""`ask` with a journal, two opinions, prices and a bound of costs, or a route."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rlm_integrations import RLMTrace
from rlm_integrations.testing import ScriptedModel

from .questions import FINDS_THE_KEY, Ask


def test_a_journal_lets_the_same_command_go_on(ask: Ask, model_server: Any, tmp_path: Path) -> None:
    model_server.models["root"] = ScriptedModel([FINDS_THE_KEY])
    journal = str(tmp_path / "runs.sqlite")
    first = ask("--journal", journal)
    again = ask("--journal", journal)
    assert again.exit_code == 0
    assert again.stdout.split("\n\n")[0] == first.stdout.split("\n\n")[0]
    assert len(model_server.models["root"].requests) == len(model_server.models["sub"].requests) == 1
    assert "From the journal, paid for before: tokens " in again.stderr
    assert "tokens 0 in, 0 out (replayed: " in again.stderr
    assert "From the journal" not in first.stderr


def test_a_journal_that_is_something_else_is_a_wrong_argument(ask: Ask, corpus: Path) -> None:
    done = ask("--journal", str(corpus / "a.txt"))
    assert done.exit_code == 2
    assert "something else" in done.stderr


def test_twice_asks_two_blind_runs_and_a_third_where_they_differ(ask: Ask, model_server: Any) -> None:
    said = [f'```repl\nanswer["content"] = {answer}\nanswer["ready"] = True\n```' for answer in ('"red"', '"blue"')]
    verdict = FINISH_VERDICT.format('"second"')
    model_server.models["root"] = ScriptedModel([*said, verdict, said[0], said[0]])
    done = ask("--twice", "--json")
    told = json.loads(done.stdout)
    assert (told["answer"], told["agreement"], told["iterations"]) == ("blue", "reconciled", 3)
    assert "run 2, iteration 1 of 20: 1 code block" in done.stderr
    assert "run 3, iteration 1 of 20: 1 code block" in done.stderr
    assert done.stderr.count("corpus: ") == 1
    assert "3 iterations, " in done.stderr
    assert "Two runs differed, and a third said which holds." in done.stderr
    assert "Two runs agreed." in ask("--twice").stderr


FINISH_VERDICT = '```repl\nanswer["content"] = {{"verdict": {}, "why": "so"}}\nanswer["ready"] = True\n```'


def test_prices_come_from_a_list_and_those_of_a_server_of_ones_own_are_unknown(ask: Ask, model_server: Any) -> None:
    model_server.models["root"] = ScriptedModel([FINDS_THE_KEY, FINDS_THE_KEY])
    done = ask("--price", "genai", "--sub-price", "0.1,0.2", "--json")
    assert "what calls of root cost is unknown (genai-prices does not know it" in done.stderr + done.stdout
    assert json.loads(done.stdout)["usage"]["cost_usd"] < 0.1
    done = ask("--price", "genai", "--sub-price", "genai", "--limit", "max_cost_usd=1")
    assert done.exit_code == 1
    assert "max_cost_usd is set, which cannot be kept so" in done.stderr


BATCH = """```repl
answer["content"] = str(len(llm_query_batched(["a" * 4_000] * 10)))
answer["ready"] = True
```"""


def test_above_a_bound_nothing_is_sent_where_nobody_can_be_asked(ask: Ask, model_server: Any, tmp_path: Path) -> None:
    model_server.models["root"] = ScriptedModel([BATCH, BATCH, BATCH])
    bound = ("--price", "1,2", "--sub-price", "10,20", "--ask-above", "0.10")
    done = ask(*bound, "--trace", "run.json")
    assert done.exit_code == 1
    assert "--ask-above 0.1: stopped before 10 sub-calls, about $0.14 (" in done.stderr
    assert "nobody can be asked here; add --yes to go on" in done.stderr
    assert model_server.models["sub"].requests == []
    assert RLMTrace.model_validate(json.loads((tmp_path / "run.json").read_text("utf-8"))).usage.total_tokens > 0
    assert ask(*bound, "--yes").exit_code == 0
    assert ask(*bound[:-1], "0.20").exit_code == 0


def test_a_bound_needs_a_price(ask: Ask, model_server: Any) -> None:
    done = ask("--ask-above", "1")
    assert (done.exit_code, "--ask-above: what sub-calls cost is unknown without a price" in done.stderr) == (2, True)


def test_a_short_corpus_is_answered_directly_where_that_is_wanted(ask: Ask, model_server: Any) -> None:
    said = "The cellar.\n<evidence>\n[notes/a.txt] The red key opens the cellar.\n</evidence>"
    model_server.models["root"] = ScriptedModel([said])
    done = ask("--route", "auto", "--json")
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["answer"], told["route"], told["iterations"]) == ("The cellar.", "direct", 1)
    assert [(cited["document_id"], cited["line"]) for cited in told["citations"]] == [("notes/a.txt", 1)]
    assert "Answered directly: about" in done.stderr


def test_an_unknown_route_is_refused(ask: Ask) -> None:
    done = ask("--route", "fast")
    assert done.exit_code == 2
    assert "--route: 'fast' is unknown; pass rlm or auto" in done.stderr
