"""Every group measures, at its smallest. Figures are asserted nowhere, but for counts that no machine changes."""

from __future__ import annotations

import json
from functools import cache

import pytest

from benchmarks.registry import NAMES, Scale, group, measured
from benchmarks.row import OURS, Row

QUICK = Scale(quick=True, peers=False)
OF_THEIR_OWN = ("memory", "imports", "tracer")
"""These look at their whole process: they have one."""
HERE = [name for name in NAMES if group(name).in_quick and name not in OF_THEIR_OWN]


@cache
def measured_once(name: str, measurement: str) -> list[Row]:
    return measured(name, measurement, QUICK)


def rows_of(name: str) -> list[Row]:
    return [row for each in group(name).measurements for row in measured_once(name, each.__name__)]


@pytest.mark.parametrize("name", HERE)
def test_a_group_measures_each_of_its_rows(name: str, request: pytest.FixtureRequest) -> None:
    if name == "sandboxes":
        request.getfixturevalue("wasi_component")
    rows = rows_of(name)
    assert len({row.name for row in rows}) == len(rows) > 0
    assert {row.name: row.missing for row in rows if OURS in row.missing} == {}
    assert [row for row in rows if row.ours is None] == []
    assert [row for row in rows if row.bound or row.ratio_bound] == [], "bounds hold for the full size"
    assert [Row.from_json(json.loads(json.dumps(row.to_json()))) for row in rows] == rows


def test_no_reply_of_a_batch_is_lost() -> None:
    _, lost = measured_once("sub_calls", "none_lost")
    assert lost.name.endswith("replies that are lost or wrong")
    assert lost.ours == 0
