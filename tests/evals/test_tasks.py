"""The tasks: equal for equal seeds, of the length that was asked for, and true."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from itertools import combinations

import pytest

from evals.tasks import FAMILIES, Family
from evals.tasks.code import Code, callers_of, many_parameters
from evals.tasks.counting import Counting
from evals.tasks.family import CHARS_PER_TOKEN
from evals.tasks.pairs import Pairs
from evals.tasks.records import kind_of, records_in

NAMES = [family.name for family in FAMILIES]


@pytest.mark.parametrize("family", FAMILIES, ids=NAMES)
def test_a_task_is_made_of_its_seed_and_has_its_length(family: Family) -> None:
    task, again, other = (family.make(6_000, seed) for seed in (1, 1, 2))
    assert task == again
    assert task.documents == again.documents
    assert task.documents != other.documents
    chars = sum(map(len, task.documents.values()))
    assert 0.9 < chars / (6_000 * CHARS_PER_TOKEN) < 1.6
    assert family.knows(task.question)
    assert [each.name for each in FAMILIES if each.knows(task.question)] == [family.name]


@pytest.mark.parametrize("family", FAMILIES[:2], ids=NAMES[:2])
def test_needles_stand_in_the_text_once(family: Family) -> None:
    task = family.make(6_000, 3)
    text = "\n".join(task.documents.values())
    assert [text.count(code) for code in task.truth] == [1] * len(task.truth)


@pytest.mark.parametrize("labelled", [True, False])
def test_counts_are_those_of_the_records(labelled: bool) -> None:
    questions = [Counting(labelled).make(3_000, seed) for seed in range(3)]
    for task in questions:
        found = records_in("\n".join(task.documents.values()))
        assert all((label is not None) == labelled for _, _, label, _ in found)
        counts = Counter(kind_of(asked) for _, _, _, asked in found)
        kinds = re.findall(r"the kind (\w+)", task.question)
        if isinstance(task.truth, int):
            assert task.truth == counts[kinds[0]]
        elif "which kind" in task.question:
            assert counts[task.truth] == max(counts.values())
        else:
            difference = counts[kinds[0]] - counts[kinds[1]]
            expected = {1: "more common than", -1: "less common than", 0: "same frequency as"}
            assert task.truth == expected[(difference > 0) - (difference < 0)]
    assert len({type(task.truth) for task in questions}) == 2


def test_pairs_are_those_of_the_records_and_there_are_some() -> None:
    task = Pairs().make(4_000, 5)
    one, other = re.findall(r"asked for a (\w+) more often than for a (\w+)", task.question)[0]
    lead: dict[int, int] = defaultdict(int)
    for _, user, _, asked in records_in("\n".join(task.documents.values())):
        lead[user] += {one: 1, other: -1}.get(kind_of(asked), 0)
    pairs = [(a, b) for a, b in combinations(sorted(lead), 2) if lead[a] * lead[b] < 0]
    assert task.truth == pairs
    assert pairs


def test_the_truth_about_code_is_what_ast_says() -> None:
    source = {"a.py": "def f(a, b, c, d):\n    return g(a)\n\ndef g(a):\n    # f(a)\n    return 'f(a)'\n"}
    assert many_parameters(source) == 1
    assert callers_of("g", source) == ["f"]
    assert callers_of("f", source) == []
    assert {type(Code().make(2_000, seed).truth) for seed in (0, 1)} == {int, list}
