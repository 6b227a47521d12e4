"""RLMEngine: the public face of the core, wired to the sandboxes."""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, Literal

from typing_extensions import TypeVar

from rlm_integrations.core.calls.model_path import check_model
from rlm_integrations.core.calls.prices import PricesOption
from rlm_integrations.core.calls.sync_bridge import run_blocking
from rlm_integrations.core.host.sub_tools import SubTool, offered
from rlm_integrations.core.host.tools import read_tools
from rlm_integrations.core.host.wrapped_work import AroundChild, AroundStep, AroundSubCall
from rlm_integrations.core.journal.settings import Journal
from rlm_integrations.core.language_model import CodeProtocol, LanguageModel, Message
from rlm_integrations.core.limits import RLMLimits, Route
from rlm_integrations.core.loop.answer_type import AnswerType
from rlm_integrations.core.run.arguments import (
    check_choice,
    check_functions,
    check_texts,
    checked_run_id,
    read_journal,
    read_sub_tools_within,
)
from rlm_integrations.core.run.asked import answer
from rlm_integrations.core.run.bulk import BulkRun, OnResult
from rlm_integrations.core.run.checks import Verifier, read_verify
from rlm_integrations.core.run.plan import OnEvent, RunPlan
from rlm_integrations.core.run.python_tool import with_python, with_python_where_it_can
from rlm_integrations.core.run.streaming import streamed
from rlm_integrations.core.run.within_session import answer_in, check_sessions
from rlm_integrations.core.sandbox import Sandbox
from rlm_integrations.core.session.memory import SessionMemory
from rlm_integrations.core.trace.ends_run import EndsRun
from rlm_integrations.core.trace.events import Event
from rlm_integrations.core.trace.result import RLMResult
from rlm_integrations.pricing.choose import resolve_prices
from rlm_integrations.sandboxes.choose import resolve_sandbox
from rlm_integrations.session import RLMSession

AnswerT = TypeVar("AnswerT", default=str)


class RLMEngine(Generic[AnswerT]):
    """Answers questions over corpora that never enter the root LM's prompt.

    Args:
        llm: The root LM, any LanguageModel.
        sub_llm: What `llm_query` calls in the REPL. Default: `llm`.
        limits: An RLMLimits, or a dict of some of its fields.
        prices: What tokens cost, for `max_cost_usd` and the trace, in US dollars per million tokens:
            `{"llm": {"input_price": 1.25, "output_price": 10.0}}`, with `cached_input_price` where that is another, and
            likewise "sub_llm", where that is another model. In place of a model's prices: "reported", where its server
            reports what each call costs, as OpenRouter and LiteLLM do; "genai", the list of genai-prices; a function
            (model, usage) that returns US dollars or None. Each of them also stands for both models:
            `prices="genai"`. What nobody knows is warned of, and ends a run with `max_cost_usd`.
        sandbox: "auto" takes the strongest confinement that works here, and refuses where there is none. "process", a
            Sandbox, or "unconfined", which runs model-written code with your rights.
        tools: Functions that the REPL may call; they run in this process, with JSON values.
        sub_tools: Tools of the sub-LMs alone, which they call natively while they answer `llm_query` and the like: the
            root LM sees their replies, never what a tool gave. Functions with types and a docstring, sync or async, run
            in this process. Needs a sub-LM that calls tools; `max_tool_rounds` and `max_tool_calls` bound them.
        protocol: How the root LM hands over its code: "fence", in marked fences of its text, or "tool", by native calls
            of one tool, `python`, for models that do that better. The root LMs of children do so where they can call
            tools, and else write fences.
        route: "rlm": code over the corpus answers. "auto": what is short (`direct_tokens`) and asks for no exact figure
            over several documents is answered by one call of the root LM, which sees all of it; the trace says which
            way it was, and why. A direct answer that does not hold is given up for code.
        answer_type: A pydantic model, a dataclass, or any type with a JSON schema: answers are validated, and the root
            LM is told what does not fit. More than 100,000 values or 20,000 objects do not.
        system_prompt: Replaces the root LM's system message, and may have the placeholders of
            `core/prompts/root_system.md`.
        instructions: Added to the root LM's system message.
        on_event: Called with each Event of a run, in order: by `run` in the caller's thread. May be async, and is then
            awaited on the run's event loop, which in `run` is in another thread.
        on_limit: "answer": a run that meets a limit gives its best answer and says which limit it was.
            "raise": it raises LimitReachedError, which carries that result.
        verify: Checks of answers: a function (answer, result) that returns None, or a str that says why not, sync or
            async; a pydantic validator such as `AfterValidator(f)`; or several, of which the first that refuses speaks.
            A ValueError, an AssertionError and a ValidationError are words too. They go back to the root LM, which
            mends the answer; at a limit it is handed back as it is, with `result.verified` False. Whatever else a check
            raises ends the run with a RunError that carries the answer. A sync function runs in a thread. `Twice()`,
            alone or among them: two blind runs that must agree.
        around_step: Wraps each execution of code; see `AroundStep`.
        around_child: Wraps each child RLM, as `rlm_query` starts them; see `AroundChild`.
        around_sub_call: Wraps each sub-call of a sub-LM that has tools; see `AroundSubCall`.
        ends_run: Whether an exception of a tool, a retriever or a model is no failure, but meant for whoever called
            the run, which it then ends: it is raised as it is, with a `.result`, and the code is told nothing of it.
        journal: A file, or a Journal, in which runs keep what they paid for before they use it: the same call, made
            again after a kill, goes on where it was.

    An engine holds no live resource: one serves any number of runs, threads and event loops.

    Raises:
        InvalidArgumentError: An argument is wrong.
        MissingExtraError: A package is not installed that `sandbox` or `prices` needs.
        SandboxUnavailableError: Nothing can confine the REPL.
    """

    def __init__(
        self,
        llm: LanguageModel,
        *,
        sub_llm: LanguageModel | None = None,
        limits: RLMLimits | Mapping[str, Any] | None = None,
        prices: PricesOption | None = None,
        sandbox: str | Sandbox = "auto",
        tools: Sequence[Callable[..., Any]] = (),
        sub_tools: Sequence[Callable[..., Any] | SubTool] = (),
        protocol: CodeProtocol = "fence",
        route: Route = "rlm",
        answer_type: type[AnswerT] | None = None,
        system_prompt: str | None = None,
        instructions: str | None = None,
        on_event: OnEvent | None = None,
        on_limit: Literal["answer", "raise"] = "answer",
        verify: Verifier | Sequence[Verifier] | None = None,
        around_step: AroundStep | None = None,
        around_child: AroundChild | None = None,
        around_sub_call: AroundSubCall | None = None,
        ends_run: EndsRun | None = None,
        journal: str | os.PathLike[str] | Journal | None = None,
    ) -> None:
        check_model(llm, "llm")
        if sub_llm is not None:
            check_model(sub_llm, "sub_llm")
        check_choice(on_limit, "on_limit", "answer", "raise")
        check_choice(protocol, "protocol", "fence", "tool")
        check_choice(route, "route", "rlm", "auto")
        check_texts(system_prompt=system_prompt, instructions=instructions)
        check_functions(
            on_event=on_event,
            around_step=around_step,
            around_child=around_child,
            around_sub_call=around_sub_call,
            ends_run=ends_run,
        )
        bounds, sub = RLMLimits.of(limits), sub_llm or llm
        root_prices, sub_prices = resolve_prices(prices, bounds, llm, sub)
        for_sub_lms = read_sub_tools_within(bounds, sub_tools)
        checks, twice = read_verify(verify)
        self._plan = RunPlan(
            root=llm,
            sub=sub,
            root_prices=root_prices,
            sub_prices=sub_prices,
            limits=bounds,
            sandbox=resolve_sandbox(sandbox),
            tools=read_tools(tools),
            sub_tools=for_sub_lms,
            sub_with_tools=offered(sub, for_sub_lms.values()) if for_sub_lms else None,
            root_with_tool=with_python(llm) if protocol == "tool" else None,
            child_with_tool=with_python_where_it_can(sub) if protocol == "tool" and bounds.max_depth > 1 else None,
            answer_type=AnswerType(answer_type),
            system_prompt=system_prompt,
            instructions=instructions,
            on_event=on_event,
            on_limit=on_limit,
            checks=checks,
            twice=twice,
            around_step=around_step,
            around_child=around_child,
            around_sub_call=around_sub_call,
            ends_run=ends_run,
            journal=read_journal(journal),
            route=route,
        )

    def run(
        self, question: str | Sequence[Message], context: object = None, *, run_id: str | None = None
    ) -> RLMResult[AnswerT]:
        """Answer the question over the context, from sync code, inside a running event loop too.

        The run lives on an event loop in a thread of its own; the models' `complete_sync` is used where there is one.

        Args:
            question: A text, or messages, of which the user's last one is the question.
            context: The corpus: a text, texts, documents, paths, rows, a retriever; None for a question without one.
            run_id: Names the run in the journal, where equal calls are not to be the same run.

        Returns:
            The answer, what it rests on, and the trace of the run.

        Raises:
            InvalidArgumentError: The question or the context is wrong, or `run_id` is that of another question or
                context, or of a run that is going on.
            RunError: The run failed. It has a `.result`, as have the KeyboardInterrupt of Ctrl-C, whatever else a
                signal handler raises (a job queue's soft time limit, for one), and the CancelledError of `arun`: what
                was done so far.
        """
        named = checked_run_id(run_id, self._plan.journal)
        return run_blocking(lambda: answer(self._plan, question, context, sync=True, run_id=named))

    async def arun(
        self, question: str | Sequence[Message], context: object = None, *, run_id: str | None = None
    ) -> RLMResult[AnswerT]:
        """Answer the question over the context, on the caller's event loop. Raises as `run` does."""
        named = checked_run_id(run_id, self._plan.journal)
        return await answer(self._plan, question, context, sync=False, run_id=named)

    def map(
        self,
        questions: Iterable[str | Sequence[Message]],
        context: object = None,
        *,
        concurrency: int = 8,
        on_result: OnResult | None = None,
    ) -> list[RLMResult[AnswerT]]:
        """Answer many questions over one context, from sync code. With a journal, a job that was killed goes on.

        Equal questions are samples of their own, in the journal too: the third of five stays the third.

        Args:
            questions: What `run` takes, many times. All are checked before the first is asked.
            context: What `run` takes, for all. It is read once.
            concurrency: How many runs are open at once: each has a process of its own.
            on_result: Called as each question ends, with its position and its RLMResult or RunError; by `map` in the
                caller's thread. May be async, and is then awaited on the event loop of the runs.

        Returns:
            The results, in the order of the questions.

        Raises:
            MapError: At the end, where a question failed, which ends no other one; `.results` has what came of each.
            InvalidArgumentError: An argument is wrong, and nothing was asked.
            BaseException: What ends the job is raised at once: a JournalError, what `ends_run` lets through or
                `on_result` raises, and Ctrl-C, as in `run`. It has `.results` too: where a run was cut off, a RunError
                whose `.result` is what it had come to, and None where none had begun.
        """
        return run_blocking(BulkRun(self._plan, questions, context, concurrency, on_result, sync=True).perform)

    async def amap(
        self,
        questions: Iterable[str | Sequence[Message]],
        context: object = None,
        *,
        concurrency: int = 8,
        on_result: OnResult | None = None,
    ) -> list[RLMResult[AnswerT]]:
        """`map`, on the caller's event loop. Cancelling it ends the runs that are open."""
        return await BulkRun(self._plan, questions, context, concurrency, on_result, sync=False).perform()

    def session(self, context: object = None, *, id: str | None = None) -> RLMSession[AnswerT]:
        """Questions one after another over the context and one REPL; see RLMSession.

        Args:
            context: What `run` takes. It is read once, by the first question, which raises InvalidArgumentError for a
                wrong one.
            id: What traces call the session. Default: one is made up.

        Raises:
            InvalidArgumentError: The engine has a journal, which holds no variables of a REPL; or `id` is no str.
        """
        check_sessions(self._plan)
        check_texts(id=id)
        return RLMSession(SessionMemory(context, id or uuid.uuid4().hex), self.ask_in, self.aask_in)

    def ask_in(
        self,
        session: SessionMemory | None,
        question: str | Sequence[Message],
        context: object,
        *,
        run_id: str | None = None,
    ) -> RLMResult[AnswerT]:
        """For integrations: `RLMSession.ask`, of a session that another engine may have begun; without one, `run`.

        Where the context is another object than before, it is read anew, and the REPL begun anew.
        """
        if session is None:
            return self.run(question, context, run_id=run_id)
        checked_run_id(run_id, self._plan.journal)
        check_sessions(self._plan)
        return run_blocking(lambda: answer_in(session, self._plan, question, context, sync=True))

    async def aask_in(
        self,
        session: SessionMemory | None,
        question: str | Sequence[Message],
        context: object,
        *,
        run_id: str | None = None,
    ) -> RLMResult[AnswerT]:
        """For integrations: `RLMSession.aask`, likewise."""
        if session is None:
            return await self.arun(question, context, run_id=run_id)
        checked_run_id(run_id, self._plan.journal)
        check_sessions(self._plan)
        return await answer_in(session, self._plan, question, context, sync=False)

    def astream(
        self, question: str | Sequence[Message], context: object = None, *, run_id: str | None = None
    ) -> AsyncIterator[Event]:
        """The events of a run as they come; RunEnded, or RunFailed, is the last and holds the result.

        Closing the iterator early ends the run. Raises as `run` does, after the last event.
        """
        return streamed(self._plan, question, context, run_id)
