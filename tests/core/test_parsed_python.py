"""Code that others wrote reaches Python's parser in an amount that it reads at once: it keeps all threads waiting."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import rlm_integrations
from rlm_integrations.core.loop.doubts import touches_answer
from rlm_integrations.core.loop.final_argument import final_for
from rlm_integrations.core.loop.session_code import read_python
from rlm_integrations.core.trace.data_flow import DataFlow

CORE = Path(rlm_integrations.__file__).parent / "core"
PILED = "\u0301\u0316" * 20
"""Python normalizes names, and sorts the marks on a letter in time that is the square of their number."""
SLOW = {
    "a letter with many marks": f"a{PILED} = context",
    "many statements": "x = context;" * 3_000,
    "many arguments, and then a wrong one": f"f({'a=1,' * 3_000}context)",
    "many fields of an f-string": f"x = f'{'{a}' * 5_000}', context",
    "an f-string alone": f"f'{'{a}' * 5_000}'",
}


@pytest.fixture
def parsed_codes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What reaches the parser."""
    codes: list[str] = []
    real = ast.parse

    def parse(source: str, *args: object, **keywords: object) -> ast.AST:
        codes.append(source)
        return real(source[:10_000], *args, **keywords)  # type: ignore[call-overload, no-any-return]

    monkeypatch.setattr(ast, "parse", parse)
    return codes


@pytest.mark.parametrize("code", [pytest.param(code, id=name) for name, code in SLOW.items()])
def test_what_takes_the_parser_long_is_not_parsed(code: str, parsed_codes: list[str]) -> None:
    read_python(code)
    touches_answer([code])
    final_for(code, ())
    DataFlow().follow(code)
    assert not [each for each in parsed_codes if len(re.findall(r"\w+|[^\w\s]", each)) > 10_000 or PILED in each]


def test_a_text_in_quotes_is_unquoted_however_long_it_is() -> None:
    words = "so it is, " * 20_000
    assert (final := final_for(f'("{words}")', ())) is not None
    assert final.text == words


def test_words_with_as_many_marks_as_languages_have_are_names() -> None:
    assert read_python("ngữ_cảnh = context") is not None
    assert read_python(f"a{PILED[:30]} = context") is not None


def test_one_function_alone_parses_what_others_wrote() -> None:
    files = [file.relative_to(CORE).as_posix() for file in CORE.rglob("*.py") if "ast.parse(" in file.read_text()]
    assert files == ["parsed_python.py"]
