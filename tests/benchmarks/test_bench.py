"""The benchmarks run, at their smallest. What they measure is asserted nowhere."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def test_one_row_of_this_engine_is_measured_and_printed() -> None:
    command = [sys.executable, str(BENCHMARKS / "bench.py"), "--quick", "--without-peers", "--only", "callback"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    header, _, row = done.stdout.splitlines()[:3]
    assert header == "|  | this engine | to reach |"
    assert re.fullmatch(r"\| host callback, sync \| [\d,.]+ ms \| - \|", row)


def test_a_row_of_the_corpus_at_scale_is_in_the_same_table() -> None:
    command = [sys.executable, str(BENCHMARKS / "bench.py"), "--quick", "--without-peers", "--only", "at_once"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert re.fullmatch(
        r"\| .*: memory beyond .* \| ([\d,.]+ MB|only root may read it) \| - \|", done.stdout.splitlines()[2]
    )


def test_how_long_a_loop_waits_is_in_the_same_table() -> None:
    command = [sys.executable, str(BENCHMARKS / "bench.py"), "--quick", "--without-peers", "--only", "sub_calls"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    row = r"\| longest wait of the loop beside hostile replies of sub-LMs \| [\d,]+ ms \| - \|"
    assert re.fullmatch(row, done.stdout.splitlines()[2])


def test_what_a_tracer_is_sent_is_counted_for_each_form(run_program: Callable[..., Any]) -> None:
    run = f"import runpy, sys; sys.path[0] = {str(BENCHMARKS)!r}; runpy.run_module('tracer_bytes', run_name='__main__')"
    done = run_program(run, "--mb", "1", "--turns", "2", everything=True)
    assert done.returncode == 0, done.stderr
    forms, kept = done.stdout.strip().split("\n\n")
    sent = [line.strip("| ").rpartition(" | ")[2] for line in forms.splitlines()[2:]]
    assert [each.endswith("KB") for each in sent] == [True] * 7 + [False] * 4
    assert len(kept.splitlines()) == 2 + 4


@pytest.fixture
def fresh_process(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import fresh_process

    return fresh_process


def test_a_measurement_that_fails_says_why(fresh_process: ModuleType, tmp_path: Path) -> None:
    script = tmp_path / "peer.py"
    script.write_text("raise RuntimeError('its runtime is not here')")
    contender = fresh_process.Contender("a peer", str(script), peer=False)
    with pytest.raises(fresh_process.CouldNotRunError, match=r"^RuntimeError: its runtime is not here$"):
        fresh_process.measure(contender, fresh_process.Row("a turn", "one_turn"))
