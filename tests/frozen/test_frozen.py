"""`@frozen` beside what it stands for: the same class, made by `dataclass`."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
import typing
from collections.abc import Callable
from dataclasses import FrozenInstanceError, dataclass, field
from typing import Any, ClassVar

import pytest

from rlm_integrations.frozen import frozen

Decorator = Callable[[type], type]


def shapes(decorator: Any, base_decorator: Any) -> dict[str, Any]:
    @base_decorator
    class Base:
        at: float = 0.0
        run: int = field(default=0, compare=False)

    @decorator
    class Event(Base):
        """Of a base whose fields come last."""

        name: str
        tags: list[str] = field(default_factory=list[str])

    @decorator
    class Point:
        """Has all kinds of fields."""

        kind: ClassVar[str] = "point"
        x: int
        y: int = 2
        parts: list[int] = field(default_factory=list[int])
        secret: str = field(default="s", repr=False)
        whole: str = field(init=False, compare=False)

        def __post_init__(self) -> None:
            object.__setattr__(self, "whole", f"{self.x}/{self.y}")

    @decorator
    class Nothing:
        pass

    @decorator
    class Own:
        """Says itself how it is shown, compared and hashed."""

        x: int

        def __repr__(self) -> str:
            return "mine"

        def __eq__(self, other: object) -> bool:
            return isinstance(other, int)

        def __hash__(self) -> int:
            return 7

    return {each.__name__: each for each in (Event, Point, Nothing, Own)}


OURS = shapes(frozen, frozen(kw_only=True, is_base=True))
THEIRS = shapes(dataclass(frozen=True, slots=True), dataclass(frozen=True, slots=True, kw_only=True))


@frozen
class Kept:
    """Where pickle finds it."""

    x: int
    more: dict[str, int] = field(default_factory=dict[str, int])


def both(name: str, *args: Any, **named: Any) -> tuple[Any, Any]:
    return OURS[name](*args, **named), THEIRS[name](*args, **named)


@pytest.mark.parametrize("name", OURS)
def test_the_class_is_what_dataclass_makes(name: str) -> None:
    ours, theirs = OURS[name], THEIRS[name]
    assert dataclasses.is_dataclass(ours)
    assert [each.name for each in dataclasses.fields(ours)] == [each.name for each in dataclasses.fields(theirs)]
    assert ours.__slots__ == theirs.__slots__
    assert ours.__match_args__ == theirs.__match_args__
    assert ours.__qualname__ == theirs.__qualname__
    assert str(inspect.signature(ours)) == str(inspect.signature(theirs))
    assert typing.get_type_hints(ours.__init__) == typing.get_type_hints(theirs.__init__)


@pytest.mark.parametrize(
    ("name", "args", "named"),
    [
        ("Event", ("a",), {}),
        ("Event", ("a", ["t"]), {"at": 1.5, "run": 3}),
        ("Point", (1,), {}),
        ("Point", (1, 3, [4], "t"), {}),
        ("Nothing", (), {}),
        ("Own", (1,), {}),
    ],
)
def test_its_objects_are_filled_and_shown_alike(name: str, args: tuple[Any, ...], named: dict[str, Any]) -> None:
    ours, theirs = both(name, *args, **named)
    assert repr(ours) == repr(theirs)
    assert dataclasses.asdict(ours) == dataclasses.asdict(theirs)
    assert copy.copy(ours) == ours or name == "Own"


@pytest.mark.parametrize("shape", [OURS, THEIRS], ids=["frozen", "dataclass"])
def test_what_is_compared_and_hashed(shape: dict[str, Any]) -> None:
    event, nothing, own = shape["Event"], shape["Nothing"], shape["Own"]
    assert event("a", run=1) == event("a", run=2) != event("a", at=1.0)
    assert event("a") != event("b")
    assert nothing() == nothing() != event("a")
    assert hash(nothing()) == hash(nothing())
    assert (own(1) == 5, hash(own(1)), repr(own(1))) == (True, 7, "mine")
    assert shape["Point"](1).parts is not shape["Point"](1).parts
    with pytest.raises(TypeError, match="unhashable"):
        hash(event("a"))


@pytest.mark.parametrize("shape", [OURS, THEIRS], ids=["frozen", "dataclass"])
def test_nothing_of_it_can_be_set_or_deleted(shape: dict[str, Any]) -> None:
    point = shape["Point"](1)
    with pytest.raises(FrozenInstanceError, match="cannot assign to field 'x'"):
        point.x = 5
    with pytest.raises(FrozenInstanceError, match="cannot delete field 'x'"):
        del point.x
    with pytest.raises((FrozenInstanceError, TypeError, AttributeError)):
        point.other = 5
    assert dataclasses.replace(point, x=7).whole == "7/2"


@pytest.mark.parametrize("shape", [OURS, THEIRS], ids=["frozen", "dataclass"])
def test_wrong_arguments_are_refused(shape: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'x'"):
        shape["Point"]()
    with pytest.raises(TypeError, match=r"positional arguments? but"):
        shape["Event"]("a", [], 1.0)


def test_it_can_be_pickled_and_inherited_from() -> None:
    kept = Kept(1, {"a": 2})
    for again in (pickle.loads(pickle.dumps(kept)), copy.deepcopy(kept)):
        assert again == kept
        assert again.more is not kept.more

    @dataclass(frozen=True)
    class More(Kept):
        z: int = 3

    assert More(1, z=4) == More(1, {}, 4)
    with pytest.raises(TypeError, match="cannot inherit non-frozen"):
        dataclass(type("Thawed", (Kept,), {}))


def test_an_object_that_holds_itself_can_be_shown() -> None:
    kept = Kept(1)
    kept.more["self"] = kept  # type: ignore[assignment]
    assert repr(kept) == "Kept(x=1, more={'self': ...})"


def test_a_field_that_is_called_as_a_function_inside_is_no_matter() -> None:
    @frozen
    class Odd:
        make: int
        __made: int = 2
        hash: tuple[int, ...] = field(default_factory=lambda: (1, 2))

    assert dataclasses.astuple(Odd(1)) == (1, 2, (1, 2))


def test_a_class_that_fills_itself_is_refused() -> None:
    with pytest.raises(TypeError, match="Filled: @frozen writes its __init__"):

        @frozen
        class Filled:
            x: int

            def __init__(self) -> None:
                raise AssertionError
