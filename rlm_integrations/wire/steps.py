"""How a step ends: what the REPL says of it, how that is sent, and how it is read.

Both sides use this module, and in the worker it lives beside the model's code: it looks builtins up in a copy of
its own. Standard library only. What is read is hostile: wrong types, unknown kinds and impossible counts raise, but
texts over their length are cut, for a worker that merely says too much is not to lose its variables.
"""

from __future__ import annotations

import builtins
from dataclasses import field
from typing import Any, Literal, cast

from rlm_integrations.frozen import frozen
from rlm_integrations.wire.calls import LARGEST_COUNT

globals()["__builtins__"] = vars(builtins).copy()  # before the classes: what dataclass writes for them looks here too

MAX_ANSWER_CHARS = 10_000_000
MESSAGE_CHARS = 2_000
"""The longest message of an error, in characters."""

_MAX_VARIABLES, _VARIABLE_CHARS = 20, 200

ErrorKind = Literal["raised", "syntax", "interrupted"]


class WrongStepError(ValueError):
    """The end of a step has not the form of one. The message names the field."""


@frozen
class Output:
    """What a step printed, stdout and stderr together: head and tail, and how much is gone between."""

    head: str = ""
    tail: str = ""
    cut_chars: int = 0

    @property
    def empty(self) -> bool:
        return not (self.head.strip() or self.tail.strip())


@frozen
class CodeError:
    """An exception that ended a step."""

    block: int
    """Which block of the reply, from 1."""
    line: int | None
    """The line of the model's own code, from 1 within its block."""
    source: str
    """That line."""
    message: str
    """For instance "KeyError: 'plot'", at most 2,000 characters."""
    kind: ErrorKind = "raised"


@frozen
class AnswerState:
    """The variable `answer` after a step."""

    ready: bool = False
    """True if it was ready, held something, and no block raised: the run is over."""
    content: str = ""
    """The content, at present: a str as it is, anything else as JSON."""
    is_json: bool = False
    """Whether content is the JSON of something that was not a str."""
    refused: str | None = None
    """Why ready was taken back in this step, if it was."""


@frozen
class StepDone:
    """A step ended, and the REPL lives on."""

    output: Output
    error: CodeError | None
    answer: AnswerState
    variables: tuple[str, ...] = ()
    """What is new or changed: "name: type size" each, at most 12 and then "and 3 more"."""

    def to_json(self) -> dict[str, Any]:
        """A JSON object: what `read_step_done` takes. Without the head of the output, which was sent before."""
        error, answer = self.error, self.answer
        return {
            "output": {"tail": self.output.tail, "cut_chars": self.output.cut_chars},
            "error": None if error is None else {name: getattr(error, name) for name in CodeError.__match_args__},
            "answer": {name: getattr(answer, name) for name in AnswerState.__match_args__},
            "variables": list(self.variables),
        }

    def with_error(self, error: CodeError) -> StepDone:
        return StepDone(self.output, error, self.answer, self.variables)


@frozen
class ReplLost:
    """The REPL died in this step and its variables are gone. The next one needs a new REPL."""

    reason: str
    """In words for the root: "it used more than 1,024 MB of memory", "it ended its own process"."""
    output: Output = field(default_factory=Output)
    """What it had printed, as far as it arrived."""


def read_step_done(payload: object, blocks: int, max_output_chars: int) -> StepDone:
    """The end of a step as it was sent, without the head of its output: hostile input.

    Args:
        payload: The JSON object. Fields that no step has are ignored.
        blocks: How many blocks the step had.
        max_output_chars: How much of the tail is taken, in characters.

    Raises:
        WrongStepError: A field is missing, of another type or out of bounds.
    """
    done = _object(payload, "done")
    output = _object(done.get("output"), "output")
    error, variables = done.get("error"), done.get("variables")
    if not isinstance(variables, list):
        raise WrongStepError("variables are no list")
    lines = cast("list[object]", variables)[:_MAX_VARIABLES]
    return StepDone(
        output=Output(
            tail=_text(output.get("tail"), "tail")[-max_output_chars:],
            cut_chars=_count(output.get("cut_chars"), "cut_chars"),
        ),
        error=None if error is None else _read_error(_object(error, "error"), blocks),
        answer=_read_answer(_object(done.get("answer"), "answer")),
        variables=tuple(_text(line, "a variable")[:_VARIABLE_CHARS] for line in lines),
    )


def _read_error(error: dict[str, Any], blocks: int) -> CodeError:
    line, kind = error.get("line"), error.get("kind")
    if kind not in ("raised", "syntax", "interrupted"):
        raise WrongStepError("kind of the error is unknown")
    return CodeError(
        block=_count(error.get("block"), "block", blocks),
        line=None if line is None else _count(line, "line"),
        source=_text(error.get("source"), "source")[:MESSAGE_CHARS],
        message=_text(error.get("message"), "message")[:MESSAGE_CHARS],
        kind=kind,
    )


def _read_answer(answer: dict[str, Any]) -> AnswerState:
    ready, is_json, refused = answer.get("ready"), answer.get("is_json"), answer.get("refused")
    if not isinstance(ready, bool) or not isinstance(is_json, bool):
        raise WrongStepError("the answer is neither ready nor not, or neither JSON nor not")
    content = _text(answer.get("content"), "content")
    if len(content) > MAX_ANSWER_CHARS:
        raise WrongStepError(f"the answer has more than {MAX_ANSWER_CHARS:,} characters")
    return AnswerState(
        ready=ready,
        content=content,
        is_json=is_json,
        refused=None if refused is None else _text(refused, "refused")[:MESSAGE_CHARS],
    )


def _object(value: object, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise WrongStepError(f"{name} is no object")
    return cast("dict[str, Any]", value)


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise WrongStepError(f"{name} is no text")
    return value


def _count(value: object, name: str, most: int = LARGEST_COUNT) -> int:
    if type(value) is not int or not 0 <= value <= most:
        raise WrongStepError(f"{name} is no number between 0 and {most:,}")
    return value
