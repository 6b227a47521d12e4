"""A question to `ask`, and what its root LM writes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

FINDS_THE_KEY = """I search, ask and cite.
```repl
found = search("red key")
said = llm_query("What does it open? " + context[0]["text"][:100])
cite("The red key opens the cellar.")
answer["content"] = f"The red key: {said} ({len(context)} documents)"
answer["ready"] = True
```"""
LOOKS_FIRST = "```repl\nprint(len(context))\n```"

Ask = Callable[..., Any]
RunCli = Callable[..., Any]


QUESTION = ("ask", "notes", "-q", "What does the red key open?", "--model", "root", "--sub-model", "sub", "--base-url")
