"""What the journal keeps comes back as it was, whatever a model or a tool said."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_integrations.core.journal.rows import encoded, of_completion, packed, to_completion, unpacked
from rlm_integrations.core.language_model import Completion
from rlm_integrations.core.usage import Usage

TEXTS = st.text(st.characters(exclude_categories=()), max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(TEXTS, VALUES, max_size=4))
def test_a_row_comes_back_as_it_was(row: dict[str, Any]) -> None:
    assert unpacked(packed(encoded(row))) == _joined(row)


def _joined(value: Any) -> Any:
    """Two halves of a character that stand side by side are one: JSON has no other way to write it."""
    match value:
        case str():
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
        case list():
            return [_joined(each) for each in value]
        case dict():
            return {_joined(key): _joined(each) for key, each in value.items()}
        case _:
            return value


def test_what_is_nested_deeply_comes_back() -> None:
    row: dict[str, Any] = {"value": 1}
    for _ in range(400):
        row = {"value": row}
    assert unpacked(packed(encoded(row))) == row


@pytest.mark.parametrize("cost", [None, 0.0, 0.25])
def test_what_a_reply_cost_comes_back(cost: float | None) -> None:
    """Nothing is another cost than an unknown one."""
    usage = Usage(input_tokens=3, cost_usd=cost)
    assert to_completion(unpacked(encoded(of_completion(Completion("x", usage)))), replayed=True).usage == usage
