from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlm_integrations.core.trace.citations import Citation
from rlm_integrations.llama_index.citation_marks import mark_citations

MAY = "The kiln was lit in May."
JUNE = "It was lit\nagain in June."


def citation(quote: str, document_id: str = "d1", start: int = 0) -> Citation:
    return Citation(cited_text=quote, start_index=start, end_index=start + len(quote), document_id=document_id)


@pytest.mark.parametrize(
    ("text", "citations", "sources", "marked"),
    [
        pytest.param(f"Lit in May [[{MAY}]].", [MAY], [[1]], "Lit in May [1].", id="where the root LM put it"),
        pytest.param(f"Lit in May[[{MAY}]].", [MAY], [[1]], "Lit in May [1].", id="with a space before it"),
        pytest.param(f"Lit in May ([[{MAY}]]).", [MAY], [[1]], "Lit in May [1].", id="without its brackets"),
        pytest.param(f"[[{MAY}]] says May", [MAY], [[1]], "[1] says May", id="at the beginning"),
        pytest.param(f"May [[{MAY}]], so [[{MAY}]].", [MAY], [[1]], "May [1], so [1].", id="as often as it stands"),
        pytest.param(
            f"May [[{MAY}]]; June [[{JUNE}]].",
            [MAY, JUNE],
            [[1], [2, 3]],
            "May [1]; June [2][3].",
            id="over two nodes",
        ),
        pytest.param(f"Both [[{MAY}]][[{JUNE}]].", [MAY, JUNE], [[1], [2]], "Both [1][2].", id="side by side"),
        pytest.param(f"Both [[{MAY}]] [[{JUNE}]].", [MAY, JUNE], [[1], [1]], "Both [1].", id="of one node, once"),
        pytest.param(f'"{MAY}" it says', [MAY], [[1]], f'"{MAY}" [1] it says', id="after a quote"),
        pytest.param(
            "It was lit again in June.", [JUNE], [[2]], "It was lit again in June. [2]", id="with other white space"
        ),
        pytest.param("Twice.\n", [MAY, JUNE], [[1], [2]], "Twice. [1][2]", id="at the end"),
        pytest.param(f"May [[{MAY}]].", [MAY, "May."], [[1], [1]], "May [1].", id="at the end only if nowhere"),
        pytest.param("In 1874.", ["1874"], [[1]], "In 1874. [1]", id="not after a word of its own"),
        pytest.param(f"May [[{MAY}]].", [MAY], [[]], "May.", id="no source, no mark"),
        pytest.param(MAY, [MAY], [[]], MAY, id="nor beside a quote"),
        pytest.param("x[1][1] [[May]]", [], [], "x[1][1] [[May]]", id="what is no citation stays"),
        pytest.param("rows[1][1]", [MAY], [[1]], "rows[1][1] [1]", id="code stays"),
    ],
)
def test_marks(text, citations, sources, marked):
    made = [citation(quote, f"d{number}") for number, quote in enumerate(citations, 1)]
    assert mark_citations(text, made, sources) == marked


def test_a_quote_is_not_read_as_a_pattern():
    quote = "a (b) [c]]\\1"
    assert mark_citations(f"May [[{quote}]].", [citation(quote)], [[1]]) == "May [1]."
    assert mark_citations("[[[c]]]", [citation("[c]")], [[1]]) == "[1]"


def test_marks_of_the_same_words_are_in_the_order_of_their_citations():
    made = [citation(MAY, "d1"), citation(MAY, "d2")]
    assert mark_citations(f"A [[{MAY}]], B [[{MAY}]].", made, [[1], [2]]) == "A [1], B [2]."
    assert mark_citations(f"A [[{MAY}]].", made, [[1], [2]]) == "A [1]. [2]"
    assert mark_citations(f"A [[{MAY}]], B [[{MAY}]], C [[{MAY}]].", made, [[1], [2]]) == "A [1], B [2], C [2]."


def test_a_mark_of_no_source_leaves_no_gap_before_the_next():
    made = [citation(MAY, "d1"), citation(MAY, "d2")]
    assert mark_citations(f"May [[{MAY}]][[{MAY}]].", made, [[], [2]]) == "May [2]."


def test_quotes_that_begin_alike_or_overlap_all_have_their_marks():
    made = [citation("The kiln was lit in"), citation(MAY, "d2"), citation("was lit in May. It cooled", "d3")]
    text = f"{MAY} It cooled."
    assert mark_citations(text, made, [[1], [2], [3]]) == "The kiln was lit in [1] May. [2] It cooled [3]."


def test_a_long_answer_with_a_thousand_citations_that_are_alike():
    quotes = [f"The kiln was lit in May, and burnt {'on and ' * 40}until day {n}" for n in range(1_000)]
    made = [citation(quote, f"d{n}", n) for n, quote in enumerate(quotes)]
    noise = "The kiln was lit in May, and burnt on and [[ [[x]] " * 15_000
    text = f"{noise}{quotes[7]} ([[{quotes[8]}]]). {quotes[9]}!"
    marked = mark_citations(text, made, [[n] for n in range(1_000)])
    assert marked.startswith(noise)
    assert marked.removeprefix(noise).startswith(f"{quotes[7]} [7] [8]. {quotes[9]} [9]! [0][1]")


def test_of_quotes_that_nearly_stand_everywhere_the_search_is_given_up():
    made = [citation("a " * length + "b", "d", length) for length in range(9_000, 10_000)]
    text = "a " * 500_000
    assert mark_citations(text, made, [[1]] * len(made)) == f"{text}[1]"


# -- as a slow and simple reference has it

WORDS = (
    "the kiln",
    "lit in May",
    "[[e]]",
    "[[e]]]]",
    "([[the kiln]])",
    "[[lit in May",
    "[",
    "]]",
    "(",
    ")",
    "[1]",
    "'",
)
TEXTS = st.lists(st.sampled_from([*WORDS, "e", ".", " ", " ", " ", "\n", "”", "\0"]), max_size=14).map("".join)
QUOTES = st.one_of(
    TEXTS.filter(bool),
    st.sampled_from(["e", "e]]", "the kiln", "the kiln lit in May", "lit in May\nthe kiln", "lit in May lit in May"]),
)
MADE = st.lists(st.tuples(QUOTES, st.lists(st.integers(1, 3), max_size=2)), max_size=5)


def reference(text: str, made: list[Citation], sources: list[list[int]]) -> str:
    """Each citation by itself, by patterns. A mark is `\1n\1` until the end."""
    forms = [f"[[{c.cited_text}]]" for c in made]
    of_form = {form: [number for number, each in enumerate(forms) if each == form] for form in forms}
    mark = {number: "".join(f"\1{n}\1" for n in numbers) for number, numbers in enumerate(sources)}
    placed: set[int] = set()
    longest = "|".join(sorted({re.escape(form) for form in forms}, key=len, reverse=True)) or "(?!)"

    def replaced(done: str, rest: str) -> str:
        found = re.search(rf"\((?P<a>{longest})\)|(?P<b>{longest})", rest)
        if found is None:
            return done + rest
        numbers = of_form[found["a"] or found["b"]]
        number = numbers.pop(0) if len(numbers) > 1 else numbers[0]
        placed.add(number)
        before = done + rest[: found.start()]
        if not mark[number]:
            before = before[:-1] if before[-1:].isspace() else before
        elif before and not before[-1].isspace() and before[-1] not in "[(\1":
            before += " "
        return replaced(before + mark[number], rest[found.end() :])

    ends: dict[int, list[int]] = {}
    text = replaced("", text)
    for number, quote in enumerate(" ".join(c.cited_text.split()) for c in made):
        words = r"\s+".join(map(re.escape, quote.split(" ")))
        found = re.search(rf"(?<!\w){words}(?!\w)[\"'”’»`]{{0,4}}", text) if len(quote) >= 12 else None
        if number not in placed and mark[number] and found is not None:
            placed.add(number)
            ends.setdefault(found.end(), []).append(number)
    for end, numbers in sorted(ends.items(), reverse=True):
        text = f"{text[:end]} {''.join(mark[number] for number in numbers)}{text[end:]}"
    left = dict.fromkeys(f"\1{n}\1" for number, numbers in enumerate(sources) if number not in placed for n in numbers)
    if unplaced := "".join(each for each in left if each not in text):
        text = f"{text.rstrip()} {unplaced}"
    text = re.sub(r"(\1\d+\1)(?: ?\1)+".replace(r"\1\d+\1", "\1\\d+\1"), r"\1", text)
    return re.sub("\1(\\d+)\1", r"[\1]", text)


@given(TEXTS, MADE)
@settings(max_examples=settings().max_examples * 3)
def test_marks_are_those_of_the_reference(text, made):
    citations = [
        Citation(cited_text=quote, start_index=n, end_index=n + len(quote), document_id="d")
        for n, (quote, _) in enumerate(made)
    ]
    sources = [numbers for _, numbers in made]
    assert mark_citations(text, citations, sources) == reference(text, citations, sources)
