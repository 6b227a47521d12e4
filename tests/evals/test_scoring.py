"""The scores, as their benchmarks publish them."""

from __future__ import annotations

from datetime import date

import pytest

from evals.scoring import exact, oolong, pairs_f1, set_f1, substring_recall
from evals.statistics import mean_of


@pytest.mark.parametrize(
    ("wanted", "answer", "score"),
    [
        (["8231"], "The number is 8231.", 1.0),
        (["8231"], "The number is 8232.", 0.0),
        (["8231", "1111", "2222", "3333"], "8231, 2222 and 3333", 0.75),
        (["Blue"], "it was BLUE", 1.0),
    ],
)
def test_ruler_counts_the_strings_that_stand_in_the_answer(wanted: list[str], answer: str, score: float) -> None:
    assert substring_recall(wanted, answer) == score


@pytest.mark.parametrize(
    ("truth", "answer", "score"),
    [
        (12, "12", 1.0),
        (12, "Answer: 13", 0.75),
        (12, "There are 9 of them", 0.75**3),
        (1204, "1,204", 1.0),
        (12, "a dozen", 0.0),
        (date(2024, 3, 2), "Date: 2024-03-02", 1.0),
        (date(2024, 3, 2), "2 March", 0.0),
        ("more common than", "Label: A is more common than B", 1.0),
        ("more common than", "less common than", 0.0),
        ("more common than", "more common than or less common than", 0.0),
        ("location", "Label: location", 1.0),
        ("location", "LOCATION.", 1.0),
        ("location", "the location of it", 0.0),
    ],
)
def test_oolong(truth: int | str | date, answer: str, score: float) -> None:
    assert oolong(truth, answer) == pytest.approx(score)


@pytest.mark.parametrize(
    ("truth", "answer", "score"),
    [
        ([(1, 2), (3, 4)], "(1, 2), (3,4)", 1.0),
        ([(1, 2), (3, 4)], "(2, 1)", 2 / 3),
        ([(1, 2)], "(1, 2), (1, 3), (1, 4)", 0.5),
        ([(1, 2)], "none", 0.0),
        ([], "none", 1.0),
        ([], "(1, 2)", 0.0),
    ],
)
def test_pairs(truth: list[tuple[int, int]], answer: str, score: float) -> None:
    assert pairs_f1(truth, answer) == pytest.approx(score)


def test_names() -> None:
    assert exact("Ilse Jansen", " ilse jansen. ") == 1.0
    assert exact("Ilse Jansen", "Ilse") == 0.0
    assert set_f1(["load_1", "store_2"], "`load_1`, store_2") == 1.0
    assert set_f1(["load_1", "store_2"], "load_1") == pytest.approx(2 / 3)
    assert set_f1([], "none") == 1.0


def test_intervals_are_students() -> None:
    assert mean_of([0.5]) == (0.5, None)
    mean = mean_of([0.4, 0.5, 0.6])
    assert mean.mean == pytest.approx(0.5)
    assert mean.interval == pytest.approx((0.5 - 0.24843, 0.5 + 0.24843), abs=1e-4)
    assert mean_of([0.0, 1.0, 1.0], most=1.0).interval == (0.0, 1.0)
