"""The interpreter in the VM: runs the model's code, step after step, and says what came of it."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any, TypeGuard, cast

from rlm_integrations.repl.answer import read_answer
from rlm_integrations.repl.code_error import INTERRUPTED, error_in
from rlm_integrations.repl.output import StepOutput
from rlm_integrations.repl.step_so_far import StepSoFar
from rlm_integrations.repl.sub_calls import FailedSubCall
from rlm_integrations.sandboxes.monty.clean_text import clean
from rlm_integrations.sandboxes.monty.source import OwnNameError, Source, read_source
from rlm_integrations.sandboxes.monty.vm import Vm, VmError, VmInterruptedError, VmOutOfMemoryError
from rlm_integrations.sandboxes.monty.vm_functions import TOO_MUCH_AT_ONCE
from rlm_integrations.wire.steps import AnswerState, CodeError, Output, StepDone

_FRESH_ANSWER = 'answer = {"content": "", "ready": False}'


class VmInterpreter:
    """Says of its steps what `repl.interpreter.Interpreter` says of its own."""

    def __init__(self, vm: Vm, output: StepOutput, *, memory_mb: int, null_answers: bool = False) -> None:
        """The VM holds the prelude and the corpus, and prints to the output."""
        self._vm, self._output, self._memory_mb = vm, output, memory_mb
        self._null_answers = null_answers
        self._names: dict[str, None] = {}
        self._imported: dict[str, None] = {}
        self._unbound: set[str] = set()
        """Names that this step may have unbound."""

    def run(self, blocks: Sequence[str]) -> StepDone:
        """As `Interpreter.run`."""
        self._output.begin_step()
        step = StepSoFar()
        for number, text in enumerate(blocks, 1):
            self._run_block(step, number, clean(text))
            if step.ended:
                break
        if not blocks:
            self._read_answer(step)
        tail, cut_chars = self._output.end_step()
        variables = self._changed(step)
        self._put_functions_back()
        return StepDone(Output(tail=tail, cut_chars=cut_chars), step.error, step.answer, tuple(variables))

    def _run_block(self, step: StepSoFar, number: int, text: str) -> None:
        try:
            source = read_source(text)
        except OwnNameError as error:
            step.error = error_in("syntax", str(error), number, text, error.line)
            self._read_answer(step)
            return
        self._unbound |= source.unbound
        step.loop_names |= source.loop_names
        self._names |= dict.fromkeys(source.names)
        self._imported |= dict.fromkeys(source.imported)
        first = self._vm.feeds
        try:
            self._vm.feed(source.body, _rlm_names=list(self._names), _rlm_imported=list(self._imported))
            if source.last:
                self._vm.feed(source.last)
        except VmError as error:
            step.error = self._error(error, number, text, source, range(first, self._vm.feeds))
        self._read_answer(step)

    def _error(self, error: VmError, block: int, text: str, source: Source, feeds: range) -> CodeError:
        line = error.line_in(feeds)
        if line is None and len(feeds) > 1:  # its last value was being shown
            line = source.last_line
        if isinstance(error, VmInterruptedError):
            return error_in("interrupted", INTERRUPTED, block, text, line)
        message = error.message
        if isinstance(error, VmOutOfMemoryError) and not message.endswith(TOO_MUCH_AT_ONCE):
            message = (
                f"MemoryError: over the {self._memory_mb:,} MB of the session; begin the next step by binding what is "
                "not needed to None"
            )
        return error_in("syntax" if error.syntax else "raised", message, block, text, line)

    def _changed(self, step: StepSoFar) -> list[str]:
        try:
            lines = self._vm.feed("_rlm_changed(locals(), _rlm_loop_names)", _rlm_loop_names=list(step.loop_names))
        except VmError:  # no memory is left to look, or the code spoiled what is looked with
            return []
        return lines if _is_strings(lines) else []

    def _put_functions_back(self) -> None:
        """What the model unbound of ours is there again; what it bound anew is its own and stays."""
        for name in sorted(self._unbound):
            with contextlib.suppress(VmError):
                self._vm.feed(f"if {name!r} in _rlm_own and {name!r} not in locals(): {name} = _rlm_own[{name!r}]")
        self._unbound.clear()

    def _read_answer(self, step: StepSoFar) -> None:
        raised = step.error is not None
        try:
            reading = self._answer(self._vm.feed("_rlm_answer_state(locals())"), raised=raised)
        except VmOutOfMemoryError:
            reading = AnswerState()
        except VmError as error:
            reading = self._unreadable(error.message)
        earlier = step.answer.refused
        if reading.refused is None and earlier is not None and not reading.ready:
            reading = AnswerState(content=reading.content, is_json=reading.is_json, refused=earlier)
        step.answer = reading

    def _answer(self, state: Any, *, raised: bool) -> AnswerState:
        """What `_rlm_answer_state` found, read and put right as it would be in the process sandbox."""
        match state:
            case ("missing",):
                self._vm.feed(_FRESH_ANSWER)
                return AnswerState()
            case ("value", value):
                self._vm.feed('answer = {"content": answer, "ready": False}')
                return read_answer({"answer": value}, raised=raised, null=self._null_answers)
            case ("other", str(kind)):
                self._vm.feed(_FRESH_ANSWER)
                return read_answer({"answer": type(kind, (), {})()}, raised=raised, null=self._null_answers)
            case ("unwritable", ready, str(problem)):
                reading = AnswerState(
                    refused=f'answer["content"] cannot be written as JSON: {problem}' if ready else None
                )
            case ("failed", ready, str(problem)):
                reading = read_answer(
                    {"answer": {"content": FailedSubCall(problem), "ready": ready}},
                    raised=raised,
                    null=self._null_answers,
                )
            case ("dict", ready, content):
                reading = read_answer(
                    {"answer": {"content": content, "ready": ready}}, raised=raised, null=self._null_answers
                )
            case _:
                return self._unreadable("the code spoiled what it is read with")
        if ready and not reading.ready:
            self._vm.feed('answer["ready"] = False')
        return reading

    def _unreadable(self, problem: str) -> AnswerState:
        self._vm.feed(_FRESH_ANSWER)
        return AnswerState(refused=f"reading it failed: {problem}; it is empty again")


def _is_strings(value: object) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(isinstance(item, str) for item in cast("list[object]", value))
