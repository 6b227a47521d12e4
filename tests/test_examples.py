"""Every example runs as a user runs it: without a key and a network, and against an OpenAI-compatible server."""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from .small_embeddings import write_package

EXAMPLES = Path(__file__).parents[1] / "examples"
ATTRIBUTE = next(
    line.strip() for line in (json.JSONDecodeError.__doc__ or "").splitlines() if re.match(r" *\w+: ", line)
)
"""What the docstring names first, in the Python that runs the example."""
BROUGHT = {
    ".": {"pydantic"},
    ".[deepagents]": {"deepagents", "pydantic"},
    ".[langchain]": {"langchain_core", "pydantic"},
    ".[llama-index]": {"llama_index", "pydantic"},
    "langchain": {"langchain"},
    "langgraph": {"langgraph"},
    "model2vec": {"model2vec"},
}
"""What may be imported after a `pip install` of it."""
SAYS = {
    "deepagents_backend": ["4,003 lamps\nConfinement: none"],
    "engine_files": [f"decoder.py: {ATTRIBUTE}\n  cited from decoder.py at"],
    "langchain_agent_middleware": [
        "tool: Stove 96, Tent 95, Lamp 95\n  over 2,000 documents, 50,096 characters, iterations: 1"
    ],
    "langchain_agent_tool": ["tool: 7,002 crates go to Lima"],
    "langchain_documents": ['contract-35 at 12000: "Either party may end this contract with 30 days\' notice"'],
    "langchain_progress": [
        "  iteration 3, so far sub-calls: 30",
        "Ada wrote 10, Bo wrote 10, Cy wrote 10",
        "sub-calls: 30, answer",
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
    "llama_index_summary_index": ["tree_summarize calls: 3, tokens: 60,", "RLM            calls: 3, tokens: 3,"],
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
    "llama_index_documents": ["So many: 40.", "iterations: 1, sub-calls: 0, tokens: 110"],
    "llama_index_router": ["deliver from? RAG: Served.", "deliver from? RLM: So many: 300."],
    "llama_index_summary_index": ["Served.", "RLM            calls: 1, tokens: 110. So many: 200."],
    "llama_index_swap_engine": ["RAG: Served.", "RLM: So many: 400."],
}


RUN = """
import runpy, sys
from pathlib import Path
names, packages, sys.argv[1:] = sys.argv[1].split("|"), sys.argv[2], sys.argv[3:]
sys.path.insert(1, packages)
for name in names:
    sys.argv[0], sys.path[0] = name, str(Path(name).parent)
    runpy.run_path(name, run_name="__main__")
    print("===")
"""
Run = Callable[..., list[str]]


@pytest.fixture
def run(run_program: Callable[..., Any]) -> Run:
    """What each of the examples prints, all in one process, with these arguments. Packages are found there first."""

    def run_in_one(*names: str, arguments: Sequence[str] = (), packages: Path = EXAMPLES) -> list[str]:
        paths = "|".join(str(EXAMPLES / f"{name}.py") for name in names)
        ended = run_program(RUN, paths, packages, *arguments, everything=True, warnings=None)
        assert (ended.returncode, ended.stderr) == (0, ""), names
        *printed, after = ended.stdout.split("===\n")
        assert not after
        return printed

    return run_in_one


def test_every_example_is_known() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == {*SAYS, "ray_cluster"}, "tests/ray runs that one"


@pytest.mark.parametrize("name", SAYS)
def test_an_example_says_what_to_install(name: str) -> None:
    tree = ast.parse((EXAMPLES / f"{name}.py").read_text(encoding="utf-8"))
    [command] = re.findall(r"^In a clone: pip install ([^(]+) \(", ast.get_docstring(tree) or "", flags=re.MULTILINE)
    imported = {
        alias.name if isinstance(node, ast.Import) else node.module
        for node in tree.body
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
    }
    there = {"rlm_integrations", *sys.stdlib_module_names}
    there = there.union(*(BROUGHT.get(word.strip('"'), set()) for word in command.split()))
    assert {f"{name}".partition(".")[0] for name in imported} <= there


def test_an_example_without_its_packages_says_so_in_a_line(run_program: Callable[..., Any]) -> None:
    """In a process that does not find the package of the embeddings, wherever it is installed."""
    code = (
        "import importlib.util, runpy, sys; find = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name: None if name == 'model2vec' else find(name)\n"
        "runpy.run_path(sys.argv[1], run_name='__main__')"
    )
    ended = run_program(code, EXAMPLES / "langchain_retriever.py", everything=True, warnings=None)
    assert (ended.returncode, len(ended.stderr.splitlines())) == (1, 1), ended.stderr
    assert "pip install model2vec tokenlearn-static-model" in ended.stderr


@pytest.mark.parametrize("name", SAYS)
def test_an_example_runs_without_a_key_and_says_so_first(run: Run, name: str, tmp_path: Path) -> None:
    example = (EXAMPLES / f"{name}.py").read_text(encoding="utf-8")
    if "static_model" in example and find_spec("static_model"):
        write_package(tmp_path, example)
    [printed] = run(name, packages=tmp_path)
    assert printed.startswith("No OPENAI_API_KEY")
    for said in SAYS[name]:
        assert said in printed


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


def test_the_examples_of_frameworks_run_against_a_server(run: Run, serve_posts: Any) -> None:
    printed = run(*SAYS_SERVED, arguments=["--base-url", serve_posts(post)])
    for output, expected in zip(printed, SAYS_SERVED.values(), strict=True):
        assert "OPENAI_API_KEY" not in output
        for said in expected:
            assert said in output
