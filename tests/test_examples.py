"""Every example runs as a user runs it, without a key and without a network, and says so first."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
LLAMA_INDEX_ON_3_12 = "ignore:There is no current event loop:DeprecationWarning"
"""Its own RAG engine asks for one that way."""
SAYS = {
    "engine_files": ["decoder.py: Implementation of JSONDecoder"],
    "langchain_agent_tool": ["tool: 7,002 crates go to Lima"],
    "langchain_documents": ['contract-35 at 12000: "Either party may end this contract with 30 days\' notice"'],
    "langchain_progress": [
        "  iteration 3: 30 sub-calls",
        "Ada wrote 10, Bo wrote 10, Cy wrote 10",
        "30 sub-calls, answer",
    ],
    "langchain_retriever": [
        "The run's answer: Baklava, Marzipan cake, Pesto alla genovese, Satay skewers, Waldorf salad"
    ],
    "langchain_structured": [
        "Budget(year=1928, crowns=896)",
        "minutes-1928 at 9900: 'The budget for 1928 is 896 crowns'",
    ],
    "langchain_swap_rag_chain": ["RLM, over 1,200 tickets: The kettle, with 207 tickets."],
    "langgraph_node": ["  iteration 2\n12 errors.", "01:05 ERROR disk full", "4 messages in the thread"],
    "llama_index_documents": [f"  from the log of {year}, 23,449 characters" for year in (1874, 1883, 1892, 1901)],
    "llama_index_swap_engine": ["RAG: 10, of those shown.", "RLM: 134 of 400 tickets ask for a refund."],
}


def test_every_example_is_known() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == set(SAYS)


@pytest.mark.parametrize("name", SAYS)
def test_an_example_runs_without_a_key_and_says_so_first(name: str) -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("OPENAI_")}
    command = [sys.executable, "-W", "error", "-W", LLAMA_INDEX_ON_3_12, str(EXAMPLES / f"{name}.py")]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("No OPENAI_API_KEY")
    for said in SAYS[name]:
        assert said in ran.stdout
