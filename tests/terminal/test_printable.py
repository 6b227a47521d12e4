from __future__ import annotations

import json
import sys
import unicodedata
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_integrations.terminal.printable import one_line, one_sentence, printable, printable_json

DEFAULT_IGNORABLE = """00AD 034F 061C 115F-1160 17B4-17B5 180B-180F 200B-200F 202A-202E 2060-206F 3164 FE00-FE0F FEFF
FFA0 FFF0-FFF8 1BCA0-1BCA3 1D173-1D17A E0000-E0FFF"""
"""Unicode's list, of DerivedCoreProperties.txt."""
HIEROGLYPH_LAYOUT = range(0x13430, 0x13440)
"""Format characters, of which Python 3.11 knows the first nine only."""
VISIBLE_FORMATS = {*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD}
"""Signs that Unicode counts among the format characters and that have a glyph."""


@cache
def unfit() -> set[int]:
    listed = [[int(end, 16) for end in entry.split("-")] for entry in DEFAULT_IGNORABLE.split()]
    found = {point for entry in listed for point in range(entry[0], entry[-1] + 1)}
    found.update(HIEROGLYPH_LAYOUT)
    for point in range(sys.maxunicode + 1):
        if unicodedata.category(chr(point)) in ("Cc", "Cf", "Cs", "Zl", "Zp"):
            found.add(point)
    return found - VISIBLE_FORMATS - {ord("\n"), ord("\t")}


def test_every_character_that_steers_reorders_or_hides_is_escaped_and_no_other() -> None:
    changed = {point for point in range(sys.maxunicode + 1) if printable(chr(point)) != chr(point)}
    assert changed == unfit()


@given(st.text())
def test_what_comes_out_has_none_of_them_but_what_scripts_need(text: str) -> None:
    shown = printable(text)
    for place, char in enumerate(shown):
        assert ord(char) not in unfit() or (char in "\u200c\u200d\ufe0e\ufe0f" and shown[place - 1] > "\x7f")
    assert printable(shown) == shown
    assert len(one_line(text).splitlines()) <= 1
    assert not set("\n\t\r") & set(one_line(text))


@given(st.dictionaries(st.text(), st.text()))
def test_json_says_the_same_afterwards(value: dict[str, str]) -> None:
    text = printable_json(json.dumps(value, ensure_ascii=False, indent=1))
    assert json.loads(text) == value
    assert not {ord(char) for char in text} & unfit()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\n\tlines é 漢 😀", "plain\n\tlines é 漢 😀"),
        ("\x1b[2Jgone\rover\x07\x9b31m", r"\x1b[2Jgone\rover\x07\x9b31m"),
        ("pay \u202e01\u202c pounds\u2066!\u200f", r"pay \u202e01\u202c pounds\u2066!\u200f"),
        ("windows\r\nlines", "windows\nlines"),
        ("می\u200cخواهم ❤\ufe0f", "می\u200cخواهم ❤\ufe0f"),
        ("a\u200db ❤\ufe0f\ufe0f\U000e0041", "a\\u200db ❤\ufe0f\\ufe0f\\U000e0041"),
    ],
)
def test_what_is_shown(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_a_name_keeps_its_line_breaks_as_escapes_and_prose_loses_them() -> None:
    assert one_line("a\n[2] b\r\n\tc") == r"a\n[2] b\r\n\tc"
    assert one_sentence(" it\n  broke\x85 down ") == "it broke down"
