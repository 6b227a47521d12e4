"""Errors that are raised in place of others, by all that is used in a `with`."""

from __future__ import annotations

import ast
import gc
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

import rlm_integrations
from rlm_integrations.core.calls.raised_instead import raising_instead

PACKAGE = Path(rlm_integrations.__file__).parent


class Corpus:
    """Stands for what is large."""


def _as_lookup_error(error: BaseException) -> None:
    if isinstance(error, ValueError):
        raise LookupError("not there") from error


def test_another_error_comes_in_place_of_those_that_are_known() -> None:
    with pytest.raises(LookupError, match="not there") as raised, raising_instead(_as_lookup_error):
        raise ValueError("odd")
    assert isinstance(raised.value.__cause__, ValueError)
    with pytest.raises(OSError, match="odd"), raising_instead(_as_lookup_error):
        raise OSError("odd")


@pytest.fixture
def collects_nothing() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("collects_nothing")
@pytest.mark.parametrize("kind", [ValueError, OSError])
def test_what_the_frames_held_that_the_error_came_through_is_freed_with_it(kind: type[Exception]) -> None:
    left: list[weakref.ref[Corpus]] = []

    def fail() -> None:
        corpus = Corpus()
        left.append(weakref.ref(corpus))
        with raising_instead(_as_lookup_error):
            raise kind("odd")

    with pytest.raises((LookupError, OSError)) as raised:
        fail()
    del raised
    assert left[0]() is None


def test_no_generator_does_it_which_would_hold_them() -> None:
    """Since Python 3.12 it would, until a search for garbage."""
    assert not [
        f"{path.relative_to(PACKAGE)}: {function.name}"
        for path in PACKAGE.rglob("*.py")
        for function in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        and any(ast.unparse(each).endswith("contextmanager") for each in function.decorator_list)
        and any(
            isinstance(part, ast.Raise) and part.exc is not None
            for caught in ast.walk(function)
            if isinstance(caught, ast.ExceptHandler)
            for part in ast.walk(caught)
        )
    ]
