"""`python -m benchmarks`, as `make bench` starts it, and its processes."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.engines.contenders import Contender
from benchmarks.engines.timed_replies import TimedReplies
from benchmarks.fresh_process import CouldNotRunError, rows_of
from benchmarks.processes import ONLY_ROOT
from benchmarks.registry import Scale
from benchmarks.report import Report
from benchmarks.row import OURS

ROOT = Path(__file__).parents[2]


def test_groups_are_measured_printed_as_tables_and_written(
    tmp_path: Path, run_program: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    asked = ["--quick", "--without-peers", "--out", str(tmp_path), "--group", "memory", "imports", "tracer"]
    as_a_command = "import runpy; runpy.run_module('benchmarks', run_name='__main__', alter_sys=True)"
    done = run_program(as_a_command, *asked, everything=True, fresh=True)  # its REPLs are processes below it
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if line.startswith("### ")] == [
        "### Memory",
        "### Imports",
        "### What a tracer is sent, and what checkpoints hold",
    ]
    report = Report.from_json(json.loads((tmp_path / "rows.json").read_text()))
    missing = {why for rows in report.groups.values() for row in rows for why in row.missing.values()}
    assert missing <= {ONLY_ROOT}
    sent = [row.ours or 0 for row in report.groups["tracer"] if row.name.startswith("sent to a tracer: ")]
    assert len(sent) == 11
    # what is given to the runnable itself stays here, but for its sample; what goes through others is sent
    assert max(sent[:7]) < 100 < 300 < min(sent[7:])


def test_a_measurement_that_fails_is_a_row_that_says_why() -> None:
    [row] = rows_of("imports", "nothing_of_this_name", Scale(quick=True))
    assert row.name == "nothing_of_this_name"
    assert row.ours is None
    assert "StopIteration" in row.missing[OURS]


def test_a_peer_that_is_not_installed_says_so(tmp_path: Path) -> None:
    contender = Contender("a peer", "rlms_local", tmp_path / "python")
    with pytest.raises(CouldNotRunError, match=r"^it is not installed; `make bench` does that$"):
        contender.measure("one_turn", 0.01, 1)


def test_a_model_that_is_asked_beyond_its_script_says_so() -> None:
    replies = TimedReplies(["x"])
    assert replies.next(10) == "x"
    with pytest.raises(RuntimeError, match=r"^the model was asked beyond the end of its script, which is 1 long$"):
        replies.next(5)
    assert replies.sent_chars == 15


def test_this_engine_is_measured_in_a_process_of_its_own() -> None:
    assert Contender(OURS, "this_engine", Path(sys.executable)).measure("callback", 0.01, 2) > 0
