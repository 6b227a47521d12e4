"""The examples run as a user runs them, without a key."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("llama_index_swap_engine.py", ["RAG: 10, of those shown.", "RLM: 134 of 400 tickets ask for a refund."]),
        (
            "llama_index_documents.py",
            [f"  from the log of {year}, 23,449 characters" for year in (1874, 1883, 1892, 1901)],
        ),
    ],
)
def test_an_example_runs_without_a_key_and_says_so_first(name: str, says: list[str]):
    environment = {key: value for key, value in os.environ.items() if key != "OPENAI_API_KEY"}
    command = [sys.executable, "-W", "error", str(EXAMPLES / name)]
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    lines = ended.stdout.splitlines()
    assert lines[0].startswith("No OPENAI_API_KEY and no --base-url: ")
    assert [line for line in lines if line.startswith(("RAG", "RLM", "  from"))] == says
    assert len((EXAMPLES / name).read_text().splitlines()) < 60
