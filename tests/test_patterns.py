"""No pattern of the host backtracks: what it is matched against may be text that others wrote."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from re import _parser  # type: ignore[attr-defined]  # pyright: ignore
from typing import Any

import pytest

import rlm_integrations

OF_ONE_CHARACTER = {"LITERAL", "NOT_LITERAL", "IN", "ANY"}
NO_HOST = {
    "rlm_integrations.repl.": "runs in the confined worker; the host uses `bounded_repr` of it, which has no "
    "pattern, and `placeholders`, which stands in `final_argument` as well",
    "rlm_integrations.testing.": "for tests",
    "rlm_integrations.demo.": "reads the demo's own data",
    "rlm_integrations.sandboxes.wasi_guest.": "runs in the component",
    "rlm_integrations.sandboxes.wasi_worker.": "runs in a process of its own, and has no pattern",
    "rlm_integrations.sandboxes.process_worker.": "runs in the helper, over text of its own",
}
NOT_POSSESSIVE = {
    r"^(?=\s*citations\s*:)": "at the beginning of a line's text, one way to match",
    "_REFUSED": "bounded: of an error, 4,000 characters are looked at",
    r"^### (\w+)\n(.*?)(?=\n### |\Z)": "reads prompts of this package",
    "_FENCED": "reads prompts of this package, and the user's",
    r"\{sub_calls\}\n?": "one character at most",
}


def host_modules() -> list[Any]:
    names = [each.name for each in pkgutil.walk_packages(rlm_integrations.__path__, "rlm_integrations.")]
    return [
        importlib.import_module(name)
        for name in names
        if not f"{name}.".startswith(tuple(NO_HOST)) and not name.endswith("__main__")
    ]


def patterns_of(module: Any) -> Iterator[tuple[str, str]]:
    """Its patterns with their names, and those that stand in calls of `re`, or are named there."""
    for name, value in vars(module).items():
        if isinstance(value, re.Pattern):
            yield name, str(value.pattern)  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType]
    for node in ast.walk(ast.parse(Path(module.__file__).read_text(encoding="utf-8"))):
        match node:
            case ast.Call(ast.Attribute(ast.Name("re"), function), [ast.Constant(str() as pattern), *_]):
                yield (pattern, pattern) if function != "compile" else ("", "")
            case ast.Call(ast.Attribute(ast.Name("re"), function), [ast.Name(name), *_]) if (
                function != "escape" and isinstance(named := vars(module).get(name), str)
            ):
                yield name, named
            case _:
                pass


def repeats(pattern: str) -> Iterator[str]:
    """Its quantifiers that are not possessive, and those that are, but over a group.

    Up to CPython 3.11.4 a group that is repeated possessively, `(?:ab?c)*+`, may match what it should not
    (python/cpython#106052); `(?>(?:ab?c)*)`, which is to mean the same, does not.
    """
    return _repeats(_parser.parse(pattern))


def _repeats(items: Any, *, atomic: bool = False) -> Iterator[str]:
    for operator, value in items:
        name, held = str(operator), value
        if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            held = value[-1]
            if name == "POSSESSIVE_REPEAT":
                found = "a possessive group" if any(str(each) not in OF_ONE_CHARACTER for each, _ in held) else ""
            else:
                found = "" if name == "MAX_REPEAT" and atomic else "backtracks"
            if found:
                yield found
            yield from _repeats(held)
        elif name == "ATOMIC_GROUP":
            yield from _repeats(value, atomic=len(value) == 1)
        elif name == "BRANCH":
            for branch in value[1]:
                yield from _repeats(branch)
        elif name in ("SUBPATTERN", "ASSERT", "ASSERT_NOT"):
            yield from _repeats(value[-1])
        elif name == "GROUPREF_EXISTS":
            for branch in value[1:]:
                yield from _repeats(branch or ())


def gives_back(pattern: str) -> list[str]:
    return [each for each in repeats(pattern) if each == "backtracks"]


def test_no_pattern_of_the_host_backtracks() -> None:
    found = {name: pattern for module in host_modules() for name, pattern in patterns_of(module)}
    assert len(found) > 10
    backtracking = {name for name, pattern in found.items() if gives_back(pattern)}
    allowed = {name for name in found if name in NOT_POSSESSIVE or found[name] in NOT_POSSESSIVE}
    assert backtracking <= allowed
    assert {name for name in NOT_POSSESSIVE if not any(name in each for each in found.items())} == set()


def test_every_promised_python_matches_a_pattern_alike() -> None:
    names = {each.name for each in pkgutil.walk_packages(rlm_integrations.__path__, "rlm_integrations.")}
    modules = [importlib.import_module(name) for name in names if not name.endswith(("__main__", "wasi_guest.app"))]
    found = [(module.__name__, *each) for module in modules for each in patterns_of(module)]
    assert len(found) > 100
    assert [(*where, pattern) for *where, pattern in found if "a possessive group" in repeats(pattern)] == []


@pytest.mark.parametrize("pattern", [r"\w+x", r"(?:a|b)*", r"a{1,3}", r"[a-z]+?", r"(?P<n>a?)", r"(?>a*b)", r"(?>a*?)"])
def test_the_check_of_patterns_finds_quantifiers(pattern: str) -> None:
    assert gives_back(pattern)


@pytest.mark.parametrize("pattern", [r"(?:ab|c)*+", r"(ab)?+", r"(?:x(?:a?+b){2}+)", r"(?=(?:ab?c)++)"])
def test_the_check_of_patterns_finds_groups(pattern: str) -> None:
    assert "a possessive group" in repeats(pattern)


@pytest.mark.parametrize(
    "pattern",
    [r"\w++x", r"(?>(?:a|b)*)", r"a{1,3}+", r"[*+?]", r"\*\+", r"(?<!\w)x", r"(?P<n>a)", r"[ab]*+.?+\s{2,3}+"],
)
def test_the_check_of_patterns_lets_others_pass(pattern: str) -> None:
    assert list(repeats(pattern)) == []
