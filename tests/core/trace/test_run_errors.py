"""Errors of runs are of the class of what the model raised, too."""

from __future__ import annotations

import pickle
from typing import Any, cast

import httpx
import openai
import pytest
from pydantic import BaseModel, ValidationError

from rlm_integrations import RLMEngine, Usage
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.trace.run_errors import LimitReachedError, RootModelError, caused_by, keep_result, result_of
from rlm_integrations.testing import ScriptedModel

RESULT: Any = object()
RESPONSE = httpx.Response(429, request=httpx.Request("POST", "http://localhost"))


class OddError(Exception):
    """Has what a class of errors may have."""

    def __new__(cls, first: str, second: str) -> OddError:
        return super().__new__(cls, first, second)

    def __init__(self, first: str, second: str) -> None:
        super().__init__(first)


class OwnResultError(Exception):
    @property
    def result(self) -> str:
        return "the provider's"


class SlottedError(Exception):
    __slots__ = ("result",)


class KeyedError(Exception):
    def __new__(cls, *args: object, code: int | None = None) -> KeyedError:
        if code is None:
            raise KeyError("code")
        return super().__new__(cls, *args)

    def __init__(self, *args: object, code: int) -> None:
        super().__init__(*args)


class FinalError(Exception):
    def __init_subclass__(cls) -> None:
        raise RuntimeError("final")


def wrong() -> Exception:
    class Model(BaseModel):
        n: int

    with pytest.raises(ValidationError) as caught:
        Model.model_validate({})
    return caught.value


@pytest.mark.parametrize(
    "cause",
    [
        openai.RateLimitError("too many", response=RESPONSE, body=None),
        ConnectionRefusedError(111, "refused"),
        TimeoutError("no reply"),
        KeyError("model"),
        OwnResultError("429"),
        SlottedError("429"),
        httpx.HTTPStatusError("429", request=RESPONSE.request, response=RESPONSE),
    ],
    ids=lambda cause: type(cause).__name__,
)
@pytest.mark.parametrize("kind", [RootModelError, LimitReachedError])
def test_an_error_is_of_both_classes(cause: Exception, kind: Any) -> None:
    error: Any = caused_by(cause, kind, "the root LM failed")
    with pytest.raises(type(cause)):
        raise error
    assert isinstance(error, kind)
    assert (str(error), error.args, error.result) == ("the root LM failed", ("the root LM failed",), None)
    assert error.__cause__ is cause
    error.result = RESULT
    assert error.result is RESULT
    error.result = None
    assert f"{type(error).__module__}.{type(error).__qualname__}" == f"{kind.__module__}.{kind.__qualname__}"
    if isinstance(cause, (openai.RateLimitError, httpx.HTTPStatusError)):
        assert error.response is RESPONSE

    there = pickle.loads(pickle.dumps(error))
    assert (type(there), str(there), there.result) == (kind, "the root LM failed", None)


@pytest.mark.parametrize(
    "cause",
    [
        None,
        OddError("a", "b"),
        KeyedError("a", code=1),
        FinalError(),
        wrong(),
        StopIteration(),
        InvalidArgumentError("llm: no"),
        ExceptionGroup("many", [ValueError()]),
        KeyboardInterrupt(),
    ],
    ids=lambda cause: type(cause).__name__,
)
def test_where_that_cannot_be_it_is_of_its_own(cause: BaseException | None) -> None:
    error = caused_by(cause, RootModelError, "the root LM failed")
    assert type(error) is RootModelError
    assert error.__cause__ is cause
    assert str(error) == "the root LM failed"


@pytest.mark.parametrize("cause", [OwnResultError("429"), SlottedError("429"), FinalError("429"), KeyedError(code=9)])
def test_what_a_provider_raises_fails_the_run_with_its_words(cause: Exception) -> None:
    root = ScriptedModel(["```repl\nx = 1\n```", cause], usage=Usage(input_tokens=5))
    with pytest.raises(RootModelError, match=f"the root LM failed in iteration 2: {type(cause).__name__}: ") as caught:
        RLMEngine(root).run("?", "a text " * 3_000)
    assert caught.value.result is not None
    assert caught.value.result.usage.input_tokens == 5


@pytest.mark.parametrize("end", [OwnResultError(), SlottedError(), KeyboardInterrupt()])
def test_an_exception_of_others_carries_a_result_whatever_its_class(end: BaseException) -> None:
    result = RLMEngine(ScriptedModel(["done"])).run("?")
    keep_result(end, result)
    assert result_of(end) is result
    assert isinstance(end, OwnResultError) or cast(Any, end).result is result
