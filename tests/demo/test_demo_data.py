"""The demo's corpora and what is known about them."""

from __future__ import annotations

import json
import re
from collections import Counter

import pytest

from rlm_integrations.demo.messages import (
    DATA,
    MESSAGES_ANSWER,
    answer_lines,
    read_categories,
    read_messages,
    true_answer,
)
from rlm_integrations.demo.stdlib import counted_answer, read_stdlib

TEMPTING = re.compile(
    r"cancel|unsubscri|subscri|\bquit|\bleav|\bleft\b|terminat|refund|\bstop|switch|goodbye|no longer|"
    r"\bend\b|clos(e|ing) my|account|another provider|churn",
    re.IGNORECASE,
)


def test_240_messages_each_of_one_known_category() -> None:
    messages, categories = read_messages(), read_categories()
    definitions = json.loads((DATA / "truth.json").read_text(encoding="utf-8"))["definitions"]
    assert len({message.id for message in messages}) == len({message.text for message in messages}) == 240
    assert categories.keys() == {message.id for message in messages}
    assert set(categories.values()) == definitions.keys()
    assert min(Counter(categories.values()).values()) >= 30


def test_messages_have_users_and_dates_over_a_year_and_differ_in_length() -> None:
    messages = read_messages()
    assert all(re.fullmatch(r"2025-\d\d-\d\d", message.date) and message.user for message in messages)
    assert [message.date for message in messages] == sorted(message.date for message in messages)
    assert len({message.date[:7] for message in messages}) == 12
    users = Counter(message.user for message in messages)
    assert len(users) >= 40
    assert sum(count > 1 for count in users.values()) >= 30
    assert all(60 <= len(message.text) <= 350 for message in messages)


def test_no_obvious_keyword_finds_those_who_leave_and_many_find_others() -> None:
    categories = read_categories()
    found = [categories[message.id] for message in read_messages() if TEMPTING.search(message.text)]
    assert found.count("leaving") <= 0.05 * list(categories.values()).count("leaving")
    assert len(found) - found.count("leaving") >= 10


def test_the_right_answer_has_no_ties() -> None:
    messages, categories = read_messages(), read_categories()
    leaving = [message for message in messages if categories[message.id] == "leaving"]
    for values in ((m.date[:7] for m in leaving), (m.user for m in leaving)):
        (_, most), (_, next_most) = Counter(values).most_common(2)
        assert most >= next_most + 2


def test_who_is_on_the_way_out_writes_of_nothing_else_afterwards() -> None:
    messages, categories = read_messages(), read_categories()
    gone: set[str] = set()
    for message in messages:
        if categories[message.id] == "leaving":
            gone.add(message.user)
        assert message.user not in gone or categories[message.id] == "leaving", message


def test_the_right_answer_counts_only_faults_before_the_first_farewell() -> None:
    messages = read_messages()[:5]
    same_user = [type(m)(m.id, m.text, "ann", m.date) for m in messages]
    ids = [message.id for message in messages]
    faults_before = dict.fromkeys(ids, "praise") | {ids[0]: "broken", ids[3]: "leaving", ids[4]: "leaving"}
    faults_after = dict.fromkeys(ids, "praise") | {ids[0]: "leaving", ids[4]: "broken"}
    assert true_answer(same_user, faults_before) == {
        "messages": "2",
        "month": "2025-01",
        "writer": "ann",
        "people": "1",
        "reported": "1",
    }
    assert true_answer(same_user, faults_after)["reported"] == "0"


@pytest.mark.parametrize(
    ("answer", "lines"),
    [
        ("messages: 41\nmonth: 2025-09", {"messages": "41", "month": "2025-09"}),
        ("Here it is:\n- **Messages:** 41\n* `writer`: marit_h", {"messages": "41", "writer": "marit_h"}),
        ("messages 41", {}),
        ("note: 5\nmessages: 1\nmessages: 2", {"messages": "1"}),
    ],
)
def test_lines_of_an_answer_are_read_as_models_write_them(answer: str, lines: dict[str, str]) -> None:
    assert answer_lines(answer, MESSAGES_ANSWER) == lines


def test_the_plain_count_takes_direct_bases_by_name_and_leaves_tests_out() -> None:
    sources = {
        "a.py": "class A(Exception): pass\nclass B(A): pass\nclass C(x.Exception): pass\n",
        "b.py": "def f():\n    class D(Mixin, Exception):\n        class E(Exception): ...\n",
        "c.py": "# class F(Exception)\n'class G(Exception): 1'\nclass H(\n  Exception,\n): 1\nclass I(Exception): 1\n",
        "x/test/d.py": "class J(Exception): ...\n" * 9,
        "test.py": "pass\n",
    }
    assert counted_answer(sources) == {"classes": "5", "file": "b.py", "in_file": "2"}


def test_the_standard_library_is_read_whole_and_without_installed_packages() -> None:
    sources = read_stdlib()
    assert "class JSONDecodeError" in sources["json/decoder.py"]
    assert not any("site-packages" in name or "__pycache__" in name for name in sources)
    assert sum(map(len, sources.values())) > 5_000_000
