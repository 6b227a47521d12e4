"""Runs that are kept, what became worse since, and the tables that are written of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.history import keep, kept, regressions
from benchmarks.report import Report
from benchmarks.row import OURS, Row
from benchmarks.table import BEGINS, ENDS, tables, with_figures


def report(*rows: Row, group: str = "imports", at: str = "2026-11-29T12:00:00+00:00", load: float = 0.0) -> Report:
    return Report(at, "0.1", "a-machine", "2 cores", load, {group: list(rows)})


def told(now: Report, *before: Report) -> list[str]:
    return list(regressions(now, list(before)))


def test_what_is_slower_by_more_than_30_percent_is_told() -> None:
    before = report(Row("a", "ms", 10.0), Row("b", "MB", 100.0), Row("c", "ms", 10.0))
    now = report(Row("a", "ms", 13.5), Row("b", "MB", 140.0), Row("c", "ms", 12.9))
    assert told(now, before) == [
        "slower by 35 % than on 2026-11-29 (in itself): imports: a",
        "larger by 40 % than on 2026-11-29 (in itself): imports: b",
    ]


def test_ratios_are_compared_where_the_same_stood_beside_it() -> None:
    before = report(Row("a", "ms", 10.0, {"bare": 5.0}), Row("b", "ms", 10.0, {"bare": 5.0}))
    slow_machine, slow_engine = Row("a", "ms", 30.0, {"bare": 15.0}), Row("b", "ms", 11.0, {"bare": 3.0})
    assert told(report(slow_machine, slow_engine), before) == [
        "slower by 83 % than on 2026-11-29 (beside bare): imports: b"
    ]
    assert told(report(Row("a", "ms", 30.0, {"other": 15.0})), before) == [
        "slower by 200 % than on 2026-11-29 (in itself): imports: a"
    ]


def test_a_row_that_is_not_measured_any_more_is_told_and_a_new_one_is_not() -> None:
    now = report(Row("a", "", None, missing={OURS: "it broke"}), Row("new", "ms", 1.0))
    assert told(now, report(Row("a", "ms", 10.0))) == ["not measured any more: imports: a"]


def test_a_count_that_was_nought_may_not_rise() -> None:
    assert told(report(Row("lost", "", 1)), report(Row("lost", "", 0))) == [
        "larger, where it was 0 on 2026-11-29 (in itself): imports: lost"
    ]


def test_noise_of_the_clock_and_a_busy_machine_are_no_silent_regressions() -> None:
    before = report(Row("a", "ms", 0.05), Row("b", "ms", 10.0))
    assert told(report(Row("a", "ms", 0.09), Row("b", "ms", 20.0), load=4.0), before) == [
        "slower by 100 % than on 2026-11-29 (in itself, and a machine was busy): imports: b"
    ]


def test_the_last_run_that_has_the_row_is_compared_with() -> None:
    older, newer = report(Row("a", "ms", 10.0)), report(Row("a", "ms", 20.0), at="2026-12-01T12:00:00+00:00")
    other = report(Row("b", "ms", 1.0), group="files", at="2026-12-02T12:00:00+00:00")
    assert told(report(Row("a", "ms", 21.0)), older, newer, other) == []


def test_runs_are_kept_for_each_kind_of_machine(tmp_path: Path) -> None:
    first, second = report(Row("a", "ms", 1.0, {"bare": 2.0}, 3.0)), report(Row("a", "ms", 2.0))
    keep(first, tmp_path)
    keep(second, tmp_path)
    keep(replace(second, machine="another"), tmp_path)
    assert kept("a-machine", tmp_path) == [first, second]
    assert kept("a third", tmp_path) == []


def test_a_table_has_what_stands_beside_ratios_bounds_and_reasons() -> None:
    rows = [
        Row("kept", "ms", 2.0, {"bare": 1.0}, bound=3.0),
        Row("missed", "s", 4.0, {"bare": 1.0}, ratio_bound=1.5),
        Row("alone", "MB", 300.4, missing={"peer": "no network"}),
    ]
    assert tables(report(*rows, load=2.0)).splitlines() == [
        "### Imports",
        "",
        "|  | this engine | bare | peer | ratio | to reach |",
        "| --- | --- | --- | --- | --- | --- |",
        "| kept | 2.00 ms | 1.00 ms | - | 2.00 | 3.00 ms |",
        "| missed | 4.00 s (missed) | 1.00 s | - | 4.00 | 1.5 times bare |",
        "| alone | 300 MB | - | not measured | - | - |",
        "",
        "peer was not measured: no network (alone)",
        "",
        "2026-11-29, 2 cores, load 2.0 at the start; busy, so of little meaning",
    ]


def test_the_page_has_each_group_as_it_was_measured_last() -> None:
    page = f"Before\n{BEGINS}\nfigures of before\n{ENDS}\nAfter\n"
    older = report(Row("a", "ms", 1.0), group="files", at="2026-11-01T12:00:00+00:00")
    written = with_figures(page, [older, report(Row("b", "ms", 2.0))])
    assert "figures of before" not in written
    assert written.index("| a | 1.00 ms |") < written.index("2026-11-01") < written.index("| b | 2.00 ms |")
    assert (written.partition(BEGINS)[0], written.partition(ENDS)[2]) == ("Before\n", "\nAfter\n")
    with pytest.raises(ValueError, match="lacks"):
        with_figures("no marks", [older])
