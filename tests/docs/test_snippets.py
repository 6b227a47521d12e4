"""Each Python snippet runs on its own, from an empty file, and prints what it says that it prints."""

from __future__ import annotations

import gc
import re
import warnings
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from llama_index.core import Settings

from rlm_integrations.otel import uninstrument

ROOT = Path(__file__).parents[2]
HALVES = {
    "README.md": ["First run"],
    "docs/index.md": None,
    "docs/start.md": None,
    "docs/sessions.md": None,
    "docs/configuration.md": None,
    "docs/journal.md": None,
    "docs/langchain.md": None,
    "docs/measuring.md": None,
    "docs/llama_index.md": None,
    "docs/opentelemetry.md": None,
    "docs/recursion.md": None,
    "docs/repl.md": None,
    "docs/results.md": None,
    "docs/serving.md": None,
}
"""The sections of each page whose snippets a reader pastes into an empty file; None: all."""

SNIPPET = re.compile(r"^(?: {4})?```python\n(.*?)^(?: {4})?```$", re.MULTILINE | re.DOTALL)
PRINTED = re.compile(r"print\(.*\)  # -> (.+)$", re.MULTILINE)
BELOW = "# Below the program above.\n"
"""The first line of a snippet that goes on where the one before it ended."""


@dataclass(frozen=True)
class Snippet:
    name: str
    code: str

    @property
    def printed(self) -> list[str]:
        """What it says that it prints, a line for each."""
        return PRINTED.findall(self.code)


def snippets() -> list[Snippet]:
    found: list[Snippet] = []
    for page, headings in HALVES.items():
        text = (ROOT / page).read_text(encoding="utf-8")
        for section in re.split(r"^## ", f"\n{text}", flags=re.MULTILINE):
            heading = section.partition("\n")[0]
            if headings is None or heading in headings:
                codes = [dedent(code) for code in SNIPPET.findall(section)]
                whole = [
                    code if not code.startswith(BELOW) else f"{before}\n{code}"
                    for before, code in pairwise(["", *codes])
                ]
                found += [Snippet(f"{page} {heading} {number}".strip(), code) for number, code in enumerate(whole, 1)]
    return found


SNIPPETS = snippets()
PRINTED_BY: dict[str, list[str]] = {}
"""Lines by code: some stand on several pages."""


@pytest.fixture
def own_settings() -> Any:
    """LlamaIndex's settings, as they were before, and no spans."""
    former = Settings._llm
    yield
    Settings._llm = former
    uninstrument()


def execute(snippet: Snippet) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "__main__"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # clients of models live as long as a program
        warnings.simplefilter("ignore", DeprecationWarning)  # of the frameworks' own ways
        exec(compile(snippet.code, snippet.name, "exec"), names)
        gc.collect()
    return names


@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda snippet: snippet.name)
def test_a_snippet_runs_on_its_own_and_prints_what_it_says(
    snippet: Snippet,
    openai_server: str,
    own_settings: None,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if "journal=" in snippet.code or "to_html(" in snippet.code:
        monkeypatch.chdir(tmp_path)
    if "from fastapi" in snippet.code:
        pytest.importorskip("fastapi")
    if snippet.code not in PRINTED_BY:
        execute(snippet)
        PRINTED_BY[snippet.code] = capsys.readouterr().out.splitlines()
    lines = PRINTED_BY[snippet.code]
    assert snippet.printed, "it says nothing of what it prints"
    assert [line[: len(said)] for line, said in zip(lines, snippet.printed, strict=False)] == snippet.printed


@pytest.mark.parametrize(
    "snippet",
    [snippet for snippet in SNIPPETS if re.search("citation|source", snippet.code)],
    ids=lambda snippet: snippet.name,
)
def test_a_snippet_that_shows_evidence_runs_to_its_end_where_there_is_none(
    snippet: Snippet, server_that_cites_nothing: str, own_settings: None
) -> None:
    if "from fastapi" in snippet.code:
        pytest.importorskip("fastapi")
    assert execute(snippet)


def test_the_first_programs_need_only_what_is_installed_there() -> None:
    """The README's `pip install` names packages; what they need in turn a snippet may import, and pydantic is one."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "Nothing is on PyPI yet. In a clone" in readme
    first = [snippet.code for snippet in SNIPPETS if snippet.name.startswith("README.md First run")]
    for code, framework in zip(first, ("langchain", "llama-index"), strict=True):
        [models] = re.findall(rf'^pip install "\.\[{framework}\]" ([\w-]+)', readme, flags=re.MULTILINE)
        roots = {"langchain_core", "llama_index", "pydantic", "rlm_integrations", models.replace("-", "_"), "asyncio"}
        assert set(re.findall(r"^(?:from|import) (\w+)", code, flags=re.MULTILINE)) <= roots, framework


def test_every_page_has_snippets():
    """A misspelt heading would leave some out."""
    for page, headings in HALVES.items():
        for heading in headings or [""]:
            assert any(snippet.name.startswith(f"{page} {heading}".strip()) for snippet in SNIPPETS), (page, heading)


def test_the_route_sends_the_events(openai_server: str) -> None:
    testclient = pytest.importorskip("fastapi.testclient")
    [snippet] = [snippet for snippet in SNIPPETS if "from fastapi" in snippet.code]
    names = execute(snippet)
    sent = testclient.TestClient(names["app"]).get("/ask", params={"question": "How many contracts end before June?"})
    assert sent.headers["content-type"].startswith("text/event-stream")
    kinds = [line for line in sent.text.splitlines() if line.startswith("event: ")]
    assert (kinds[0], kinds[-1]) == ("event: progress", "event: answer")
    assert "419 contracts end before June." in sent.text
