"""No pattern of the host backtracks, and none that searches reads a text again from each of many openings: what they
are matched against may be text that others wrote.
"""

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
from tests.scanned_patterns import rereads

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
    "_REFUSED": "bounded: of an error, 4,000 characters are looked at",
    r"^### (\w+)\n(.*?)(?=\n### |\Z)": "reads prompts of this package",
    "_FENCED": "reads prompts of this package, and the user's",
    "_SUB_CALLS": "one character at most",
}


NOT_SCANNED_FAR = {
    "rlm_integrations.core.calls.own_turn._STOP_TOKENS": "over the last 200 characters of a text",
    "rlm_integrations.core.loop.near_json._TOKEN": "reading ends at the first comment or string that nothing ends",
}
AT_A_PLACE = {"match", "fullmatch"}
"""Methods that look at one place of a text. The others try each place, as long as nothing is found."""


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


def searching_patterns() -> dict[str, re.Pattern[str]]:
    """Those that are used otherwise than to match at a place, by module and name; all that are in calls of `re`."""
    modules, at_places, uses = host_modules(), dict[str, int](), dict[str, int]()
    found: dict[str, re.Pattern[str]] = {}
    for module in modules:
        tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
        held = {name: value for name, value in vars(module).items() if isinstance(value, re.Pattern)}
        for node in ast.walk(tree):
            match node:
                case ast.Name(name, ast.Load()) if name in held:
                    key = f"{held[name].pattern}{held[name].flags}"
                    uses[key] = uses.get(key, 0) + 1
                case ast.Attribute(ast.Name(name), method) if name in held and method in AT_A_PLACE:
                    key = f"{held[name].pattern}{held[name].flags}"
                    at_places[key] = at_places.get(key, 0) + 1
                case ast.Call(ast.Attribute(ast.Name("re"), method), [ast.Constant(str() as pattern), *_]) if (
                    method not in AT_A_PLACE | {"compile", "escape"}
                ):
                    found[pattern] = re.compile(pattern, re.MULTILINE)
                case _:
                    pass
        found |= {f"{module.__name__}.{name}": value for name, value in held.items()}
    return {
        name: value
        for name, value in found.items()
        if uses.get(f"{value.pattern}{value.flags}", 1) > at_places.get(f"{value.pattern}{value.flags}", 0)
    }


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
    found = [(module.__name__, *each) for module in host_modules() for each in patterns_of(module)]
    assert len(found) > 10
    backtracking = [(module, name) for module, name, pattern in found if gives_back(pattern)]
    assert [each for each in backtracking if each[1] not in NOT_POSSESSIVE] == []
    assert {name for _, name in backtracking} == set(NOT_POSSESSIVE)


def test_no_pattern_of_the_host_that_searches_reads_a_text_again_from_each_opening() -> None:
    found = searching_patterns()
    assert len(found) > 50
    again = {name: unit for name, value in found.items() if (unit := rereads(value.pattern, value.flags)) is not None}
    assert {name: unit for name, unit in again.items() if name not in NOT_SCANNED_FAR} == {}
    assert set(again) == set(NOT_SCANNED_FAR)


def test_every_promised_python_matches_a_pattern_alike() -> None:
    names = {each.name for each in pkgutil.walk_packages(rlm_integrations.__path__, "rlm_integrations.")}
    modules = [importlib.import_module(name) for name in names if not name.endswith(("__main__", "wasi_guest.app"))]
    found = [(module.__name__, *each) for module in modules for each in patterns_of(module)]
    assert len(found) > 100
    assert [(*where, pattern) for *where, pattern in found if "a possessive group" in repeats(pattern)] == []


@pytest.mark.parametrize(
    "pattern",
    [
        r"<a>[^b]*+b",
        r"<a>(?>(?:[^<]++|<(?!/a>))*)</a>",
        r"(?:x|<a>)(?P<n>[^b]*+)(?:b|c)",
        r"\s*+x",
        r"\n\s*+(?:x|y)",
        r"^(?=\s*+x)",
        r"a(?![^b]*+b)",
        r"a.{0,3000}+b",
        r"(?>(?:a(?=[^b]*+))*)",
    ],
)
def test_the_check_of_patterns_finds_what_reads_again(pattern: str) -> None:
    assert rereads(pattern, re.DOTALL | re.MULTILINE) is not None


@pytest.mark.parametrize(
    "pattern",
    [
        r"<a>[^<]*+b",
        r"<a>(?P<value>(?>(?:[^<]++|<(?!/a>))*))(?P<closing></|\Z)",
        r"(?<!\s)\s++x",
        r"\n[ \t]*+(?:x|y)",
        r"^(?=[^\S\n]*+x)",
        r"a[^b]*+",
        r"a.{0,40}+b",
        r"\A\s*+x",
    ],
)
def test_the_check_of_patterns_lets_pass_what_reads_once(pattern: str) -> None:
    assert rereads(pattern, re.DOTALL | re.MULTILINE) is None


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
