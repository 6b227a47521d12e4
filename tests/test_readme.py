"""What the README says is so: its snippets run, on real objects with scripted models, and its tables are the code's."""

from __future__ import annotations

import inspect
import pkgutil
import re
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import rlm_integrations
from rlm_integrations import RLMEngine, RLMError, RLMLimits
from rlm_integrations.cli.app import app
from rlm_integrations.core.language_model import Message
from rlm_integrations.core.trace.summary import SUMMARY_BYTES
from rlm_integrations.demo.delivery_log import make_log
from rlm_integrations.demo.report import TOP_K
from rlm_integrations.langchain import RLMRunnable
from rlm_integrations.llama_index import RLMQueryEngine
from rlm_integrations.sandboxes.choose import resolve_sandbox
from rlm_integrations.testing import ScriptedModel

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
LIMITS, RESULTS, ISOLATION, TESTING, START = (
    (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    for page in ("configuration", "results", "isolation", "testing", "start")
)
PAGES = [str(path.relative_to(ROOT)) for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"))]
QUESTION = "Which contracts end before June?"
CONTRACTS = {
    f"contract-{n:02}": f"contract-{n:02} ends on 2026-{1 + n % 12:02}-28. "
    + "The parties keep each other informed. " * 20
    for n in range(40)
}
ENDING = sorted(name for name, text in CONTRACTS.items() if re.search(r"2026-0[1-5]", text))

FIND = """```repl
found = search(r"contract-\\d\\d ends on 2026-0[1-5]", limit=None)
for match in found:
    cite(match.text, match.id)
names = sorted({match.text.split()[0] for match in found})
"""
SAY = 'answer["content"] = llm_query("Say these: " + ", ".join(names))\nanswer["ready"] = True\n```'
SAID = f"They are {', '.join(ENDING)}."


def play(messages: Sequence[Message]) -> str:
    """The replies of every model in the README: as the root LM code that answers QUESTION, as a sub-LM one sentence."""
    if "```repl" not in messages[0].content:
        return f"They are {messages[-1].content.rpartition('Say these: ')[2]}."
    return FIND + SAY


def table(page: str, header: str) -> list[list[str]]:
    """The cells of a page's table whose first column has that header."""
    rows = re.search(rf"^\| {header} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", page, flags=re.MULTILINE)
    assert rows is not None
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows[1].splitlines()]


def code_names(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def run(block: str, names: dict[str, Any]) -> None:
    exec(compile(block, "docs/testing.md", "exec"), names)


def test_the_commands(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    Path("docs").mkdir()
    for name, text in CONTRACTS.items():
        Path("docs", f"{name}.md").write_text(text)
    Path("README.md").write_text("The board decides.")

    def made(name: str, *_: Any, **__: Any) -> ScriptedModel:
        return ScriptedModel(always=play, model=name)

    monkeypatch.setattr("rlm_integrations.cli.settings.OpenAIModel", made)
    pages = START + (ROOT / "docs/command_line.md").read_text(encoding="utf-8")
    commands = re.findall(r"^rlm-integrations ((?:ask|trace) .*)$", pages, flags=re.MULTILINE)
    assert len(commands) == 8
    printed: list[str] = []
    for command in commands:
        done = CliRunner().invoke(app, shlex.split(command))
        assert done.exit_code == 0, done.stderr
        printed.append(done.stdout.splitlines()[0])
    listed = printed.pop(commands.index("trace list"))
    assert listed.endswith("  run.json  answer")
    question = "question: Which arguments bound what a run costs?"
    assert printed == [SAID] * 3 + [question, "run.html", SAID, question]
    assert "<!DOCTYPE html>" in Path("run.html").read_text(encoding="utf-8")


def test_the_limits_that_are_named_have_those_values():
    section = README.partition("\n## Limits\n")[2].partition("\n## ")[0]
    told = {
        name: figure.replace(",", "")
        for figure, name in re.findall(r"([\d,]{2,}) [^(;\n]*\(`(\w+)`\)", section.replace(": set it", ""))
    }
    assert len(told) >= 8
    for name, figure in told.items():
        assert float(figure) == RLMLimits.model_fields[name].default, name


def test_the_snippet_for_tests():
    snippet, of_sandboxes = re.findall(r"^```python\n(.*?)^```$", TESTING, flags=re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    run(snippet, names)
    names["test_the_length_is_counted"]()
    run(of_sandboxes, names)
    names["TestMySandbox"]().test_each_gap_is_a_tests_name()


def test_the_limits():
    told = {
        name: default.replace(",", "")
        for [name], default in ((code_names(row[0]), row[1]) for row in table(LIMITS, "limit"))
    }
    fields = RLMLimits.model_fields
    assert list(told) == list(fields)
    for name, default in told.items():
        assert (None if default == "none" else float(default)) == fields[name].default, name


@pytest.mark.parametrize("face", [RLMEngine.__init__, RLMRunnable.__init__, RLMQueryEngine.__init__])
def test_the_arguments_are_common_to_all_faces(face: Callable[..., Any]):
    fields = RLMRunnable.model_fields
    for row in table(LIMITS, "argument"):
        [name], default = code_names(row[0]), row[1].strip("`").strip('"')
        if face is RLMRunnable.__init__:  # at run time it takes its fields
            actual = fields[name].get_default(call_default_factory=True)
        else:
            actual = inspect.signature(face).parameters[name].default
        if name in ("sandbox", "on_limit", "protocol", "route"):
            assert actual == default
        else:
            assert actual in (None, (), RLMLimits())


def test_the_errors():
    told = {code_names(row[0])[0]: code_names(row[0])[1:] for row in table(RESULTS, "error")}
    public = {name: getattr(rlm_integrations, name) for name in rlm_integrations.__all__}
    kinds = {name: kind for name, kind in public.items() if isinstance(kind, type) and issubclass(kind, Exception)}
    assert set(told) == set(kinds) - {"RLMError"}
    for name, also in told.items():
        assert issubclass(kinds[name], RLMError)
        named = {parent.__name__ for parent in kinds[name].__bases__} - {"RLMError"}
        assert set(also) == named, name


def test_the_layers():
    assert [row[0] for row in table(ISOLATION, "layer")] == list(resolve_sandbox("auto").capabilities().layers)


def test_the_numbers():
    words = " ".join(README.split())
    assert f"a log of {make_log().chars // 1_000_000} MB" in words
    assert f"top-{TOP_K[0]}, {TOP_K[1]} and {TOP_K[2]} retrieval" in words
    assert f"at most {SUMMARY_BYTES // 1024} KB" in RESULTS
    assert f"up to {('eleven', 'twelve')[len(table(ISOLATION, 'layer')) - 12]} more layers" in words


def test_every_dotted_name_is_there():
    found = set(re.findall(r"`(rlm_integrations(?:\.\w+)+)`", README + START + TESTING))
    assert "rlm_integrations.testing.langchain.ScriptedChatModel" in found
    for name in found:
        pkgutil.resolve_name(name)  # raises where there is nothing of that name


def anchors(page: Path) -> set[str]:
    """Where links into the page may lead, as GitHub names headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_links_and_make_targets_lead_somewhere(page: str):
    text, makefile = (ROOT / page).read_text(encoding="utf-8"), (ROOT / "Makefile").read_text(encoding="utf-8")
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", text):
        there = (ROOT / page).parent / target if target else ROOT / page
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), f"{target}#{anchor}"
    for target in re.findall(r"^make ([\w-]+)", text, flags=re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target
