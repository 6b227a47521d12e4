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
        ("langchain_swap_rag_chain.py", "RLM, over 1,200 tickets: The kettle, with 207 tickets."),
        (
            "langchain_documents.py",
            """contract-35 at 12000: "Either party may end this contract with 30 days' notice\"""",
        ),
    ],
)
def test_an_example_runs_without_a_key_and_says_so_first(name: str, says: str):
    environment = {key: value for key, value in os.environ.items() if key != "OPENAI_API_KEY"}
    command = [sys.executable, "-W", "error", str(EXAMPLES / name)]
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.splitlines()[0].startswith("No OPENAI_API_KEY and no --base-url: ")
    assert says in ended.stdout
    assert len((EXAMPLES / name).read_text().splitlines()) < 60
