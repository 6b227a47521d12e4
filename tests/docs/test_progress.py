"""What the pages say that tracers and user interfaces see of a run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from langchain_core.tracers.context import collect_runs

import rlm_integrations
from rlm_integrations.core.language_model import Message
from rlm_integrations.langchain import RLMRunnable
from rlm_integrations.testing.langchain import ScriptedChatModel

ROOT = Path(__file__).parents[2]
FIRST = """```repl
said = llm_query_batched(["Say this: 1", "Say this: 2"])
print(said)
```"""
LAST = '```repl\nanswer["content"] = " ".join(said)\nanswer["ready"] = True\n```'


class ChatOpenAI(ScriptedChatModel):
    """Scripted, under the name that the sketch has."""


def play(messages: Sequence[Message]) -> str:
    if "```repl" not in messages[0].content:
        return messages[-1].content[-1]
    return LAST if any(message.role == "assistant" for message in messages) else FIRST


def drawn(run: Any, before: str = "", above: str = "") -> list[str]:
    tag = next((f" {tag}" for tag in run.tags or () if tag.startswith("rlm:")), "")
    lines = [f"{before}{run.name} ({run.run_type}){tag}"]
    for child in run.child_runs:
        last = child is run.child_runs[-1]
        lines += drawn(child, above + ("└─ " if last else "├─ "), above + ("   " if last else "│  "))
    return lines


def test_a_tracer_has_the_tree_that_is_sketched() -> None:
    page = (ROOT / "docs/langchain.md").read_text(encoding="utf-8")
    sketch = re.search(r"^```\n(RLMRunnable.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)
    assert sketch is not None
    known = re.compile(r"^([│├└─ ]*\w+ \(\w+\))(?: +(rlm:\w+))?")
    said = [" ".join(filter(None, found.groups())) for found in map(known.match, sketch[1].splitlines()) if found]
    with collect_runs() as collected:
        RLMRunnable(llm=ChatOpenAI(always=play), context="The weather is fine. " * 1_000).invoke("Why?")
    [run] = collected.traced_runs
    assert len(said) == len(sketch[1].splitlines())
    assert drawn(run) == said


def test_the_events_to_show_have_those_fields() -> None:
    page = (ROOT / "docs/serving.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", page, flags=re.MULTILINE)
    assert len(rows) == 12
    for name, told in rows:
        fields = getattr(rlm_integrations, name).__annotations__
        named = [words for words in re.findall(r"`([a-z_.]+)`", told) if words != "rlm_iteration"]
        assert named, name
        assert [words for words in named if words.partition(".")[0] not in fields] == [], name
