"""What pyproject.toml promises is what continuous integration installs and runs."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

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
