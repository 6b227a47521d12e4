"""What pyproject.toml promises is what continuous integration installs and runs."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from rlm_integrations.core.errors import MissingExtraError
from rlm_integrations.core.extras import needed

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
REQUIREMENTS = {
    requirement.name: requirement
    for requirement in map(
        Requirement, [*PROJECT["dependencies"], *(line for extra in EXTRAS.values() for line in extra)]
    )
    if requirement.name != PROJECT["name"]
}
LOWEST = {
    requirement.name: requirement
    for line in (ROOT / "tests" / "constraints-lowest.txt").read_text("utf-8").splitlines()
    if line and not line.startswith("#")
    for requirement in [Requirement(line)]
}


@pytest.mark.parametrize("name", REQUIREMENTS)
def test_the_lowest_version_that_is_promised_is_tested(name: str) -> None:
    (promised,) = [each.version for each in REQUIREMENTS[name].specifier if each.operator == ">="]
    assert LOWEST[name].specifier.contains(promised), f"{name}: {promised} in pyproject.toml, {LOWEST[name]} tested"


def test_the_pythons_of_the_classifiers_are_those_of_continuous_integration() -> None:
    versions = [line.rpartition(" ")[2] for line in PROJECT["classifiers"] if "Python :: 3." in line]
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    assert versions == ["3.11", "3.13"]
    assert all(f"find_python {version})" in script for version in versions)
    assert PROJECT["requires-python"] == f">={versions[0]}"


def named_packages() -> Iterator[tuple[str, str]]:
    """Each package that the sources say is missing where it is, and the extra that they say brings it."""
    package = ROOT / "rlm_integrations"
    for path in sorted({*package.rglob("*.py")} - {package / "core" / "extras.py"}):
        for call in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(call, ast.Call) and getattr(call.func, "id", "") in ("needed", "missing_extra"):
                for extra in [each.value for each in call.keywords if each.arg == "extra"]:
                    yield ast.literal_eval(call.args[1]), ast.literal_eval(extra)


@pytest.mark.parametrize(("package", "extra"), sorted(set(named_packages())))
def test_the_extra_that_an_error_names_brings_the_package_that_is_missing(package: str, extra: str) -> None:
    assert package in [Requirement(line).name for line in EXTRAS[extra]]


def test_each_extra_that_is_named_to_a_user_exists() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "rlm_integrations").rglob("*.py")]
    named = {
        extra
        for page in pages
        for extras in re.findall(r"rlm-integrations\[([\w,-]+)\]", page.read_text("utf-8"))
        for extra in extras.split(",")
    }
    assert "langchain" in named
    assert named <= EXTRAS.keys()


def test_what_is_missing_is_told_with_what_brings_it_and_what_else_would_do() -> None:
    missing = needed("no_such", "no-such", extra="such", what="methods: such", instead="pass a retriever")
    with pytest.raises(MissingExtraError) as raised, missing:
        import no_such.part  # type: ignore[import-not-found]  # noqa: F401
    assert str(raised.value) == (
        'methods: such needs no-such; run: pip install "rlm-integrations[such]", or pass a retriever'
    )


@pytest.mark.parametrize(("module", "lacks"), [("openai", "anyio"), ("testing.llama_index", "tenacity")])
def test_a_package_that_is_there_but_broken_is_not_called_missing(module: str, lacks: str) -> None:
    code = f"import sys; sys.modules[{lacks!r}] = None; import rlm_integrations.{module}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1].startswith("ModuleNotFoundError: ")
    assert lacks in done.stderr.splitlines()[-1]
