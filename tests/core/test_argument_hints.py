from __future__ import annotations

import pytest

from rlm_integrations.core.argument_hints import argument_hint
from rlm_integrations.core.limits import RLMLimits, limit_meant

KNOWN = ["llm", "sub_llm", "context", "limits", "instructions", "output_cls"]


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        *((limit, limit) for limit in RLMLimits.model_fields),
        ("max_iteration", "max_iterations"),
        ("depth", "max_depth"),
        ("max_steps", "max_iterations"),
        ("timeout", "timeout_s"),
        ("max_cost", "max_cost_usd"),
        ("max_iter", "max_iterations"),
        ("request_timeout", "call_timeout_s"),
    ],
)
def test_a_limit_goes_into_limits(name: str, limit: str) -> None:
    hint = argument_hint(name, 3, KNOWN)
    assert hint == f'pass it in limits: limits={{"{limit}": 3}}'


@pytest.mark.parametrize("name", ["max_iter", "max_budget", "request_timeout", "max_llm_calls", "max_time", "depth"])
def test_what_a_limit_is_called_elsewhere_is_known_here_as_in_limits(name: str) -> None:
    assert argument_hint(name, 3, KNOWN) == f'pass it in limits: limits={{"{limit_meant(name)}": 3}}'


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("model", "llm"),
        ("sub_model", "sub_llm"),
        ("sub_lm", "sub_llm"),
        ("docs", "context"),
        ("prompt", "instructions"),
        ("response_model", "output_cls"),
        ("limit", "limits"),
        ("contxt", "context"),
        ("top_k_similarity", "similarity_top_k"),
        ("top_k", "similarity_top_k"),
    ],
)
def test_other_names_for_what_there_is(name: str, meant: str) -> None:
    assert argument_hint(name, object(), KNOWN, ["similarity_top_k"]) == f"did you mean {meant!r}?"


@pytest.mark.parametrize("name", ["model", "max_iterations", "zzzz"])
def test_nothing_is_meant_that_is_not_taken(name: str) -> None:
    assert argument_hint(name, 1, ["b", "a"]) == "those it takes are a, b"


def test_a_long_value_is_cut() -> None:
    assert len(argument_hint("timeout", "x" * 10_000, KNOWN)) < 150
