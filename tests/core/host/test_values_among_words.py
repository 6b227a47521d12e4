"""A sub-LM that says a value plainly, with a label, a reason or its currency, is understood at once. What may be
another value is asked for again.
"""

from __future__ import annotations

from typing import Any

import pytest

from rlm_integrations.core.host.map_replies import marked_replies
from rlm_integrations.core.host.map_values import MapValues

INTEGER: dict[str, Any] = {"type": "integer"}
NUMBER: dict[str, Any] = {"type": "number"}
BOOLEAN: dict[str, Any] = {"type": "boolean"}
DATE: dict[str, Any] = {"type": "string", "format": "date"}
STATUS: dict[str, Any] = {"enum": ["open", "closed", "not stated"]}
LETTER: dict[str, Any] = {"enum": ["A", "B", "C"]}
MAYBE: dict[str, Any] = {"anyOf": [INTEGER, {"type": "null"}]}

PLAIN: list[tuple[dict[str, Any], str, Any]] = [
    # below a label, in whatever words
    (INTEGER, "Number of entries: 42", 42),
    (INTEGER, "The total number of entries is 42.", 42),
    (INTEGER, "The year is 1984.", 1984),
    (INTEGER, "Sure! The answer is 42.", 42),
    (INTEGER, "Antwort: 42", 42),
    (INTEGER, "Réponse : 42", 42),
    (INTEGER, "答案：42", 42),
    (INTEGER, "答案是42。", 42),
    (INTEGER, "الإجابة: 42", 42),
    (INTEGER, "= 42", 42),
    (STATUS, "Status: closed", "closed"),
    (STATUS, "Category: **Open**", "open"),
    (STATUS, "The status is **closed**.", "closed"),
    (STATUS, "→ open", "open"),
    (DATE, "Signed: 2024-03-05", "2024-03-05"),
    (BOOLEAN, "Verdict: yes", True),
    (MAYBE, "Year: null", None),
    # before an explanation
    (INTEGER, "42 (40 in section A, 2 in section B)", 42),
    (INTEGER, "12, of which 5 are in May", 12),
    (INTEGER, "5 — see lines 3 and 7", 5),
    (INTEGER, "**Answer:** 12 (5 in May, 7 in June)", 12),
    (NUMBER, "3.50 USD (about 3.20 EUR)", 3.5),
    (BOOLEAN, "Yes, it does.", True),
    (BOOLEAN, "No. The item does not mention it.", False),
    (BOOLEAN, "**No** – nothing says so", False),
    (BOOLEAN, "Yes. It says so.", True),
    (STATUS, "closed - the contract ended", "closed"),
    (STATUS, "Open. No end is named.", "open"),
    (STATUS, "not stated (no date)", "not stated"),
    (LETTER, "A: because it comes first", "A"),
    (DATE, "2024-03-05 (signed)", "2024-03-05"),
    (MAYBE, "None, since no year is given.", None),
    # above lines that are of something else
    (INTEGER, "5\n\nYear: 2024", 5),
    (INTEGER, "5\n\nThe number of pages is 12.", 5),
    (INTEGER, "5\n\nMay: 2\nJune: 3", 5),
    # as people write numbers
    (INTEGER, "1 234", 1234),
    (INTEGER, "1\u202f234", 1234),
    (INTEGER, "1'234", 1234),
    (INTEGER, "1.234.567", 1234567),
    (INTEGER, "\u22125", -5),
    (INTEGER, "$1,234", 1234),
    (MAYBE, "1,234", 1234),
    (NUMBER, "1.234,56 €", 1234.56),
    (NUMBER, "CHF 1'234.50", 1234.5),
    (NUMBER, "-$5.20", -5.2),
    (NUMBER, "1200円", 1200),
    (NUMBER, "Total: $1,234.50", 1234.5),
    # in other dress
    (INTEGER, '{"answer": 42}', 42),
    (INTEGER, "<answer>42</answer>", 42),
    (BOOLEAN, '```json\n{"answer": true}\n```', True),
    (BOOLEAN, "\\boxed{yes}", True),
    (STATUS, '{"label": "Open"}', "open"),
    (STATUS, "open。", "open"),
    (LETTER, "(B)", "B"),
    (LETTER, "B)", "B"),
]

DOUBTFUL: list[tuple[dict[str, Any], str]] = [
    (INTEGER, "Not 5"),
    (INTEGER, ">100"),
    (INTEGER, "Error: 429"),
    (INTEGER, "My first guess: 5"),
    (INTEGER, "Old value: 5"),
    (INTEGER, "Previous total: 5"),
    (INTEGER, "Draft: 5"),
    (INTEGER, "5, 7 and 9"),
    (INTEGER, "5 - 7"),
    (INTEGER, "5 (or 6)"),
    (INTEGER, "5, if Bo counts"),
    (INTEGER, "5 million (in 2020)"),
    (INTEGER, "1. Anna\n2. Ben"),
    (INTEGER, "May: 5\nJune: 7"),
    (INTEGER, "5, in May\n7, in June"),
    (INTEGER, "Total: 5 + 7"),
    (INTEGER, "The text does not say how many of the 12 branches are open."),
    (INTEGER, "unknown, at least 5"),
    (INTEGER, "5 (five)\n\nFinal answer: 6"),
    (INTEGER, "5\n\nRecount: 6"),
    (INTEGER, "5\n\nRechecking gives 6."),
    (INTEGER, "1.234"),
    (INTEGER, "+49 123 456"),
    (NUMBER, "1,234"),
    (NUMBER, "3,5"),
    (NUMBER, "$3.5M"),
    (NUMBER, "3.50 EUR - 4.00 EUR"),
    (BOOLEAN, "Yes, but actually no."),
    (BOOLEAN, "Yes. No."),
    (BOOLEAN, "No, wait, yes"),
    (BOOLEAN, "No: yes"),
    (BOOLEAN, "Possibly: yes"),
    (BOOLEAN, "No information is given."),
    (BOOLEAN, "The opposite is true"),
    (STATUS, "open, closed"),
    (STATUS, "open, later closed"),
    (STATUS, "Confidence: open"),
    (STATUS, "A: open\nB: closed"),
    (LETTER, "A, B and C"),
    (LETTER, "A contract was signed, so B"),
    (DATE, "2024-03-05 - 2024-03-07"),
    (DATE, "Start: 2024-03-05\nEnd: 2024-03-06"),
    (MAYBE, "None. It is 5."),
    (MAYBE, "null (5?)"),
]


@pytest.mark.parametrize(("schema", "reply", "value"), PLAIN)
def test_a_plain_value_among_words_is_taken(schema: dict[str, Any], reply: str, value: Any) -> None:
    found, why = MapValues(schema).read(reply)
    assert (found, type(found), why) == (value, type(value), None)


@pytest.mark.parametrize(("schema", "reply"), DOUBTFUL)
def test_what_may_be_another_value_is_asked_for_again(schema: dict[str, Any], reply: str) -> None:
    assert MapValues(schema).read(reply)[1] is not None


@pytest.mark.parametrize(
    "reply",
    [
        "[1-aaaa] => one\n[2-bbbb] => two",
        "[1-aaaa]：one\n[2-bbbb]：two",
        "1-aaaa,one\n2-bbbb,two",
        "{'1-aaaa': 'one', '2-bbbb': 'two'}",
    ],
)
def test_marks_in_more_dresses_are_read(reply: str) -> None:
    assert marked_replies(reply, {"1-aaaa": 0, "2-bbbb": 1}) == ({0: "one", 1: "two"}, set())


def test_a_number_behind_a_mark_and_a_comma_is_read() -> None:
    words, _ = marked_replies("1-aaaa,3\n2-bbbb,-4", {"1-aaaa": 0, "2-bbbb": 1})
    assert [MapValues(INTEGER).read(words[place]) for place in (0, 1)] == [(3, None), (-4, None)]


def test_a_dict_of_python_gives_texts_without_its_quotes() -> None:
    reply = "{'1-aaaa': 'It\\'s a pear', '2-bbbb': 'Brick'}"
    assert marked_replies(reply, {"1-aaaa": 0, "2-bbbb": 1}) == ({0: "It's a pear", 1: "Brick"}, set())
