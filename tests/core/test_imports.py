"""What importing the package costs, and which way its arrows run."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import get_args

import pytest

import rlm_integrations
from rlm_integrations.core import errors
from rlm_integrations.core.trace import events, run_errors

PACKAGE = Path(rlm_integrations.__path__[0])
CORE = sorted((PACKAGE / "core").rglob("*.py"))


@cache
def modules_after_each(*codes: str) -> list[set[str]]:
    """The modules that a fresh interpreter has loaded after each of these, which it runs one after the other.

    It takes long to start one, so tests share it.
    """
    tell = "import json, sys\nprint(json.dumps(sorted(sys.modules)))"
    child = subprocess.run(
        [sys.executable, "-c", "\n".join(f"{code}\n{tell}" for code in codes)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return [set(json.loads(line)) for line in child.stdout.splitlines()]


def top_level(modules: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules}


def loaded_after(code: str) -> set[str]:
    """The top-level ones that a fresh interpreter of its own has loaded after the code."""
    return top_level(modules_after_each(code)[0])


RARE = {
    "difflib",
    "sqlite3",
    "rlm_integrations.core.run.journalled",
    "rlm_integrations.core.journal.run_journal",
    "rlm_integrations.files.converter",
    "rlm_integrations.files.finding",
    "rlm_integrations.files.reading",
    "rlm_integrations.sandboxes.wasi",
    "rlm_integrations.trace_page",
}
"""What few runs need: each is imported where it is asked for."""


RUN = """
import asyncio, sys, tempfile
from rlm_integrations.core.trace.call_records import Record
from rlm_integrations.testing import ScriptedModel
assert not [kind for kind in Record.__subclasses__() if not kind.__pydantic_complete__]
code = "```repl\\nprint(search('text'))\\nanswer['content'] = 'a'\\nanswer['ready'] = True\\n```"
with tempfile.TemporaryDirectory() as folder:
    journal = folder + "/runs.sqlite" if {journal} else None
    engine = RLMEngine(ScriptedModel([code]), limits={{"inline_chars": 0}}, journal=journal)
    before = set(sys.modules)
    assert asyncio.run(engine.arun("Which?", "some text")).answer == "a"
    assert not set(sys.modules) - before, set(sys.modules) - before
"""
ENGINE = (
    "import rlm_integrations",
    "from rlm_integrations import RLMEngine",
    RUN.format(journal=False),
    RUN.format(journal=True),
    "from rlm_integrations import *\nassert RLMEngine and RLMResult and Usage",
)
RUNNABLE = (
    "from rlm_integrations.langchain import RLMRunnable",
    "import rlm_integrations.langchain as face\nassert 'ChatRLM' in dir(face)\n"
    "from rlm_integrations.langchain import *\nassert ChatRLM and RLMRunnable and ChatRLM is face.ChatRLM",
)


def test_importing_the_package_loads_neither_framework_nor_pydantic() -> None:
    loaded = top_level(modules_after_each(*ENGINE)[0])
    assert "rlm_integrations" in loaded
    assert not loaded & {"langchain_core", "langchain", "llama_index", "openai", "pydantic", "typer", "rich", "asyncio"}


def test_the_engine_loads_no_framework() -> None:
    loaded = top_level(modules_after_each(*ENGINE)[-1])
    assert "pydantic" in loaded
    assert not loaded & {"langchain_core", "langchain", "llama_index", "openai", "typer", "rich", "numpy"}


def test_the_engine_loads_nothing_that_few_runs_need() -> None:
    assert not modules_after_each(*ENGINE)[1] & RARE


@pytest.mark.parametrize("journal", [False, True])
def test_a_run_imports_nothing_for_which_its_event_loop_would_wait(journal: bool) -> None:
    """That a run imports nothing, and finds its records complete, is said by the program itself."""
    assert ("rlm_integrations.core.run.journalled" in modules_after_each(*ENGINE)[2 + journal]) == journal


def test_the_runnable_loads_nothing_of_langchain_that_it_may_never_need() -> None:
    loaded, _ = modules_after_each(*RUNNABLE)
    own = {f"rlm_integrations.langchain.{name}" for name in ("chained_outputs", "chat_rlm", "question_tool")}
    heavy = {"langchain_core.document_loaders.base", "langchain_core.vectorstores.base", "langchain_text_splitters"}
    assert "rlm_integrations.langchain.runnable" in loaded
    assert not loaded & (own | heavy | RARE - {"difflib", "sqlite3"})


def test_what_is_loaded_on_use_is_there_as_any_name() -> None:
    _, loaded = modules_after_each(*RUNNABLE)
    assert "rlm_integrations.langchain.chat_rlm" in loaded


def test_a_query_engine_loads_no_other_framework() -> None:
    framework = "from llama_index.core import Document"
    code = f"""
{framework}
from rlm_integrations.llama_index import RLMQueryEngine
from rlm_integrations.testing.llama_index import ScriptedLLM
engine = RLMQueryEngine.from_documents([Document(text="Of pets.")], llm=ScriptedLLM(["FINAL('a cat')"]))
assert str(engine.query("Which?")) == "a cat"
"""
    loaded = loaded_after(code) - loaded_after(framework)  # some versions of it load rich
    assert not loaded & {"langchain_core", "langchain", "openai", "typer", "rich"}


def test_reading_a_folder_loads_no_parser_of_foreign_formats(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text("<p>a")
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.4\n")
    code = "import pathlib, warnings; warnings.simplefilter('ignore'); from rlm_integrations import Corpus\n"
    loaded = loaded_after(code + f"assert len(Corpus.of(pathlib.Path({str(tmp_path)!r})).documents) == 1")
    assert not loaded & {"pypdf", "docx", "pptx", "openpyxl", "striprtf", "lxml", "html", "mailbox"}


def test_every_public_name_can_be_imported_and_is_what_checkers_see() -> None:
    for name in rlm_integrations.__all__:
        assert getattr(rlm_integrations, name) is not None
    assert rlm_integrations.__all__ == sorted(rlm_integrations.__all__)
    tree = ast.parse(Path(rlm_integrations.__file__).read_text(encoding="utf-8"))
    (for_checkers,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {
        (alias.name, f"{statement.module}")
        for statement in for_checkers.body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }
    homes = {(name, f"rlm_integrations.{home}") for name, home in rlm_integrations._HOMES.items()}
    assert seen == homes
    assert {name for name, _ in homes} == set(rlm_integrations.__all__)


def test_every_error_and_every_event_is_public() -> None:
    for module in (errors, run_errors, events):
        own = {name for name, kind in vars(module).items() if getattr(kind, "__module__", None) == module.__name__}
        assert {name for name in own if name[0].isupper()} <= set(rlm_integrations.__all__)
    assert {kind.__name__ for kind in get_args(events.Event)} <= set(rlm_integrations.__all__)


def test_readme_and_examples_import_public_names_only() -> None:
    pages = [PACKAGE.parent / "README.md", *(PACKAGE.parent / "examples").glob("*.py")]
    for page in pages:
        assert not re.findall(
            r"rlm_integrations\.(?:core|sandboxes|repl|wire|engine)\b", page.read_text(encoding="utf-8")
        )


def test_a_name_that_there_is_not_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'rlm_integrations' has no attribute 'RLMEngin'"):
        rlm_integrations.RLMEngin  # noqa: B018


def imported(path: Path) -> set[str]:
    """The modules that a file imports, wherever in it, by name too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names=names):
                found |= {alias.name for alias in names}
            case ast.ImportFrom(module=str(module), level=0):
                found.add(module)
            case ast.Call(
                func=ast.Name(id="import_module") | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(module)), *_],
            ):
                found.add(module)
            case _:
                pass
    return found


@pytest.mark.parametrize("module", CORE, ids=lambda module: module.stem)
def test_the_core_imports_the_standard_library_and_pydantic_and_itself(module: Path) -> None:
    for name in imported(module):
        top = name.partition(".")[0]
        if top == "rlm_integrations":
            assert name.startswith(
                tuple(f"rlm_integrations.{room}" for room in ("core", "files", "frozen", "repl", "trace_page", "wire"))
            )
        else:
            assert top in sys.stdlib_module_names | {"pydantic", "pydantic_core"}


FOREIGN: dict[str, set[str]] = {
    "cli": {"openai", "pydantic", "rich", "typer"},
    "compare": {"llama_index", "rank_bm25"},
    "core": {"pydantic", "pydantic_core"},
    "deepagents": {"deepagents"},
    "demo": {"pygments", "rich"},
    "engine": {"typing_extensions"},
    "files": {"charset_normalizer", "docx", "openpyxl", "pathspec", "pptx", "pyarrow", "pypdf", "striprtf"},
    "langchain": {
        "jsonschema",
        "langchain",
        "langchain_core",
        "langgraph",
        "pydantic",
        "pydantic_core",
        "referencing",
        "typing_extensions",
    },
    "llama_index": {"llama_index", "llama_index_instrumentation", "pydantic"},
    "openai": {"httpx", "openai"},
    "otel": {"opentelemetry"},
    "pricing": {"genai_prices"},
    "ray": {"ray"},
    "sandboxes/wasi_guest": {"tzdata", "wit_world"},
    "sandboxes/wasi_worker": {"wasmtime"},
    "terminal": {"markdown_it", "rich"},
    "testing": {"langchain_core", "llama_index", "pydantic", "pytest", "pytest_asyncio"},
}
"""What each room imports beside the standard library and this package: the others nothing."""

PURE = {
    *(
        "__future__",
        "ast",
        "bisect",
        "builtins",
        "collections",
        "contextlib",
        "dataclasses",
        "datetime",
        "functools",
        "itertools",
    ),
    *("json", "keyword", "math", "pydantic", "pydantic_core", "re", "rlm_integrations", "sys", "textwrap", "typing"),
}
"""What the rules of a run may import: no clock, no chance, nothing of the machine, and nothing that waits."""


def room_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return "/".join(parts[: 2 if parts[0] == "sandboxes" else 1])


def test_each_room_imports_the_packages_that_are_its_own() -> None:
    foreign: dict[str, set[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        known = {*sys.stdlib_module_names, "rlm_integrations"}
        if theirs := top_level(imported(path)) - known:
            foreign.setdefault(room_of(path), set()).update(theirs)
    assert foreign == FOREIGN


def test_the_rules_of_a_run_know_no_clock_no_chance_and_no_waiting() -> None:
    files = sorted((PACKAGE / "core" / "loop").rglob("*.py"))
    assert len(files) > 30
    for path in files:
        names = imported(path)
        assert top_level(names) <= PURE, path
        assert not {name for name in names if name.endswith((".model_calls", ".model_path", ".threads"))}, path
        assert not re.search(r"^\s*(async def|await) ", path.read_text(encoding="utf-8"), re.MULTILINE), path
