"""Errors of runs are of the class of what the model raised, too."""

from __future__ import annotations

import pickle
from typing import Any

import httpx
import openai
import pytest
from pydantic import BaseModel, ValidationError

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.trace.run_errors import LimitReachedError, RootModelError, caused_by

RESPONSE = httpx.Response(429, request=httpx.Request("POST", "http://localhost"))


class OddError(Exception):
    """Has what a class of errors may have."""

    def __new__(cls, first: str, second: str) -> OddError:
        return super().__new__(cls, first, second)

    def __init__(self, first: str, second: str) -> None:
        super().__init__(first)


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
