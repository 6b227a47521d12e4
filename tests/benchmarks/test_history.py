"""Runs that are kept, what became worse since, and the tables that are written of them."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.history import courses, keep, kept, most_moved, regressions
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


def test_a_row_has_a_course_over_the_runs_that_measured_it() -> None:
    runs = [
        report(Row("a", "ms", 10.0), Row("steady", "ms", 5.0), Row("once", "ms", 1.0)),
        report(Row("files only", "s", 1.0), group="files"),
        report(Row("a", "ms", 20.0), Row("steady", "ms", 5.5), Row("failed", "", None)),
    ]
    found = courses(runs)
    assert list(found) == ["imports"], "a row that was measured once has no course"
    a, steady = found["imports"]
    assert (a.row, a.unit, a.beside, a.at, a.figures, a.times) == ("a", "ms", None, [0, 2], [10.0, 20.0], [1.0, 2.0])
    assert (a.moved, steady.moved) == (True, False)


def test_a_course_is_of_ratios_where_the_same_stood_beside_it_each_time() -> None:
    slow_machine = [Row("a", "ms", 10.0, {"bare": 5.0}), Row("a", "ms", 30.0, {"bare": 15.0})]
    [course] = courses([report(each) for each in slow_machine])["imports"]
    assert (course.beside, course.times, course.moved) == ("bare", [1.0, 1.0], False)
    [course] = courses([report(each) for each in [*slow_machine, Row("a", "ms", 10.0, {"other": 5.0})]])["imports"]
    assert (course.beside, course.times, course.moved) == (None, [1.0, 3.0, 1.0], True)


def test_a_course_from_nought_and_one_within_the_noise() -> None:
    runs = [report(Row("lost", "", 0), Row("tiny", "ms", 0.01)), report(Row("lost", "", 2), Row("tiny", "ms", 0.05))]
    tiny, lost = courses(runs)["imports"]
    assert (lost.times, lost.moved) == ([1.0, 4.0], True)
    assert (tiny.times, tiny.moved) == ([1.0, 5.0], False)


def test_of_a_hundred_rows_those_that_moved_most_are_named_the_worst_first() -> None:
    def rows(times: int) -> list[Row]:
        return [Row(f"row {n}", "ms", 100.0 + times * (n - 30 if n < 10 or n >= 90 else 0)) for n in range(100)]

    of = courses([report(*rows(0)), report(*rows(2))])["imports"]
    assert len(of) == 100
    assert [course.row for course in most_moved(of, 4)] == ["row 99", "row 98", "row 1", "row 0"]
    assert len(most_moved(of, 100)) == 20


@pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason="charts need matplotlib (make bench has it)")
def test_the_charts_of_a_run_and_one_of_all_runs_that_were_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from benchmarks import charts, history_chart

    def drawn() -> list[str]:
        charts.main(tmp_path, tmp_path / "history")
        return [Path(line).name for line in capsys.readouterr().out.splitlines()]

    first = report(Row("a", "ms", 10.0, {"bare": 5.0}), Row("b", "MB", 1.0))
    keep(first, tmp_path / "history")
    (tmp_path / "rows.json").write_text(json.dumps(first.to_json()))
    assert drawn() == ["imports.png"], "a run that was just kept is one run"
    last = report(Row("a", "ms", 30.0, {"bare": 5.0}), Row("b", "MB", 1.0), at="2026-12-01T12:00:00+00:00", load=2.0)
    (tmp_path / "rows.json").write_text(json.dumps(last.to_json()))
    assert drawn() == ["imports.png", "history.png"]
    assert (tmp_path / "history.png").read_bytes().startswith(b"\x89PNG")
    a, _ = courses([first, last])["imports"]
    assert history_chart.told(a) == "3.00 times: a (10.0 ms to 30.0 ms, beside bare)"
    assert history_chart.run_named(last) == "2026-12-01 12:00\n0.1\n(busy)"
