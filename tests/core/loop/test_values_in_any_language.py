"""A value that words in whatever language take back, doubt or go on with is asked for again; one that they name or
explain is taken at once. Both by the form of the reply, in typed answers and in typed maps.
"""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

import pytest

from rlm_integrations.core.host.map_values import MapValues
from rlm_integrations.core.loop.answer_type import AnswerType

Sentiment = Literal["positive", "negative", "neutral"]
Letter = Literal["A", "B", "C"]
Kind = Literal["Vertrag", "Rechnung", "Mahnung"]
Tone = Literal["正面", "负面"]
SCHEMAS: dict[Any, dict[str, Any]] = {
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    date: {"type": "string", "format": "date"},
    Sentiment: {"enum": ["positive", "negative", "neutral"]},
    Letter: {"enum": ["A", "B", "C"]},
    Kind: {"enum": ["Vertrag", "Rechnung", "Mahnung"]},
    Tone: {"enum": ["正面", "负面"]},
    list[str]: {"type": "array", "items": {"type": "string"}},
    list[int]: {"type": "array", "items": {"type": "integer"}},
}

DOUBTFUL: list[tuple[Any, str]] = [
    # corrected below
    (int, "42\n\nNein, 41."),
    (int, "42\n\nNon, 41."),
    (int, "42\n\nНет, 41."),
    (int, "42。\n\n不对，应该是41。"),
    (int, "42\n\nDoch eher 41."),
    (int, "42\n\nKorrektur: 41"),
    (int, "42\n\nEher 41.\nOder 40."),
    (int, "42\n\n訂正：41"),
    (int, "42\n\nMoment, Eintrag 7 ist doppelt: 41"),
    (int, "42\n\nWithout the duplicates it would be 41."),
    (bool, "No.\n\nOh wait: yes."),
    (bool, "Yes\n\nDoch eher no.\nPeut-être yes."),
    (bool, "Yes\n\nHowever, clause 9 says no."),
    (Letter, "A\n\nDoch B."),
    (Letter, "A\n\nThe correct option is B."),
    (Sentiment, "negative\n\nSentiment: positive"),
    (Sentiment, "negative\n\nDas ist eher neutral."),
    (Sentiment, "negative\nneutral?"),
    (Kind, "Vertrag\n\nNein, Rechnung."),
    (Tone, "正面\n\n不对，负面。"),
    (date, "2024-03-05\n\nKorrektur: 2024-03-06"),
    (date, "2024-03-05\n\neher 2024-03-06"),
    (list[str], '["a"]\n\nKorrektur: auch b'),
    (list[str], '["a"]\n\n修正：还有b'),
    # doubted beside it
    (int, "42 (oder 43)"),
    (int, "42 (peut-être 43)"),
    (int, "42, vielleicht 43"),
    (int, "42（或43）"),
    (int, "42 (o 43)"),
    (int, "42 (nicht eher 43)"),
    (bool, "No, except in May"),
    (bool, "Likely: yes"),
    (bool, "I cannot say: yes"),
    (int, "The answer:\n```\n42\n```\nIt could also be 43."),
    # one of several choices, and whether it is the one
    (Kind, "Vertrag: nein"),
    (Kind, "Vertrag (nein)"),
    (Kind, "Vertrag: não"),
    (Letter, "A - no"),
    (Letter, "A. Nein."),
    (Kind, "Keine Rechnung: Mahnung"),
    (Tone, "不是负面：正面"),
    (bool, "False alarm: yes"),
    (int, "None: 42"),
    # lists that go on
    (list[str], '["a", "b"] und 12 weitere'),
    (list[str], '["a", "b"] et 12 autres'),
    (list[str], '["a", "b"] usw.'),
    (list[str], '["a", "b"] 等'),
    (list[str], '["a", "b"] (plus "c" if both count)'),
    (list[str], '["a", "b" /* und 12 weitere */]'),
    (list[str], '["a", "b"\n// weitere Einträge\n]'),
    (list[str], '["a", "b", "..."]'),
    (list[str], '["a", "b", "etc."]'),
    (list[str], '["a"]\n\nWait, I missed "b".'),
    (list[int], "[1]: keine Seiten"),
]

PLAIN: list[tuple[Any, str, Any]] = [
    # below a title
    (int, "## Answer\n\n42", 42),
    (int, "**Ergebnis:**\n\n**42**", 42),
    (int, "结果：\n42", 42),
    (int, "# 42", 42),
    (bool, "Result:\nyes", True),
    (Sentiment, "Result:\n\n**positive**\n\nReason: praise", "positive"),
    (int, "<reasoning>There are 40 and 2.</reasoning>\n<answer>42</answer>", 42),
    # what a sum comes to
    (int, "40 + 2 = **42**", 42),
    (int, "Total: 42 + 3 = 45", 45),
    (float, "12.50 + 3.25 = 15.75", 15.75),
    (float, "3 / 4 = 0.75 (75 %)", 0.75),
    # in other signs
    (int, "答えは42です。", 42),
    (Tone, "正面，因为作者很高兴。", "正面"),
    (Tone, "【正面】", "正面"),
    (Kind, "«Rechnung»", "Rechnung"),
    (Sentiment, "=> positive", "positive"),
    (Sentiment, "positive（作者很满意）", "positive"),
    (Letter, "The answer is (B).", "B"),
    (bool, "Yes!", True),
    # above an explanation
    (int, "17\n\nBegründung: Im Text stehen 9 Einträge für Mai und 8 für Juni.", 17),
    (int, "17\n\n理由：五月有9个，六月有8个。", 17),
    (int, "17（其中5月9个）", 17),
    (int, "**17**\n\n| Month | Count |\n|---|---|\n| May | 9 |\n| June | 8 |", 17),
    (int, "17 (laut Abschnitt 3)", 17),
    (int, "17 (page 3)", 17),
    (int, "17\n\nSee line 3", 17),
    (int, "17\n\nTable 5", 17),
    (int, "17\n\nRoom 12", 17),
    (int, "17\n\ndocument 12", 17),
    (int, "17 (seit 2021)", 17),
    (int, "17 (was 15)", 17),
    (Sentiment, "negative (late)", "negative"),
    (Sentiment, "negative — angry", "negative"),
    (Sentiment, "Negative: the buyer seems unhappy.", "negative"),
    (Sentiment, "negative, likely because of the delay", "negative"),
    (Sentiment, "negative — all except the cable broke", "negative"),
    (int, "17\n\nLaut Seite 3", 17),
    (int, "17\n\nFY 2021", 17),
    (int, "17\n\nup from 15", 17),
    (float, "3.5 (up from 3.1)", 3.5),
    (int, "17\n\nMay 9\nJune 8", 17),
    (int, "17\n\nMay 9\nJune 8\nTotal 17", 17),
    (float, "0.3\n\nMay 0.1\nJune 0.2", 0.3),
    (int, "17\n\nBreakdown:\n* May 9\n* June 8", 17),
    (int, "17\n\nKorrigierte Zahl.", 17),
    (Sentiment, "negative\n\nKorrekte Lieferung wurde nicht erreicht.", "negative"),
    (Sentiment, "negative\n\nCorrecto: el cliente se queja.", "negative"),
    (int, "17\n\nCorrect: nine in May, eight in June.", 17),
    (float, "0.85\nConfidence: 0.9", 0.85),
    (bool, "no\n\n文中没有提到。", False),
    (bool, "Yes\n\nSigned: yes", True),
    (Letter, "**B**\n\nA: wrong\nC: wrong", "B"),
    (date, "2024-05-01\n\nDer Vertrag wurde an diesem Tag unterzeichnet.", date(2024, 5, 1)),
    (date, "2024-05-01\n\nEffective: 2024-06-01", date(2024, 5, 1)),
    (list[str], '["a", "b"] in 2 places', ["a", "b"]),
    (list[str], '["a", "b"] Die 2 Namen stehen in Zeile 3.', ["a", "b"]),
    (list[int], "[3, 4] Pages 3 and 4 have it.", [3, 4]),
    (list[str], '["a", "b"]\n\nBeide stehen in Zeile 3.', ["a", "b"]),
    (list[str], '["a", "b"] are the names.', ["a", "b"]),
    (list[str], '["a", # line 3\n"b", # line 4\n]', ["a", "b"]),
    (list[int], "[3, 4] are the pages.", [3, 4]),
    (list[int], "[3] (only one page)", [3]),
]


@pytest.mark.parametrize(("kind", "reply"), DOUBTFUL)
def test_what_is_taken_back_doubted_or_goes_on_is_asked_for_again(kind: Any, reply: str) -> None:
    assert AnswerType(kind).misfit(reply, False) is not None
    assert MapValues(SCHEMAS[kind]).read(reply)[1] is not None


@pytest.mark.parametrize(("kind", "reply", "value"), PLAIN)
def test_what_is_named_or_explained_is_taken(kind: Any, reply: str, value: Any) -> None:
    typed = AnswerType(kind)
    assert typed.misfit(reply, False) is None
    assert typed.read(reply, False) == value
    assert MapValues(SCHEMAS[kind]).read(reply) == (str(value) if kind is date else value, None)


@pytest.mark.parametrize("said", ["**null**", "None.", "The answer is null."])
def test_no_value_may_be_said_in_marks_and_below_a_label(said: str) -> None:
    assert AnswerType(int | None).read(said, False) is None


@pytest.mark.parametrize("written", ["20240305", "2024-W10-2", "2024-064"])
def test_a_date_has_one_form_whatever_forms_python_knows(written: str) -> None:
    """Code compares such texts."""
    for kind in ("date", "date-time"):
        assert MapValues({"type": "string", "format": kind}).read(written)[1] is not None


def test_a_list_that_code_made_may_have_an_ellipsis_as_an_item() -> None:
    assert AnswerType(list[str]).read('["a", "..."]', True) == ["a", "..."]
