"""The demo's messages, the log that is made around them, and what its maker knows of it."""

from __future__ import annotations

import math
import re
from collections import Counter

import pytest
from rank_bm25 import BM25Plus  # pyright: ignore[reportMissingTypeStubs]

from rlm_integrations.demo.delivery_log import ANSWER, DeliveryLog, make_log
from rlm_integrations.demo.messages import read_messages
from rlm_integrations.demo.report import answer_lines
from rlm_integrations.demo.retrieval import best_chunks, chunks_of

TEMPTING = re.compile(
    r"cancel|unsubscri|subscri|\bquit|\bleav|\bleft\b|terminat|refund|\bstop|switch|goodbye|no longer|"
    r"\bend\b|clos(e|ing) my|account|another provider|churn",
    re.IGNORECASE,
)


@pytest.fixture(scope="module")
def log() -> DeliveryLog:
    return make_log(crates_a_day=5, messages_a_day=5)


def test_240_messages_of_six_meanings_over_a_year() -> None:
    messages = read_messages()
    assert len({message.text for message in messages}) == len(messages) == 240
    assert min(Counter(message.category for message in messages).values()) >= 30
    assert [message.date for message in messages] == sorted(message.date for message in messages)
    assert len({message.date[:7] for message in messages}) == 12
    assert all(60 <= len(message.text) <= 350 for message in messages)


def test_no_obvious_keyword_finds_those_who_leave_and_many_find_others() -> None:
    messages = read_messages()
    found = [message.category for message in messages if TEMPTING.search(message.text)]
    assert found.count("leaving") <= 0.05 * [message.category for message in messages].count("leaving")
    assert len(found) - found.count("leaving") >= 10


@pytest.mark.parametrize("seed", [7, 8, 9])
def test_the_truth_is_what_stands_in_the_log(seed: int) -> None:
    """Counted from its lines alone, but for the meanings."""
    meanings = {message.text: message.category for message in read_messages()}
    crates: dict[str, tuple[str, str]] = {}
    wrote: list[tuple[str, str, str]] = []
    for name, text in make_log(seed, crates_a_day=5, messages_a_day=5).files.items():
        for line in text.splitlines():
            if crate := re.fullmatch(r"\d\d:\d\d crate \d{6} to (\S+), van (\d\d), arrived at (\d+) °C", line):
                if int(crate[3]) > 8:
                    assert crate[1] not in crates
                    crates[crate[1]] = name, crate[2]
            else:
                message = re.fullmatch(r"\d\d:\d\d (\S+) wrote: (.+)", line)
                assert message, line
                wrote.append((name, message[1], message[2]))
    later = [(user, text) for day, user, text in wrote if user in crates and day > crates[user][0]]
    leaving = [(user, text) for user, text in later if meanings[text] == "leaving"]
    vans = Counter(crates[user][1] for user in {user for user, _ in leaving}).most_common(2)
    log = make_log(seed, crates_a_day=5, messages_a_day=5)
    assert log.truth == dict(zip(ANSWER, map(str, (len(crates), len(later), len(leaving), vans[0][0])), strict=True))
    assert sorted(message.text for message in log.sought) == sorted(text for _, text in leaving)


def test_code_alone_does_not_settle_it_nor_meaning_alone(log: DeliveryLog) -> None:
    sought, messages = int(log.truth["leaving"]), int(log.truth["messages"])
    assert 20 <= sought < messages / 2
    assert sought <= 0.85 * sum(message.category == "leaving" for message in read_messages())


def test_the_van_is_no_tie() -> None:
    log = make_log(crates_a_day=1, messages_a_day=1)
    day_of, van_of = {}, {}
    for name, text in log.files.items():
        for user, van in re.findall(r"to (\S+), van (\d\d), arrived at (?:9|\d\d) °C", text):
            day_of[user], van_of[user] = name, van
    (_, most), (_, next_most) = Counter(van_of[user] for user in {m.user for m in log.sought}).most_common(2)
    assert most >= next_most + 2


def test_the_log_is_the_same_each_time_and_as_large_as_is_wished(log: DeliveryLog) -> None:
    again = make_log(crates_a_day=5, messages_a_day=5)
    assert again.files == log.files
    larger = make_log(crates_a_day=10, messages_a_day=5)
    assert sum(text.count(" crate ") for text in larger.files.values()) > 365 * 10
    assert larger.truth.keys() == log.truth.keys()


def test_retrieval_ranks_as_bm25_does(log: DeliveryLog) -> None:
    """Beside rank-bm25, with the weight that Lucene gives a rare word, as ours does."""
    chunks = chunks_of(list(log.files.values())[:60])
    words = [re.sub(r"[^\w£°]", " ", chunk.lower()).split() for chunk in chunks]
    reference = BM25Plus(words, delta=0)
    query = "crate warm thanks"
    count = {word: sum(word in each for each in words) for word in query.split()}
    reference.idf |= {word: math.log(1 + (len(words) - n + 0.5) / (n + 0.5)) for word, n in count.items()}
    scores = list(reference.get_scores(query.split()))  # pyright: ignore[reportUnknownMemberType]
    ranked = [chunks[place] for place in sorted(range(len(chunks)), key=lambda place: -scores[place])]
    ours = best_chunks(chunks, query.upper(), 10)
    assert len(set(ours) & set(ranked[:10])) >= 8  # lengths are counted by spaces
    assert ours[0] in ranked[:3]


def test_chunks_hold_each_line_once() -> None:
    texts = ["".join(f"line {n}\n" for n in range(25)), "last\n"]
    assert "".join(chunks_of(texts)) == "".join(texts)
    assert [chunk.count("\n") for chunk in chunks_of(texts)] == [10, 10, 5, 1]


@pytest.mark.parametrize(
    ("answer", "lines"),
    [
        ("crates: 41\nvan: 17", {"crates": "41", "van": "17"}),
        ("Here it is:\n- **Crates:** 41\n* `van`: 17", {"crates": "41", "van": "17"}),
        ("crates 41", {}),
        ("note: 5\nvan: 1\nvan: 2", {"van": "1"}),
    ],
)
def test_lines_of_an_answer_are_read_as_models_write_them(answer: str, lines: dict[str, str]) -> None:
    assert answer_lines(answer, ANSWER) == lines
