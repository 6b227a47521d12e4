"""`verify=`: the user's own checks of answers, as they are passed, and what each says of an answer."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Any, cast

from pydantic import AfterValidator, BeforeValidator, PlainValidator, TypeAdapter, ValidationError, WrapValidator

from rlm_integrations.core.calls.foreign_code import contained
from rlm_integrations.core.calls.threads import RunThreads
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.trace.result import RLMResult
from rlm_integrations.core.wording import one_line, shortened
from rlm_integrations.frozen import frozen

CheckFunction = Callable[[Any, RLMResult[Any]], Awaitable[str | None] | str | None]
"""(answer, result) -> None where the answer holds, else why not, in words for the root LM. Sync or async.

A ValueError, an AssertionError or a pydantic ValidationError that it raises are such words too.
"""
Validator = AfterValidator | BeforeValidator | PlainValidator | WrapValidator

_OBJECTION_CHARS = 8_000
_PLACE_CHARS = 60
_MOST_PROBLEMS = 20
_FORM = "pass a function(answer, result) that returns None, or a str that says why not, or a list of such functions"


@dataclass(frozen=True, slots=True)
class Twice:
    """Two blind runs of each question, of which neither sees the other: `verify=Twice()`.

    Where their answers are the same, `result.agreement` is "agreed". Where they differ a third run over the same
    corpus is given both, with what they cited, and says which holds ("reconciled", or "agreed" where they say the same
    in other words).

    Args:
        reconcile: False: there is no third run, and the first one's answer is handed back, with a warning ("differed").
    """

    reconcile: bool = True


class BrokenCheckError(Exception):
    """A check gave back what says nothing. The message is for the user."""


@frozen
class Check:
    """One check of the user's. `name` is what traces call it."""

    name: str
    function: CheckFunction

    async def objection(self, result: RLMResult[Any], threads: RunThreads) -> str | None:
        """Why the answer is refused; None where it holds. A function that is not async runs in a thread of the run.

        Raises BrokenCheckError, and what the function raises that is no objection.
        """
        try:
            if _is_async(self.function):
                said = self.function(result.answer, result)
            else:
                said = await threads.run(self.function, result.answer, result)
            if inspect.isawaitable(said):
                said = await contained(said)
        except ValidationError as error:
            said = _problems(error)
        except (ValueError, AssertionError) as error:
            said = _words(error)
        if said is None:
            return None
        if not isinstance(said, str) or not said.strip():  # pyright: ignore[reportUnnecessaryIsInstance]
            given = "an empty str" if isinstance(said, str) else repr(said)[:80]  # pyright: ignore[reportUnnecessaryIsInstance]
            raise BrokenCheckError(f"returned {given}; return None where the answer holds, else a str that says why")
        return shortened(said, _OBJECTION_CHARS)


Verifier = CheckFunction | Validator | Twice
"""A check of answers: a function, or a pydantic validator, whose value is not used. Or `Twice`."""


def read_verify(value: object) -> tuple[tuple[Check, ...], Twice | None]:
    """The argument `verify` of an engine. Raises InvalidArgumentError for what is no check."""
    if value is None:
        return (), None
    several = isinstance(value, Iterable) and not callable(cast(object, value)) and not isinstance(value, str)
    given: list[object] = list(cast("Iterable[object]", value)) if several else [value]
    twice = [each for each in given if isinstance(each, Twice) or each is Twice]
    if Twice in twice:
        raise InvalidArgumentError("verify: Twice is the class; pass Twice(), or Twice(reconcile=False)")
    if len(twice) > 1:
        raise InvalidArgumentError("verify: Twice is given more than once; two runs and a third are the most there are")
    checks = tuple(_check(each) for each in given if not isinstance(each, Twice))
    return checks, cast("Twice", twice[0]) if twice else None


def _check(value: object) -> Check:
    if isinstance(value, type):
        raise InvalidArgumentError(
            f"verify: {value.__name__} is a class; one with rules of its own is the type of the answer: pass "
            f"answer_type={value.__name__} (output_cls, or with_structured_output), or {_FORM}"
        )
    if isinstance(value, Validator):
        function = value.func
        adapter = TypeAdapter[Any](Annotated[Any, value])

        def validate(answer: Any, _result: RLMResult[Any]) -> None:
            adapter.validate_python(answer)

        return Check(_name(function), validate)
    if not callable(value):
        raise InvalidArgumentError(f"verify: {value!r:.80} is no function; {_FORM}")
    try:
        inspect.signature(value).bind(None, None)
    except TypeError:
        raise InvalidArgumentError(
            f"verify: {_name(value)} does not take (answer, result); {_FORM}, or AfterValidator({_name(value)}) for a "
            "pydantic validator"
        ) from None
    except ValueError:  # a builtin that does not say
        pass
    return Check(_name(value), cast(CheckFunction, value))


def _name(function: object) -> str:
    return one_line(str(getattr(function, "__name__", type(function).__name__)), _PLACE_CHARS)


def _is_async(function: Any) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(function.__call__)


def _problems(error: ValidationError) -> str:
    """A line for each, without the values, which may be as long as the answer."""
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    places = [(one_line(".".join(map(str, problem["loc"])), _PLACE_CHARS), problem["msg"]) for problem in problems]
    lines = [f"{place}: {message}" if place else message for place, message in places[:_MOST_PROBLEMS]]
    more = len(problems) - len(lines)
    return "\n".join([*lines, *([f"and {more:,} more"] if more else [])])


def _words(error: Exception) -> str:
    """Of an `assert` without a message, its own line."""
    try:
        said = str(error)
    except Exception:  # it may be of a class of the user's
        said = ""
    if said.strip():
        return said
    frames = traceback.extract_tb(error.__traceback__)
    line = frames[-1].line if frames else ""
    return f"it does not hold: {line}" if line else type(error).__name__
