"""Performs one run: calls models, runs code, keeps the trace. What to do next, `root_loop` decides."""

from __future__ import annotations

import asyncio
import inspect
import secrets
import time
from collections.abc import Sequence
from typing import Any

from rlm_integrations.core.calls.budget import Budget
from rlm_integrations.core.calls.model_calls import ModelCaller
from rlm_integrations.core.calls.threads import RunThreads
from rlm_integrations.core.corpus.corpus import Corpus, unique_ids
from rlm_integrations.core.corpus.description import corpus_line, describe, fence_tag, shown_whole, study
from rlm_integrations.core.corpus.question import Question, read_question
from rlm_integrations.core.errors import InvalidArgumentError, RLMError
from rlm_integrations.core.host.functions import HostFunctions, retrieve
from rlm_integrations.core.host.step_record import StepRecord
from rlm_integrations.core.language_model import LanguageModel, Message
from rlm_integrations.core.limits import StopReason
from rlm_integrations.core.loop import decide as root_loop
from rlm_integrations.core.loop.actions import BudgetView, CallRootLM, CodeRan, Fail, Finish, RunCode
from rlm_integrations.core.loop.decide import Decision, Rules, State
from rlm_integrations.core.loop.observation import output_text
from rlm_integrations.core.prompts.texts import fill, first_message, root_system
from rlm_integrations.core.run.live_repl import LiveRepl
from rlm_integrations.core.run.plan import RunPlan
from rlm_integrations.core.sandbox import ReplSettings
from rlm_integrations.core.sources import index_of, source_ids
from rlm_integrations.core.surrogates import without_lone_surrogates
from rlm_integrations.core.trace.collector import collect
from rlm_integrations.core.trace.events import (
    CodeEnded,
    CodeStarted,
    Event,
    IterationStarted,
    RootReplied,
    RunEnded,
    RunStarted,
)
from rlm_integrations.core.trace.records import CodeExecution, Iteration, ModelCall, RLMTrace, TraceMessage
from rlm_integrations.core.trace.result import RLMResult
from rlm_integrations.core.trace.run_errors import LimitReachedError, RootModelError, RunError, keep_result
from rlm_integrations.core.wording import error_words
from rlm_integrations.wire.steps import CodeError, StepDone

_SUB_CALL_CHARS = 100_000
_CHARS_PER_TOKEN = 3
_OUTPUT_SHARE = 16


def window_chars(model: LanguageModel) -> int | None:
    """Characters that surely fit the model's window, where it is known."""
    tokens: Any = getattr(model, "max_input_tokens", None)
    return tokens * _CHARS_PER_TOKEN if isinstance(tokens, int) and tokens > 0 else None


class Run:
    """One run of a plan. Use `await Run(...).perform()`, once."""

    def __init__(self, plan: RunPlan, question: str | Sequence[Message], context: object, *, sync: bool) -> None:
        self._plan = plan
        self._limits = plan.limits
        self._asked: Question = read_question(question, plan.limits.message_chars)
        self._context = context
        self._corpus = Corpus.of(None)
        self._sync = sync
        self._began = time.monotonic()
        self._budget = Budget(plan.limits, time.monotonic)
        self._threads = RunThreads()
        model_threads = self._threads if sync else None
        self._root = ModelCaller(plan.root, "llm", model_threads)
        self._sub = ModelCaller(plan.sub, "sub_llm", model_threads)
        self._trace = RLMTrace(question=self._asked.text, context="", limits=plan.limits)
        self._repl: LiveRepl | None = None
        sub_window = window_chars(plan.sub)
        self._sub_call_chars = min(_SUB_CALL_CHARS, sub_window or _SUB_CALL_CHARS)
        root_window = window_chars(plan.root)
        self._output_chars = min(plan.limits.max_output_chars, max(200, (root_window or 10**9) // _OUTPUT_SHARE))
        self._host = HostFunctions(
            sub_model=self._sub,
            budget=self._budget,
            corpus=self._corpus,
            tools=plan.tools,
            threads=self._threads,
            sync=sync,
            sub_call_chars=self._sub_call_chars,
            emit=self._emit,
        )
        self._cause: BaseException | None = None
        self._draft = ""

    async def perform(self) -> RLMResult[Any]:
        """The result of the run. Raises RunError, which carries what there is, and InvalidArgumentError.

        The CancelledError of a run that is cancelled carries it too.
        """
        closed_loop = False
        try:
            return await self._perform()
        except asyncio.CancelledError as end:
            keep_result(end, self._partial("the run was cancelled"))
            raise
        except GeneratorExit:  # the loop was closed over the run: nothing can be awaited, all ends as it is let go of
            closed_loop = True
            raise
        except RunError as error:
            if error.result is None:
                error.result = self._partial(str(error))
            raise
        except RLMError:
            raise
        except Exception as error:  # whatever it is, what was done and paid for is handed back
            message = f"the run failed: {error_words(error)}"
            raise RunError(message, self._partial(message)) from error
        finally:
            if self._trace.error is not None or self._trace.stop_reason is not None:  # not a call that was refused
                collect(self._trace)
            self._threads.close()
            if self._repl is not None and not closed_loop:
                await self._repl.close()

    async def _perform(self) -> RLMResult[Any]:
        await self._prepare_corpus()
        rules = Rules(
            limits=self._limits,
            question=self._asked.text,
            depth=self._depth,
            plain_reply_answers=shown_whole(self._corpus, self._limits),
            misfit=self._plan.answer_type.misfit,
        )
        await self._emit(RunStarted(self._asked.text, len(self._corpus.documents), self._corpus.chars))
        self._repl = LiveRepl(self._plan.sandbox, self._repl_settings(), self._host)
        if not rules.plain_reply_answers:
            self._repl.open_early()
        state, action = root_loop.begin(self._opening())
        while True:
            self._draft = state.draft
            match action:
                case CallRootLM():
                    state, action = await self._call_root(rules, state, action)
                case RunCode():
                    state, action = await self._run_code(rules, state, action)
                case Finish():
                    return await self._finish(action)
                case Fail():
                    raise self._failure(action)

    async def _prepare_corpus(self) -> None:
        """Read the context, and add what a retriever finds for the question and what the question brought."""
        self._corpus = await self._threads.run(_read_corpus, self._context)
        retriever = self._corpus.retriever
        if retriever is not None:
            try:
                async with asyncio.timeout(self._budget.call_seconds()):
                    found = await retrieve(retriever, self._asked.query, self._threads if self._sync else None)
                hits = unique_ids(found)
            except Exception as error:
                raise RunError(f"context: the retriever failed for the question: {error_words(error)}") from error
            if self._corpus.kind == "none":
                self._corpus = Corpus(hits, retriever=retriever)
            else:
                self._corpus = self._corpus.preceded_by(hits)
        self._corpus = self._host.corpus = self._corpus.preceded_by(self._asked.documents)
        self._trace.context = corpus_line(self._corpus)

    def _opening(self) -> tuple[Message, ...]:
        corpus, plan = self._corpus, self._plan
        kind = "retriever" if corpus.retriever else {"documents": "docs"}.get(corpus.kind, corpus.kind)
        system = root_system(
            context_kind=kind,
            depth=self._depth,
            max_output_chars=self._output_chars,
            sub_call_chars=self._sub_call_chars,
            tools=[tool.description for tool in plan.tools.values()],
            modules=plan.sandbox.modules,
            subset=plan.sandbox.subset,
            template=plan.system_prompt,
        )
        if plan.instructions:
            system += "\n\n" + fill("instructions", instructions=plan.instructions)
        first = first_message(
            context=describe(corpus, self._limits, fence_tag(corpus), self._reading_chars),
            question=self._asked.text,
            max_iterations=self._limits.max_iterations,
            answer_schema=plan.answer_type.schema,
        )
        messages = (Message("system", system), *self._asked.before, Message("user", first), *self._asked.after)
        self._trace.opening = [TraceMessage(role=m.role, content=m.content) for m in messages]
        return messages

    @property
    def _reading_chars(self) -> int | None:
        """What `chunks` puts into one sub-call; None where there are none."""
        return self._sub_call_chars * 4 // 5 if self._depth else None

    @property
    def _depth(self) -> int:
        return self._limits.max_depth if self._limits.max_sub_calls else 0

    # -- calling the root LM

    async def _call_root(self, rules: Rules, state: State, action: CallRootLM) -> Decision:
        await self._emit(IterationStarted(action.iteration, self._limits.max_iterations))
        call = ModelCall(prompt_chars=sum(len(message.content) for message in action.messages))
        began = time.monotonic()
        self._host.last_call = action.last_call
        try:
            completion = await self._root.call(action.messages, self._budget.call_seconds(last_call=action.last_call))
        except Exception as error:
            self._cause = error
            call.seconds = time.monotonic() - began
            problem = f"the root LM failed in iteration {action.iteration}: {error_words(error)}"
            return root_loop.on_root_failed(rules, state, problem, self._view())
        call.seconds = time.monotonic() - began
        call.model, call.usage = completion.model, completion.usage
        self._trace.iterations.append(
            Iteration(number=action.iteration, call=call, reply=completion.text, last_call=action.last_call)
        )
        self._spend(completion.usage)
        await self._emit(RootReplied(action.iteration, completion.text, completion.usage))
        decision = root_loop.on_reply(rules, state, completion.text, self._view())
        self._record_observation(decision)
        return decision

    def _spend(self, usage: Any) -> None:
        try:
            self._budget.spend(usage)
        except InvalidArgumentError as error:
            raise RunError(str(error)) from error

    def _view(self) -> BudgetView:
        return BudgetView(
            limit=self._budget.limit_met(),
            sub_calls_left=self._budget.sub_calls_left,
            tokens_left_share=self._budget.tokens_left_share(),
            seconds_left=self._budget.seconds_left(),
        )

    def _record_observation(self, decision: Decision) -> None:
        state, action = decision
        if isinstance(action, CallRootLM):
            self._trace.iterations[-1].observation = state.messages[-1].content

    # -- running code

    async def _run_code(self, rules: Rules, state: State, action: RunCode) -> Decision:
        iteration = self._trace.iterations[-1]
        decision: Decision | None = None

        async def execute() -> str:
            nonlocal decision
            ran = await self._execute(iteration, action.blocks)
            decision = root_loop.on_code_ran(rules, state, ran, self._view(), secrets.token_hex(4))
            self._record_observation(decision)
            return iteration.observation or _ended_with(decision)

        around = self._plan.around_step
        if around is None:
            await execute()
        else:
            try:
                await around(iteration.number, "\n\n".join(action.blocks), execute)
            except RLMError:
                raise
            except Exception as error:
                raise RunError(f"around_step: it raised {error_words(error)}") from error
        if decision is None:
            raise RunError("around_step: returned without awaiting execute()")
        return decision

    async def _execute(self, iteration: Iteration, blocks: tuple[str, ...]) -> CodeRan:
        execution = CodeExecution(blocks=list(blocks))
        iteration.execution = execution
        step = StepRecord(iteration.number, time.monotonic)
        execution.sub_calls, execution.host_calls = step.sub_calls, step.host_calls
        await self._emit(CodeStarted(iteration.number, blocks))
        began = time.monotonic()
        assert self._repl is not None
        seconds = max(0.0, self._budget.seconds_left(last_call=self._host.last_call))
        outcome = await self._repl.step(blocks, seconds, step)
        execution.seconds = time.monotonic() - began
        self._budget.release(step.end())
        execution.output = output_text(outcome.output)
        if isinstance(outcome, StepDone):
            execution.error = outcome.error and _error_line(outcome.error)
            execution.variables = list(outcome.variables)
        else:
            execution.lost = outcome.reason
        await self._emit(CodeEnded(iteration.number, execution))
        if self._host.fatal is not None:
            raise self._host.fatal
        return CodeRan(
            outcome,
            sub_calls_made=step.sub_calls_made,
            sub_call_seconds=step.seconds,
            failed_batches=step.failed_batches(),
            retrieved=len(self._host.retrieved),
        )

    def _repl_settings(self) -> ReplSettings:
        """Made when the corpus is known: its size bounds the memory."""
        return ReplSettings(
            depth=self._depth,
            sub_call_chars=self._sub_call_chars,
            max_output_chars=self._output_chars,
            step_timeout_s=self._limits.step_timeout_s,
            memory_mb=self._limits.memory_mb or max(1024, 3 * self._corpus.chars // 2**20),
            retriever=self._corpus.retriever is not None,
            tools=tuple(self._plan.tools),
        )

    # -- the end

    async def _finish(self, action: Finish) -> RLMResult[Any]:
        answer_type, text = self._plan.answer_type, without_lone_surrogates(action.text)
        result = self._result(
            answer_type.read(text, action.is_json), answer_type.text(text, action.is_json), action.stop_reason
        )
        if self._plan.on_limit == "raise" and action.stop_reason not in ("answer", "plain_reply"):
            raise LimitReachedError(f"limits: the run reached {action.stop_reason}; its result is in .result", result)
        await self._emit(RunEnded(result))
        return result

    def _failure(self, action: Fail) -> RunError:
        self._draft = action.draft
        kind = RootModelError if action.stop_reason is None else LimitReachedError
        error = kind(action.message, self._partial(action.message, action.stop_reason))
        error.__cause__ = self._cause
        return error

    def _partial(self, message: str, stop_reason: StopReason | None = None) -> RLMResult[Any]:
        self._trace.error = message
        return self._result(self._draft, self._draft, stop_reason)

    def _result(self, answer: Any, text: str, stop_reason: StopReason | None) -> RLMResult[Any]:
        trace, host = self._trace, self._host
        trace.answer, trace.stop_reason = text, stop_reason
        trace.citations = list(host.citations)
        if self._repl is not None and self._repl.capabilities is not None:
            trace.sandbox, trace.isolation = self._repl.capabilities.name, self._repl.capabilities.layers
        trace.seconds = time.monotonic() - self._began
        sources = source_ids(trace, self._corpus, tuple(host.retrieved.values()))
        return RLMResult(answer, text, tuple(trace.citations), sources, stop_reason, trace)

    async def _emit(self, event: Event) -> None:
        if self._plan.on_event is None:
            return
        try:
            told = self._plan.on_event(event)
            if inspect.isawaitable(told):
                await told
        except Exception as error:
            raise RunError(f"on_event: it raised {error_words(error)}") from error


def _read_corpus(context: object) -> Corpus:
    """The corpus, looked through: what takes a while over a large one is done now, and not in the event loop."""
    corpus = Corpus.of(context)
    study(corpus)
    index_of(corpus)
    return corpus


def _ended_with(decision: Decision) -> str:
    action = decision[1]
    return action.text if isinstance(action, Finish) else action.message if isinstance(action, Fail) else ""


def _error_line(error: CodeError) -> str:
    line = "" if error.line is None else f", line {error.line}"
    return f"block {error.block}{line}: {error.message}"
