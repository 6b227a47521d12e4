"""Traces that come by a pipe: read to its end, and never waited for where nobody writes."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rlm_integrations import RLMEngine
from rlm_integrations.cli.app import app
from rlm_integrations.testing import ScriptedModel


def invoke(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["trace", *map(str, arguments)])


@pytest.mark.parametrize("command", ["show", "html", "list"])
def test_a_fifo_that_nobody_writes_to_is_refused(command: str, tmp_path: Path) -> None:
    pipe = tmp_path / "run.json"
    os.mkfifo(pipe)
    done = invoke(command, pipe)
    assert done.exit_code == 2
    assert f"FILE: '{pipe}' is a FIFO that nobody writes to; pass the FILE of" in " ".join(done.stderr.split())


def test_a_pipe_is_read_to_its_end() -> None:
    trace = RLMEngine(ScriptedModel(["```repl\nFINAL('It opens the cellar.')\n```"])).run("?", "A key.").trace
    reads, writes = os.pipe()

    def write() -> None:
        with open(writes, "w") as pipe:
            pipe.write(trace.model_dump_json() + " " * 1_000_000)  # more than it holds at once

    writer = threading.Thread(target=write)
    writer.start()
    try:
        done = invoke("show", f"/dev/fd/{reads}")
    finally:
        os.close(reads)
        writer.join()
    assert done.exit_code == 0
    assert "It opens the cellar." in done.stdout
