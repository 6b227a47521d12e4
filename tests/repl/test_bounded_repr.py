from __future__ import annotations

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from rlm_integrations.repl.bounded_repr import bounded_repr

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
HASHABLE = st.recursive(SCALARS, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3), max_leaves=5)
VALUES = st.recursive(
    HASHABLE,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner)
        | st.dictionaries(HASHABLE, inner, max_size=4)
        | st.sets(HASHABLE, max_size=4)
    ),
    max_leaves=15,
)


@given(VALUES)
def test_a_repr_within_the_bound_is_pythons_own(value):
    assert bounded_repr(value, 1_000_000) == repr(value)


@given(VALUES, st.integers(0, 40))
def test_a_longer_repr_is_its_beginning_and_says_so(value, bound):
    shown = bounded_repr(value, bound)
    if len(repr(value)) <= bound:
        assert shown == repr(value)
    else:
        beginning, _, extent = shown.rpartition("… (")
        assert len(beginning) <= bound
        assert extent.endswith(")")


def test_values_that_hold_themselves():
    looped: list[object] = [1]
    looped.append({"self": looped})
    assert bounded_repr(looped, 1_000) == repr(looped)


def test_a_giant_container_is_not_written_out():
    giant = ["word " * 200] * 1_000_000
    tracemalloc.start()
    shown = bounded_repr(giant, 8_192)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert shown.startswith(repr(giant[:5])[:4_000])
    assert shown.endswith("… (list of 1,000,000 items)")
    assert peak < 200_000


def test_a_giant_text_inside_a_container_is_cut():
    assert bounded_repr(["x" * 10_000_000], 20) == "['xxxxxxxxxxxxxxxxxx… (list of 1 items)"
