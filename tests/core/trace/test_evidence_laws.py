"""What is named as evidence was read, stands where it is said to, and is found in linear work."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.trace.evidence import find_evidence
from rlm_integrations.core.trace.own_text import STRETCH_CHARS

from .readings import form, note, source_ids, trace

PARTS = st.sampled_from(
    [
        *(f"Sentence {letter} tells of a kiln that was lit, and of more. " for letter in "ABCDEF"),
        "A short one. ",
        "x",
        "\n",
        "\n\n",
        "[document d0]\n",
        "\n[document d1 | year: 2]\n",
        "d2@4: Sentence",
        "\nd1@0, 3: ",
        "No anchor holds — — — — — — — — — — — — — — — — — — — — this. ",
    ]
)
TEXTS = st.lists(PARTS, max_size=8).map("".join)


@st.composite
def readings(draw: st.DrawFn) -> tuple[dict[str, str], list[str]]:
    """Documents, and texts made of parts of them, of heads (true and forged ones), and of anything else."""
    documents = {f"d{number}": text for number, text in enumerate(draw(st.lists(TEXTS, min_size=1, max_size=4)))}

    def part() -> str:
        text = documents[draw(st.sampled_from(sorted(documents)))]
        start, end = sorted(draw(st.tuples(*[st.integers(0, len(text))] * 2)))
        heads = st.sampled_from([f"\n[document {name}]\n" for name in documents])
        return draw(st.one_of(st.just(text), st.just(text[start:end]), heads, PARTS, st.sampled_from("aé😀 \n")))

    return documents, ["".join(part() for _ in range(draw(st.integers(0, 6)))) for _ in range(2)]


def is_proven(name: str, documents: dict[str, str], texts: Sequence[str]) -> bool:
    """Slow and simple: a stretch that no other document holds, or one below the document's own head."""
    own = documents[name]
    size = min(STRETCH_CHARS, len(own))
    stretches = {own[at : at + size] for at in range(len(own) - size + 1)} - {""}
    others = [text for other, text in documents.items() if other != name]
    unique = [stretch for stretch in stretches if not any(stretch in text for text in others)]
    if any(stretch in text for stretch in unique for text in texts):
        return True
    for text in texts:
        heads = re.finditer(rf"^\[document {name}(?: \| .*)?\]\n", text, re.MULTILINE)
        if any(text.startswith(stretch, head.end()) for head in heads for stretch in stretches):
            return True
        printed = re.finditer(rf"^{name}@\d+(?:, \d+)*:\s*(.*)", text, re.MULTILINE)
        if any(line[1].strip() and line[1].strip() in own for line in printed):
            return True
    return False


@given(readings())
def test_what_is_named_was_read_and_stands_where_it_is_said_to(given_: tuple[dict[str, str], list[str]]) -> None:
    documents, (sent, printed) = given_
    found = find_evidence(trace(prompts=(sent,), printed=printed), Corpus.of(documents))
    assert all(is_proven(name, documents, (sent, printed)) for name in found.sources)
    for place in found.places:
        assert 0 <= place.start <= place.end <= len(documents[place.document_id])


@given(st.dictionaries(st.sampled_from("abcdefgh"), TEXTS.map(lambda text: text.replace("[", "(")), min_size=1))
def test_whatever_is_sent_whole_below_its_head_is_named(texts: dict[str, str]) -> None:
    prompt = "\n\n".join(f"[document {name}]\n{text}" for name, text in texts.items())
    named = source_ids(trace(prompts=(prompt,)), Corpus.of(texts))
    assert {name for name, text in texts.items() if sum(map(str.isalnum, text)) >= 8} <= set(named)


# -- how much work it is

WORST = {
    "a head that never ends": lambda n: ["[document x " + "| " * (n // 2)],
    "a head of many separators": lambda n: ["[document x " + "| " * (n // 2) + "]\nx"],
    "heads and nothing else": lambda n: ["[document c0]\n" * (n // 14)],
    "places and nothing else": lambda n: ["c0@1:" * (n // 5), "\nc0@1:" * (n // 6), "c0@" + "1, " * (n // 3)],
    "lines of a search": lambda n: ["c0@1:\n  CON\n" * (n // 12)],
    "one character": lambda n: ["C" * n],
    "beginnings of one form": lambda n: [form(0, 2)[:60] * (n // 60)],
    "many documents of one form": lambda n: [
        "\n\n".join(f"[document c{number}]\n{form(number, 2)}" for number in range(n // 300))
    ],
    "parts of many": lambda n: ["".join(form(number, 2)[150:190] for number in range(n // 40))],
}


@pytest.mark.parametrize("shape", WORST)
def test_work_grows_with_the_texts_and_the_corpus(shape: str) -> None:
    for chars in (25_000, 100_000):
        corpus = Corpus.of({f"c{number}": form(number, 2) for number in range(chars // 200)})
        texts = WORST[shape](chars)
        found = find_evidence(trace(prompts=texts), corpus)
        assert found.looked_at <= 8 * (corpus.chars + sum(map(len, texts)))


def test_over_a_corpus_that_is_too_large_to_index_heads_alone_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rlm_integrations.core.trace.anchors._INDEXED_CHARS", 1_000)
    corpus = Corpus.of({f"n{number}": note(number) for number in range(100)})
    assert source_ids(trace(printed=note(7)), corpus) == ()
    assert source_ids(trace(printed=f"[document n7]\n{note(7)}"), corpus) == ("n7",)
    assert source_ids(trace(printed=note(300)), corpus, [Document("found", note(300))]) == ()


def test_of_many_anchors_some_are_kept_and_beginnings_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rlm_integrations.core.trace.anchors._ANCHORS", 200)
    long = "".join(f"sentence number {n}; " for n in range(5_000))
    corpus = Corpus.of({"long": long, **{f"n{number}": note(number) for number in range(100)}})
    printed = "\n".join(note(number) for number in range(100))
    assert source_ids(trace(printed=printed), corpus) == tuple(f"n{number}" for number in range(100))
    assert source_ids(trace(printed=long[50_000:60_000]), corpus) == ("long",)
