"""`--max-cost`: the limit on dollars under the name that it has in `compare`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rlm_integrations.testing import ScriptedModel

from .questions import Ask

PRICES = ("--price", "1000,1000", "--sub-price", "1,1")
LOOKS = "```repl\nprint(len(context))\n```"


def test_the_run_ends_where_it_costs_as_much(ask: Ask, model_server: Any) -> None:
    model_server.models["root"] = root = ScriptedModel(always=lambda _: LOOKS)
    done = ask(*PRICES, "--max-cost", "0.01", "--json")
    assert done.exit_code == 3, done.stderr
    assert "max_cost" in json.dumps(json.loads(done.stdout))
    assert len(root.requests) <= 2, "the reply that met it, and the last call"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--max-cost", "1"), "--max-cost: what calls cost is unknown without a price; add --price IN,OUT or --price"),
        (("--max-cost", "1", "--price", "1,2"), "add --sub-price IN,OUT or --sub-price genai"),
        ((*PRICES, "--max-cost", "0"), "max_cost_usd=0"),
        ((*PRICES, "--max-cost", "nan"), "max_cost_usd=nan"),
        ((*PRICES, "--max-cost", "1", "--limit", "max_cost_usd=2"), "max_cost_usd is given twice"),
    ],
)
def test_what_cannot_be_kept_is_a_wrong_argument(
    ask: Ask, model_server: Any, arguments: tuple[str, ...], said: str
) -> None:
    done = ask(*arguments)
    assert done.exit_code == 2, done.output
    assert said in done.stderr
    assert not model_server.asked.is_set()
