"""What importing the package costs, and which way its arrows run."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import rlm_integrations

PACKAGE = Path(rlm_integrations.__path__[0])
CORE = sorted((PACKAGE / "core").rglob("*.py"))


def loaded_after(code: str) -> set[str]:
    """The top-level modules that a fresh interpreter has loaded after the code."""
    child = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return {name.partition(".")[0] for name in json.loads(child.stdout)}


def test_importing_the_package_loads_neither_framework_nor_pydantic() -> None:
    loaded = loaded_after("import rlm_integrations")
    assert "rlm_integrations" in loaded
    assert not loaded & {"langchain_core", "langchain", "llama_index", "openai", "pydantic", "typer", "rich", "asyncio"}


def test_the_engine_loads_no_framework() -> None:
    loaded = loaded_after("from rlm_integrations import *\nassert RLMEngine and RLMResult and Usage")
    assert "pydantic" in loaded
    assert not loaded & {"langchain_core", "langchain", "llama_index", "openai", "typer", "rich", "numpy"}


def test_every_public_name_can_be_imported() -> None:
    for name in rlm_integrations.__all__:
        assert getattr(rlm_integrations, name).__name__ == name
    assert rlm_integrations.__all__ == sorted(rlm_integrations.__all__)


def test_a_name_that_there_is_not_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'rlm_integrations' has no attribute 'RLMEngin'"):
        rlm_integrations.RLMEngin  # noqa: B018


def imported(source: str) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            names.add(node.module or "")
    return names


@pytest.mark.parametrize("module", CORE, ids=lambda module: module.stem)
def test_the_core_imports_the_standard_library_and_pydantic_and_itself(module: Path) -> None:
    for name in imported(module.read_text(encoding="utf-8")):
        top = name.partition(".")[0]
        if top == "rlm_integrations":
            assert name.startswith("rlm_integrations.core")
        else:
            assert top in sys.stdlib_module_names | {"pydantic", "pydantic_core"}
