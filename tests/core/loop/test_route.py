"""Which way a question goes: pure decisions."""

from __future__ import annotations

import pytest

from rlm_integrations.core.loop.direct_reply import read_direct
from rlm_integrations.core.loop.exact_figure import asks_for_figure
from rlm_integrations.core.loop.route import RouteFacts, choose_way, short_tokens

LETTERS = RouteFacts("documents", tokens=3_000, documents=12, for_figure=False, window_tokens=128_000)


def test_short_documents_are_answered_directly() -> None:
    choice = choose_way(LETTERS)
    assert (choice.way, choice.why) == ("direct", "about 3,000 tokens, at most 16,000 (where texts are short)")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"tokens": 16_001}, "about 16,001 tokens, more than 16,000 (where texts are short)"),
        ({"window_tokens": 4_000}, "about 3,000 tokens, more than 2,000 (half of the root LM's window)"),
        ({"window_tokens": None, "tokens": 5_000}, "more than 4,096 (half of a window that nobody says)"),
        ({"most_tokens": 2_000}, "more than 2,000 (direct_tokens)"),
        ({"for_figure": True}, "the question asks for an exact figure over 12 documents, which code counts"),
        ({"for_figure": True, "kind": "none", "documents": 0}, "an exact figure over no corpus"),
        ({"needs_code": "there are tools, which only code calls"}, "there are tools, which only code calls"),
    ],
)
def test_what_code_does_better_goes_to_it(changes: dict[str, object], why: str) -> None:
    choice = choose_way(LETTERS._replace(**changes))
    assert choice.way == "rlm"
    assert why in choice.why


@pytest.mark.parametrize(
    "changes",
    [
        {"tokens": 16_000},
        {"for_figure": True, "kind": "str", "documents": 1},
        {"kind": "none", "documents": 0, "tokens": 20},
        {"most_tokens": 60_000, "tokens": 59_000},
        {"most_tokens": 60_000, "tokens": 59_000, "window_tokens": None},
    ],
)
def test_the_rest_does_not(changes: dict[str, object]) -> None:
    assert choose_way(LETTERS._replace(**changes)).way == "direct"


def test_what_is_short_grows_with_the_window_up_to_what_was_measured() -> None:
    rooms = [short_tokens(window)[0] for window in (2_000, 8_192, 32_768, 200_000, 10_000_000)]
    assert rooms == [1_000, 4_096, 16_000, 16_000, 16_000]
    assert short_tokens(32_768, 500_000) == (16_384, "half of the root LM's window")


@pytest.mark.parametrize(
    "question",
    [
        "How many letters are from Ada?",
        "What is the total of all invoices?",
        "Wie viele Verträge enden im Juni?",
        "Combien de lettres ?",
        "Le nombre de lettres ?",
        "共有多少份合同?",
        "Which label is the most common?",
        "Which of them has the most complaints?",
        "Is rain more frequent than snow?",
        "What % of them failed?",
    ],
)
def test_questions_for_figures(question: str) -> None:
    assert asks_for_figure(question)


@pytest.mark.parametrize(
    "question",
    [
        "Who signed the lease?",
        "Why was the bridge closed?",
        "Summarise the letters.",
        "What matters most?",
        "What do the accounts say?",
    ],
)
def test_other_questions(question: str) -> None:
    assert not asks_for_figure(question)


@pytest.mark.parametrize(
    ("reply", "answer", "evidence"),
    [
        ("Ada.", "Ada.", ()),
        ("Ada.\n\n<evidence>\n[a] signed by Ada\n- [b] Ada\n</evidence>\n", "Ada.", ("[a] signed by Ada", "[b] Ada")),
        ("Ada.\n<evidence>\nAda - the mayor - left\n* 5 - 4\n</evidence>", "Ada.", ("Ada - the mayor - left", "5 - 4")),
        ("Ada.\r\n<evidence>[a] signed by Ada</evidence>", "Ada.", ("[a] signed by Ada",)),
        ("<evidence>\n[a] Ada\n</evidence>\n\nAda.", "Ada.", ("[a] Ada",)),
        ("Ada.\n<evidence>\n[a] cut o", "Ada.", ("[a] cut o",)),
        ("The tag <evidence> opens it.", "The tag <evidence> opens it.", ()),
        (
            "<evidence>\nfirst\n</evidence>\nAda.\n<evidence>\nlast\n</evidence>",
            "<evidence>\nfirst\n</evidence>\nAda.",
            ("last",),
        ),
        ("", "", ()),
    ],
)
def test_the_answer_of_a_direct_reply_stands_apart_from_its_evidence(
    reply: str, answer: str, evidence: tuple[str, ...]
) -> None:
    assert read_direct(reply) == (answer, evidence)
