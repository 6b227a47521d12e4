"""The interpreter of a REPL: runs the model's code in one namespace, step after step, and says what came of it."""

from __future__ import annotations

from ast import Module
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, NoReturn, cast

from rlm_integrations.repl.answer import fresh_answer, plain_draft, read_answer, set_answer
from rlm_integrations.repl.awaitable_replies import Awaiting
from rlm_integrations.repl.bounded_repr import bounded_repr
from rlm_integrations.repl.chunks import Chunks
from rlm_integrations.repl.cite import Cite
from rlm_integrations.repl.code_error import code_error, is_clean_exit, message_of, type_name, uncompiled
from rlm_integrations.repl.corpus_view import CorpusView, DocumentDict
from rlm_integrations.repl.event_loop import ReplLoop
from rlm_integrations.repl.execute import Block, compile_block, run_block
from rlm_integrations.repl.host_calls import Retrieve, SubCallError, SubCallLimitError, tool_function
from rlm_integrations.repl.host_port import HostPort
from rlm_integrations.repl.interpreter_state import InterpreterState
from rlm_integrations.repl.llm_map import LlmMap
from rlm_integrations.repl.llm_reduce import LlmReduce
from rlm_integrations.repl.map_results import MapResults
from rlm_integrations.repl.matches import Match, Matches
from rlm_integrations.repl.model_time import ModelTime
from rlm_integrations.repl.output import OutputStream, StepOutput
from rlm_integrations.repl.rlm_query import Rlms
from rlm_integrations.repl.search import Search
from rlm_integrations.repl.step_so_far import StepSoFar
from rlm_integrations.repl.sub_calls import FailedSubCall, SubCalls
from rlm_integrations.repl.variables import VariableWatch
from rlm_integrations.wire import names
from rlm_integrations.wire.settings import ReplSettings
from rlm_integrations.wire.steps import AnswerState, CodeError, Output, StepDone


class Interpreter:
    """The namespace is that of a module registered as `__main__`, so pickle, dataclasses and typing work in it.

    Create it and call `run` in the main thread. A SIGINT handler that raises KeyboardInterrupt while
    `interruptible` is true stops the step that is running and nothing else. A call of the host is part of the
    model's code in this: the port itself sees to it that an interrupt never tears a message.
    """

    def __init__(
        self,
        context: str | list[DocumentDict] | None,
        host: HostPort,
        settings: ReplSettings,
        *,
        rewrite: Callable[[Module], Module] | None = None,
        at_block_end: Callable[[], None] | None = None,
    ) -> None:
        """`context` is a text, documents, or None for no corpus.

        A sandbox may `rewrite` the syntax tree of each block, and have something done at its end, as part of its code.
        """
        self._rewrite, self._at_block_end = rewrite, at_block_end
        self._main = ModuleType("__main__")
        self._namespace: dict[str, Any] = self._main.__dict__
        self._max_output_chars, self._printed_chars = settings.max_output_chars, settings.printed_chars
        self._null_answers = settings.null_answers
        self._steps = 0
        self._output = StepOutput(settings.max_output_chars, host.print_head)
        self._interpreter = InterpreterState(self._main, OutputStream(self._output))
        self._time = ModelTime(self._interpreter.straighten)
        self._host = host
        self._loop = ReplLoop()
        self._awaiting = Awaiting()
        if context is None and settings.retriever:
            context = []
        self._given = {
            **self._functions(CorpusView(context, settings.said_columns), settings),
            names.CONTEXT: context,
        }
        self._namespace.update(self._given)
        self._namespace[names.ANSWER] = fresh_answer()
        self._variables = VariableWatch(self._namespace)

    @property
    def namespace(self) -> dict[str, Any]:
        """The model's: a sandbox may keep what it needs there, under names that begin with `names.HIDDEN_PREFIX`."""
        return self._namespace

    @property
    def interruptible(self) -> bool:
        """True exactly while the main thread runs the model's own code."""
        return self._time.running

    def run(self, blocks: Sequence[str]) -> StepDone:
        """Run the blocks in order until one raises or sets the answer ready.

        The head of the output is handed to the host while it is produced, and is not in what is returned.
        """
        self._steps += 1
        self._interpreter.begin_step()
        self._give_again()
        self._loop.begin_step(blocks)
        self._awaiting.begin_step(blocks)
        self._output.begin_step()
        step = StepSoFar()
        for number, source in enumerate(blocks, 1):
            self._run_block(step, number, source, last=number == len(blocks))
            if step.ended:
                break
        if not blocks:
            self._read_answer(step)
        tail, cut_chars = self._output.end_step()
        variables = self._variables.changed(self._namespace, step.loop_names)
        return StepDone(Output(tail=tail, cut_chars=cut_chars), step.error, step.answer, tuple(variables))

    def _run_block(self, step: StepSoFar, number: int, source: str, *, last: bool) -> None:
        filename = f"<step {self._steps} block {number}>"
        left: CodeError | None = None
        try:
            block = compile_block(source, filename, self._rewrite)
        except Exception as error:
            step.error = uncompiled(error, message_of(error), block=number, source=source)
        else:
            step.loop_names |= block.loop_names
            _, raised = self._time.run(lambda: self._run_code(block))
            if raised is not None:
                error = code_error(
                    raised,
                    self._message(raised),
                    block=number,
                    source=source,
                    filename=filename,
                    last_line=block.last_line,
                )
                if is_clean_exit(raised):
                    left = error
                else:
                    step.error = error
        self._read_answer(step)
        if left is not None and not (last or step.answer.ready):  # blocks that follow are not run, which is to be told
            step.error = left

    def _run_code(self, block: Block) -> None:
        self._interpreter.resume()
        run_block(block, self._namespace, self._loop, self._show)
        if self._at_block_end is not None:
            self._at_block_end()

    def _read_answer(self, step: StepSoFar) -> None:
        raised, error = step.error is not None, None
        reading = plain_draft(self._namespace)
        if reading is None:
            reading, error = self._time.run(
                lambda: read_answer(self._namespace, raised=raised, null=self._null_answers)
            )
        if reading is None:
            assert error is not None
            self._namespace[names.ANSWER] = fresh_answer()
            reading = AnswerState(refused=f"reading it failed: {self._message(error)}; it is empty again")
        earlier = step.answer.refused
        if reading.refused is None and earlier is not None and not reading.ready:
            reading = AnswerState(content=reading.content, is_json=reading.is_json, refused=earlier)
        step.answer = reading

    def _message(self, error: BaseException) -> str:
        message, _ = self._time.run(lambda: message_of(error))
        return message if message is not None else type_name(error)

    def _show(self, value: Any) -> None:
        if isinstance(value, str):
            self._output.write(value if type(value) is str else str.__str__(value), is_text=True)
        elif type(value) is Matches:
            self._output.write_matches(value)
        elif _is_list_of_matches(value):  # one that the model filtered prints as what it came from
            self._output.write_matches(Matches.of(value, self._printed_chars))
        else:
            self._output.write(bounded_repr(value, self._max_output_chars))
            if type(value) is MapResults and value.unresolved:
                self._output.write(f"\n{value.note()}")
        self._output.write("\n")

    def _give_again(self) -> None:
        """What the model deleted of ours is there again; what it bound anew is its own and stays, but for how it ends.

        `FINAL = "text"` is meant as a call, and must not keep it from making one.
        """
        for name, given in self._given.items():
            if name in ("FINAL", "FINAL_VAR") and not callable(self._namespace.get(name)):
                self._namespace[name] = given
            self._namespace.setdefault(name, given)

    def _functions(self, corpus: CorpusView, settings: ReplSettings) -> dict[str, Any]:
        """What the model finds in its namespace besides `context` and `answer`."""
        awaiting, max_chars = self._awaiting, settings.sub_call_chars
        sub_calls = SubCalls(self._host, corpus, max_chars, awaiting)
        rlms = Rlms(self._host, corpus, max_chars, awaiting) if settings.depth > 1 else sub_calls
        maps = LlmMap(self._host)
        llm_reduce = LlmReduce(
            sub_calls.ask_all, corpus, chunk_chars=settings.chunk_chars, max_chars=max_chars, awaiting=awaiting
        )
        there_is: dict[str, Any] = {
            "search": Search(corpus, self._printed_chars).search,
            "chunks": Chunks(corpus, settings.chunk_chars).chunks,
            "cite": Cite(self._host, corpus).cite,
            "SHOW_VARS": self._show_vars,
            "FINAL": self._call_final,
            "FINAL_VAR": self._final_var,
            "exit": _exit,
            "quit": _exit,
            "llm_query": sub_calls.llm_query,
            "llm_query_batched": sub_calls.llm_query_batched,
            "rlm_query": rlms.rlm_query,
            "rlm_query_batched": rlms.rlm_query_batched,
            "recursive_llm": rlms.rlm_query,
            "llm_map": maps.llm_map,
            "llm_filter": maps.llm_filter,
            "llm_pairs": maps.llm_pairs,
            "drop_unresolved": maps.drop_unresolved,
            "llm_reduce": llm_reduce.llm_reduce,
            **{kind.__name__: kind for kind in (FailedSubCall, SubCallError, SubCallLimitError)},
            "retrieve": Retrieve(self._host, corpus, awaiting).retrieve,
        }
        offered = {name: there_is[name] for name in names.helper_names(settings)}
        tools = {name: tool_function(self._host, name, awaiting) for name in settings.tools}
        return offered | tools

    def _show_vars(self) -> str:
        """Your variables, one a line: `name: type size`."""
        return "\n".join(self._variables.all(self._namespace)) or "(none)"

    def _final(self, content: Any) -> None:
        """Set the answer and finish."""
        set_answer(self._namespace, content)

    def _call_final(self, *values: Any, **named: Any) -> None:
        """Set the answer to the one value, by whatever name it is given, and finish."""
        if len(values) + len(named) != 1:
            given = len(values) + len(named)
            raise TypeError(
                f"FINAL takes one value, the whole answer (a str, number, list or dict), and {given} were given"
            )
        self._final(*values, *named.values())

    def _final_var(self, variable: Any) -> None:
        """Finish with the value of a variable, given by its name (or itself)."""
        name = variable.strip().strip("\"'") if isinstance(variable, str) else ""
        if name.isidentifier():
            if name not in self._namespace:
                raise NameError(f"FINAL_VAR: no variable {name!r}; SHOW_VARS() lists them")
            variable = self._namespace[name]
        set_answer(self._namespace, variable)


def _exit(code: object = None) -> NoReturn:
    raise SystemExit(code)


def _is_list_of_matches(value: object) -> bool:
    if type(value) is not list:
        return False
    items = cast("list[object]", value)
    return bool(items) and all(type(item) is Match for item in items)
