"""Every example runs as a user runs it: without a key and a network, and against an OpenAI-compatible server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
FRAMEWORKS_OWN = [  # warnings of LlamaIndex's RAG engine and agents about themselves
    "ignore:There is no current event loop:DeprecationWarning",
    "ignore:The `__fields:DeprecationWarning",
    "ignore:Accessing the 'model_:DeprecationWarning",
]
SAYS = {
    "engine_files": ["decoder.py: Implementation of JSONDecoder"],
    "langchain_agent_middleware": [
        "tool: Stove 96, Tent 95, Lamp 95\n  over 2,000 documents, 50,096 characters, in 1 iterations"
    ],
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
    "llama_index_agent": ["from October to March [1].\n  [1] house-12\nThe agent: Yes, from October to March."],
    "llama_index_documents": [f"  from the log of {year}, 23,449 characters" for year in (1874, 1883, 1892, 1901)],
    "llama_index_router": ["RAG: From Graz.", "RLM: Graz, with 180 of them."],
    "llama_index_summary_index": ["tree_summarize   5 calls   123,", "RLM              3 calls     3,"],
    "llama_index_swap_engine": ["RAG: 10, of those shown.", "RLM: 134 of 400 tickets ask for a refund."],
}
CODE = """```repl
answer["content"] = "So many: %d." % len(context)
answer["ready"] = True
```"""
SAYS_SERVED = {
    "langchain_documents": ["So many: 40."],
    "langchain_swap_rag_chain": ["RAG, over 4 tickets:     Served.", "RLM, over 1,200 tickets: So many: 1200."],
    "llama_index_agent": ["The tool: So many: 40.", "The agent: Served."],
    "llama_index_documents": ["So many: 40.", "1 iterations, 0 sub-calls, 110 tokens"],
    "llama_index_router": ["deliver from? RAG: Served.", "deliver from? RLM: So many: 300."],
    "llama_index_summary_index": ["tokens: Served.", "RLM              1 calls       110 tokens: So many: 200."],
    "llama_index_swap_engine": ["RAG: Served.", "RLM: So many: 400."],
}


RUN_ALL = """
import runpy, sys
names, sys.argv[1:] = sys.argv[3:], sys.argv[1:3]
for name in names:
    runpy.run_path(name, run_name="__main__")
    print("===")
"""
"""One process for several examples: most of the time of one is taken by its imports."""


FIRST_IMPORTED = {
    "engine langchain langgraph": "rlm_integrations.langchain langchain.agents langgraph.graph",
    "llama": "rlm_integrations.llama_index llama_index.core",
}
"""What the examples of these frameworks share, by the beginnings of their names."""
FORK_EACH = """
import importlib, os, runpy, sys
from pathlib import Path
folder, first, *paths = sys.argv[1:]
for name in first.split():
    importlib.import_module(name)
for path in map(Path, paths):
    child = os.fork()
    if not child:
        for stream in (1, 2):
            os.dup2(os.open(f"{folder}/{path.stem}.{stream}", os.O_WRONLY | os.O_CREAT), stream)
        sys.argv[:], sys.path[0] = [str(path)], str(path.parent)
        runpy.run_path(str(path), run_name="__main__")
        sys.exit()
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    Path(folder, f"{path.stem}.status").write_text(str(ended))
"""
"""A process of its own for each example, that has imported what they share and nothing of another example."""


def example(name: str) -> str:
    return str(EXAMPLES / f"{name}.py")


def run(*arguments: str) -> str:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("OPENAI_")}
    warnings = [option for ignored in FRAMEWORKS_OWN for option in ("-W", ignored)]
    command = [sys.executable, "-W", "error", *warnings, *arguments]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout


def test_every_example_is_known() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == set(SAYS)


@pytest.mark.parametrize("framework", FIRST_IMPORTED)
def test_the_examples_run_without_a_key_and_say_so_first(framework: str, tmp_path: Path) -> None:
    names = [name for name in SAYS if name.split("_")[0] in framework.split()]
    assert run("-c", FORK_EACH, str(tmp_path), FIRST_IMPORTED[framework], *map(example, names)) == ""
    for name in names:
        ended, printed, complaints = ((tmp_path / f"{name}.{kind}").read_text("utf-8") for kind in ("status", "1", "2"))
        assert (ended, complaints) == ("0", ""), name
        assert printed.startswith("No OPENAI_API_KEY"), name
        for said in SAYS[name]:
            assert said in printed, name


def message_for(request: dict[str, Any]) -> dict[str, Any]:
    """What the served model says: code as a root LM, a call as an agent with a tool, a choice as a selector."""
    asked = json.dumps(request["messages"])
    if "tools" in request and request["messages"][-1]["role"] == "user":
        tool = request["tools"][0]["function"]["name"]
        call = {"name": tool, "arguments": json.dumps({"input": "How many?"})}
        return {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function", "function": call}]}
    content = "Served."
    if "```repl" in asked:
        content = CODE
    elif "Some choices are given" in asked:
        content = json.dumps([{"choice": 2 if "most suppliers" in asked else 1, "reason": "it fits"}])
    return {"role": "assistant", "content": content}


def post(handler: BaseHTTPRequestHandler, body: bytes) -> None:
    """Chat completions, whole or as a stream of one chunk."""
    request = json.loads(body)
    streamed, message = request.get("stream", False), message_for(request)
    for place, call in enumerate(message.get("tool_calls", ()) if streamed else ()):
        call["index"] = place
    finish = "tool_calls" if "tool_calls" in message else "stop"
    choice = {"index": 0, "finish_reason": finish, "delta" if streamed else "message": message}
    usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
    kind = "chat.completion.chunk" if streamed else "chat.completion"
    data = json.dumps({"id": "1", "object": kind, "created": 1, "model": "m", "usage": usage, "choices": [choice]})
    if streamed:
        data = f"data: {data}\n\ndata: [DONE]\n\n"
    handler.send_response(200)
    handler.send_header("Content-Type", "text/event-stream" if streamed else "application/json")
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data.encode())


def test_the_examples_of_frameworks_run_against_a_server(serve_posts: Any) -> None:
    paths = map(example, SAYS_SERVED)
    *printed, after = run("-c", RUN_ALL, "--base-url", serve_posts(post), *paths).split("===\n")
    assert not after
    for output, expected in zip(printed, SAYS_SERVED.values(), strict=True):
        assert "OPENAI_API_KEY" not in output
        for said in expected:
            assert said in output
