from __future__ import annotations

from collections import UserDict
from typing import Any

import pytest
from pydantic import ValidationError

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.limits import RLMLimits


def refused(**values: Any) -> str:
    with pytest.raises(InvalidArgumentError) as caught:
        RLMLimits(**values)
    return str(caught.value)


def test_limits_come_as_they_are_as_a_mapping_or_not_at_all() -> None:
    own = RLMLimits(max_iterations=3)
    assert RLMLimits.of(own) is own
    assert RLMLimits.of({"max_iterations": 3}) == own
    assert RLMLimits.of(UserDict(max_iterations=3)) == own
    assert RLMLimits.of(None) == RLMLimits()


@pytest.mark.parametrize("value", [20, "max_iterations=3", [("max_iterations", 3)]])
def test_anything_else_is_refused(value: Any) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        RLMLimits.of(value)
    assert str(caught.value) == f"limits: {type(value).__name__} given; pass RLMLimits(...) or a dict of its fields"


def test_a_misspelt_name_is_refused_with_the_one_that_was_meant() -> None:
    assert refused(max_iteration=3) == "limits: unknown name 'max_iteration'; did you mean 'max_iterations'?"
    assert refused(max_iter=3) == "limits: unknown name 'max_iter'; did you mean 'max_iterations'?"
    assert refused(temperature=1).startswith(
        "limits: unknown name 'temperature'; the limits are max_iterations, max_depth, max_sub_calls, "
    )
    with pytest.raises(InvalidArgumentError, match="unknown name '3'"):
        RLMLimits.of({3: 4})  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("max_iterations", 0, "input should be greater than or equal to 1"),
        ("max_depth", 9, "input should be less than or equal to 8"),
        ("max_repls", 0, "input should be greater than or equal to 1"),
        ("max_sub_calls", -1, "input should be greater than or equal to 0"),
        ("max_concurrency", 0, "input should be greater than or equal to 1"),
        ("max_total_tokens", 0, "input should be greater than or equal to 1"),
        ("max_cost_usd", 0, "input should be greater than 0"),
        ("timeout_s", -5, "input should be greater than 0"),
        ("call_timeout_s", None, "input should be a valid number"),
        ("call_timeout_s", float("inf"), "input should be a finite number"),
        ("step_timeout_s", float("nan"), "input should be a finite number"),
        ("memory_mb", 63, "input should be greater than or equal to 64"),
        ("max_output_chars", 199, "input should be greater than or equal to 200"),
        ("inline_chars", -1, "input should be greater than or equal to 0"),
        ("preview_chars", -1, "input should be greater than or equal to 0"),
        ("message_chars", 4_999, "input should be greater than or equal to 5000"),
    ],
)
def test_a_value_out_of_range_is_refused(name: str, value: Any, why: str) -> None:
    assert refused(**{name: value}) == f"limits: {name}={value!r}: {why}"


def test_every_problem_is_named_at_once() -> None:
    assert refused(max_iterations=0, max_dept=1) == (
        "limits: max_iterations=0: input should be greater than or equal to 1; "
        "limits: unknown name 'max_dept'; did you mean 'max_depth'?"
    )


def test_limits_never_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        RLMLimits().max_iterations = 5  # type: ignore[misc]


def test_limits_survive_json() -> None:
    limits = RLMLimits(max_cost_usd=0.5, timeout_s=30, memory_mb=64, max_total_tokens=None)
    assert RLMLimits.model_validate_json(limits.model_dump_json()) == limits
