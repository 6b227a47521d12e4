"""A REPL session in the VM: runs the model's code, step after step, and says what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rlm_integrations.repl.answer import read_answer
from rlm_integrations.repl.code_error import error_in
from rlm_integrations.repl.output import StepOutput
from rlm_integrations.repl.sub_calls import FailedSubCall
from rlm_integrations.sandboxes.monty.clean_text import clean
from rlm_integrations.sandboxes.monty.source import Source, read_source
from rlm_integrations.sandboxes.monty.vm import Vm, VmError, VmOutOfMemoryError
from rlm_integrations.sandboxes.monty.vm_functions import TOO_MUCH_AT_ONCE
from rlm_integrations.wire.steps import AnswerState, CodeError, Output, StepDone

_FRESH_ANSWER = 'answer = {"content": "", "ready": False}'


@dataclass(slots=True)
class _Step:
    """What is known of a step so far."""

    error: CodeError | None = None
    answer: AnswerState = field(default_factory=AnswerState)
    loop_names: set[str] = field(default_factory=set[str])

    @property
    def ended(self) -> bool:
        return self.error is not None or self.answer.ready


class VmSession:
    """Says of its steps what `repl.session.ReplSession` says of its own."""

    def __init__(self, vm: Vm, output: StepOutput, *, memory_mb: int) -> None:
        """The VM holds the prelude and the corpus, and prints to the output."""
        self._vm, self._output, self._memory_mb = vm, output, memory_mb
        self._names: dict[str, None] = {}
        self._imported: dict[str, None] = {}

    def run(self, blocks: Sequence[str]) -> StepDone:
        """As `ReplSession.run`."""
        self._output.begin_step()
        step = _Step()
        for number, text in enumerate(blocks, 1):
            self._run_block(step, number, clean(text))
            if step.ended:
                break
        if not blocks:
            self._read_answer(step)
        tail, cut_chars = self._output.end_step()
        return StepDone(Output(tail=tail, cut_chars=cut_chars), step.error, step.answer, tuple(self._changed(step)))

    def _run_block(self, step: _Step, number: int, text: str) -> None:
        source = read_source(text)
        step.loop_names |= source.loop_names
        self._names |= dict.fromkeys(source.names)
        self._imported |= dict.fromkeys(source.imported)
        first = self._vm.feeds
        try:
            self._vm.feed(source.body, _names=list(self._names), _imported=list(self._imported))
            if source.last:
                self._vm.feed(source.last)
        except VmError as error:
            step.error = self._error(error, number, text, source, range(first, self._vm.feeds))
        self._read_answer(step)

    def _error(self, error: VmError, block: int, text: str, source: Source, feeds: range) -> CodeError:
        line = error.line_in(feeds)
        if line is None and len(feeds) > 1:  # its last value was being shown
            line = source.last_line
        message = error.message
        if isinstance(error, VmOutOfMemoryError) and not message.endswith(TOO_MUCH_AT_ONCE):
            message = (
                f"MemoryError: over the {self._memory_mb:,} MB of the session; begin the next step by binding what is "
                "not needed to None"
            )
        return error_in("syntax" if error.syntax else "raised", message, block, text, line)

    def _changed(self, step: _Step) -> list[str]:
        try:
            return self._vm.feed("_changed(locals(), _loop_names)", _loop_names=list(step.loop_names))
        except VmError:  # no memory is left to look, or the code spoiled what is looked with
            return []

    def _read_answer(self, step: _Step) -> None:
        raised = step.error is not None
        try:
            reading = self._answer(self._vm.feed("_answer_state(locals())"), raised=raised)
        except VmOutOfMemoryError:
            reading = AnswerState()
        except VmError as error:
            self._vm.feed(_FRESH_ANSWER)
            reading = AnswerState(refused=f"reading it failed: {error.message}; it is empty again")
        earlier = step.answer.refused
        if reading.refused is None and earlier is not None and not reading.ready:
            reading = AnswerState(content=reading.content, is_json=reading.is_json, refused=earlier)
        step.answer = reading

    def _answer(self, state: tuple[Any, ...], *, raised: bool) -> AnswerState:
        """What `_answer_state` found, read as in the process sandbox; and put right in the VM as it would be there."""
        match state:
            case ("missing",):
                self._vm.feed(_FRESH_ANSWER)
                return AnswerState()
            case ("value", value):
                self._vm.feed('answer = {"content": answer, "ready": False}')
                return read_answer({"answer": value}, raised=raised)
            case ("other", str(kind)):
                self._vm.feed(_FRESH_ANSWER)
                return read_answer({"answer": type(kind, (), {})()}, raised=raised)
            case ("unwritable", ready, str(problem)):
                reading = AnswerState(
                    refused=f'answer["content"] cannot be written as JSON: {problem}' if ready else None
                )
            case ("failed", ready, str(problem)):
                reading = read_answer({"answer": {"content": FailedSubCall(problem), "ready": ready}}, raised=raised)
            case _:
                _, ready, content = state
                reading = read_answer({"answer": {"content": content, "ready": ready}}, raised=raised)
        if ready and not reading.ready:
            self._vm.feed('answer["ready"] = False')
        return reading
