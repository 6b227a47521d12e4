"""One RLM of a run: asks its root LM, runs its code. What to do next, `loop/decide.py` says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial

from rlm_integrations.core.calls.budget import Budget
from rlm_integrations.core.calls.endings import unfinished
from rlm_integrations.core.calls.foreign_code import contained
from rlm_integrations.core.calls.missing_key import with_key_remedy
from rlm_integrations.core.calls.overflow import is_overflow
from rlm_integrations.core.calls.threads import off_loop
from rlm_integrations.core.calls.token_counts import USAGE_ESTIMATED, WINDOW_ADVICE, prompt_chars, silently_cut
from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.description import corpus_line, shown_whole
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.corpus.part import origin_in
from rlm_integrations.core.corpus.question import Question
from rlm_integrations.core.corpus.stuffed_reprs import stuffed_reprs_warning
from rlm_integrations.core.host.child_runs import ChildRuns
from rlm_integrations.core.host.citations import Citations
from rlm_integrations.core.host.foreign_calls import ForeignCalls
from rlm_integrations.core.host.functions import HostFunctions
from rlm_integrations.core.host.open_maps import OpenMaps
from rlm_integrations.core.host.reservations import Reservations
from rlm_integrations.core.host.retrieval import Retrieval
from rlm_integrations.core.host.step_record import StepRecord
from rlm_integrations.core.host.tool_calls import ToolCalls
from rlm_integrations.core.host.typed_maps import TypedMaps
from rlm_integrations.core.journal.node_journal import NodeJournal, RootRequest
from rlm_integrations.core.limits import StopReason
from rlm_integrations.core.loop.actions import Action, CallRootLM, Fail, Finish, FoldConversation, RunCode, Verify
from rlm_integrations.core.loop.decide import decide
from rlm_integrations.core.loop.happenings import (
    BudgetView,
    CodeRan,
    Happening,
    Opened,
    Replied,
    RootCallFailed,
    Verified,
)
from rlm_integrations.core.loop.observation import output_text
from rlm_integrations.core.loop.state import Decision, Rules, State
from rlm_integrations.core.run.children import AskRootLM, Children, Path
from rlm_integrations.core.run.continued import Continued
from rlm_integrations.core.run.folds import Folds
from rlm_integrations.core.run.live_repl import LiveRepl
from rlm_integrations.core.run.opening import Sizes, opened, read_corpus, repl_settings, window_tokens
from rlm_integrations.core.run.plan import LONG_TEXT_CHARS
from rlm_integrations.core.run.shared import Shared
from rlm_integrations.core.run.sub_lm import sub_calls_of
from rlm_integrations.core.run.turns import Turn
from rlm_integrations.core.sandbox import Repl
from rlm_integrations.core.session.memory import SessionMemory
from rlm_integrations.core.trace.ends_run import let_through
from rlm_integrations.core.trace.events import (
    CodeEnded,
    CodeStarted,
    ConversationOpened,
    Folded,
    IterationEnded,
    IterationStarted,
    PromptShortened,
    ReplOpened,
    RootFailed,
    RootReplied,
    RunStarted,
    Warned,
)
from rlm_integrations.core.trace.records import CodeExecution, JournalState
from rlm_integrations.core.trace.run_errors import (
    JournalError,
    LimitReachedError,
    RootModelError,
    RunError,
    boundary,
    caused_by,
)
from rlm_integrations.core.usage import Usage
from rlm_integrations.core.wording import error_words
from rlm_integrations.wire.steps import CodeError, ReplLost, StepDone

CheckAnswer = Callable[[Finish, int], Awaitable[tuple[str | None, bool]]]
"""(answer, iteration) -> why it is refused, or None; and whether the run's time was up before that was known."""


class Node:
    """A root LM over one corpus, with a REPL of its own, or that of its session.

    `path` is its place in the tree of the run. `check` looks at what would be its answer.
    """

    def __init__(
        self,
        shared: Shared,
        question: Question,
        path: Path,
        ask: AskRootLM,
        turn: Turn,
        session: SessionMemory | None = None,
        check: CheckAnswer | None = None,
    ) -> None:
        self._shared, self._plan, self._account = shared, shared.plan, shared.account
        self._emit = partial(shared.account.emit, node=path)
        self._question = question
        self._path, self._ask, self._turn, self._check = path, ask, turn, check
        self._session = Continued(session)
        self.journal: NodeJournal | None = None
        """What is known of it from before, and where it is kept what comes. Set before it answers."""
        self._rules: Rules
        self._host: HostFunctions
        self._retrieval: Retrieval | None = None
        self._retrieved_before: tuple[Document, ...] = ()
        self._maps: OpenMaps
        self._repl: LiveRepl | None = None
        self._cause: Exception | None = None
        """What the root LM last raised."""
        self._refusal: RootFailed | None = None
        """How it refused a conversation as too long, while it may be asked the same in fewer characters."""
        self._shown = 0
        """The last iteration of which it was told what it is shown."""
        self._folds = Folds(ask, self._emit, shared.account.seconds, self._view, shared.plan.ends_run)
        self.corpus = Corpus.of(None)
        self.started = False
        """Whether the context was taken for a corpus."""
        self.draft = ""
        """The content of `answer` as it last was, not ready."""
        self.stop_reason: StopReason | None = None
        """The limit that was met, where the node failed after that."""

    async def answer(self, context: object) -> Finish:
        """Ask until there is an answer. Raises RunError, and InvalidArgumentError for the context."""
        await self._read(context)
        opening = await self._open()
        await self._tell_of_start(None if self.journal is None else "resumed" if self.journal.run.resumed else "new")
        await self._emit(ConversationOpened(opening.messages))
        state, action = await self._decide(State(variables=self._session.variables), opening)
        while True:
            match action:
                case CallRootLM():
                    state, action = await self._call_root(state, action)
                case FoldConversation():
                    kept = None if self.journal is None else self.journal.fold(action.iteration)
                    came = await self._folds.ask(action, self._rules.protocol, kept)
                    self._check_budget()
                    state, action = await self._decide(state, came)
                case RunCode():
                    state, action = await self._run_code(state, action)
                case Verify():
                    state, action = await self._verify(state, action)
                case Finish():
                    return action
                case Fail():
                    raise self._failure(action)

    async def take_over(self, context: object, retrieved: Sequence[Document]) -> None:
        """Have the corpus of a run that has ended, and what it had retrieved. Raises as `answer` does."""
        await self._read(context)
        self._retrieved_before = tuple(retrieved)
        await self._tell_of_start("finished")

    async def _read(self, context: object) -> None:
        shared = self._shared
        self.corpus = await read_corpus(
            context,
            self._question,
            self._budget.call_seconds(),
            shared.threads,
            self._plan.ends_run,
            sync=shared.sync,
            before=self._session.corpus,
            journal=self.journal,
        )
        self.started = True

    async def _tell_of_start(self, journal: JournalState | None) -> None:
        await self._emit(
            RunStarted(
                self._question.text,
                len(self.corpus.documents),
                self.corpus.chars,
                corpus_line(self.corpus),
                shown_whole(self.corpus, self._plan.limits),
                self._session.id,
                self._session.question_number,
                journal,
            )
        )
        if not self._path and (warning := stuffed_reprs_warning(self._question, self.corpus)) is not None:
            await self._emit(Warned("stuffed_reprs", warning))
        if self.journal is not None and not self._path:
            await self.journal.tell_of_changes()

    async def close(self) -> None:
        """End every call that is still open, and the REPL, which a session keeps."""
        if self._repl is not None:
            await self._session.close(self._repl, self.corpus, self.retrieved, self._plan.limits)

    @property
    def retrieved(self) -> tuple[Document, ...]:
        """What `retrieve` has added to the corpus."""
        return self._retrieved_before if self._retrieval is None else tuple(self._retrieval.added.values())

    @property
    def _budget(self) -> Budget:
        return self._shared.calls.budget

    async def _open(self) -> Opened:
        """Make ready what works on the corpus. Returns what the root LM is told first."""
        shared, plan, corpus = self._shared, self._plan, self.corpus
        settings = repl_settings(plan, corpus, Sizes.of(plan), len(self._path), self.journal)
        whole = shown_whole(corpus, plan.limits)
        self._rules = Rules(
            limits=plan.limits,
            question=self._question.text,
            depth=settings.depth,
            plain_reply_answers=whole,
            misfit=plan.answer_type.misfit,
            typed=plan.answer_type.schema is not None,
            fence_key=plan.fence_key,
            protocol=plan.protocol,
            verifies=self._check is not None,
            has_last_call=not self._path,
            window_tokens=window_tokens(plan.root, plan.limits.max_input_tokens),
        )
        foreign = ForeignCalls(shared.calls, self._emit, plan.ends_run)
        retrieval = self._retrieval = Retrieval(corpus, shared.threads if shared.sync else None, foreign)
        reservations = Reservations(shared.calls.budget, settings.depth, self._emit, shared.sub.estimates)
        children = Children(shared, self._path, self._turn, Node)
        sub_calls = sub_calls_of(shared, retrieval, reservations, foreign, self._emit, settings.sub_call_chars)
        self._maps = OpenMaps()
        self._host = HostFunctions(
            shared.calls,
            reservations,
            sub_calls,
            TypedMaps(sub_calls, reservations, shared.calls.budget, self._maps, settings.sub_call_chars),
            ChildRuns(children.run, settings.sub_call_chars, retrieval, reservations, self._emit),
            retrieval,
            Citations(retrieval.document, self._emit, shared.cited, partial(origin_in, corpus)),
            ToolCalls(plan.tools, shared.threads, foreign),
            self.journal,
        )

        async def open_repl() -> Repl:
            return await plan.sandbox.open(corpus, settings, self.retrieved)

        self._repl = LiveRepl(open_repl, self._host, self._repl_opened, outlives=self._session.id is not None)
        seconds = self._budget.seconds_left()
        await self._session.take_up(self._repl, corpus, plan.sandbox, settings, seconds, early=not whole)
        return await shared.threads.run(opened, plan, self._question, corpus, settings, self._session.words)

    async def _repl_opened(self) -> None:
        capabilities = self._plan.sandbox.capabilities()
        await self._emit(ReplOpened(capabilities.name, capabilities.layers))

    async def _decide(self, state: State, happening: Happening, failure: RootFailed | None = None) -> Decision:
        """Decide, and tell of the failed call, where one is what happened, and of what the root LM is shown next."""
        work = partial(decide, self._rules, state, happening)
        # What checks an answer's type may take long over a short answer too.
        long = self._plan.answer_type.schema is not None or _chars(state, happening) > LONG_TEXT_CHARS
        folding, folds = state.folding, state.folds
        state, action = await self._shared.threads.run(work) if long else work()
        self.draft = state.draft
        self._refusal = failure or self._refusal
        if folding is not None and state.folds > folds:
            await self._emit(Folded(folding.iteration, state.folded, prompt_chars(state.messages)))
        await self._tell_of(action, state.messages[-1].content)
        return state, action

    async def _tell_of(self, action: Action, shown: str) -> None:
        """`shown` is what the root LM was told last."""
        match action:
            case FoldConversation(amid=True) | CallRootLM(folded=True):
                return  # its call goes on
            case CallRootLM(shortened=True):
                assert self._refusal is not None
                chars = prompt_chars(action.messages)
                await self._emit(PromptShortened(action.iteration, self._refusal.error, chars))
                return
            case _:
                refusal, self._refusal = self._refusal, None
        if refusal is not None:
            await self._emit(refusal)
        if isinstance(action, (CallRootLM, FoldConversation)):
            ended = action.iteration - isinstance(action, CallRootLM)
            if ended > self._shown:
                self._shown = ended
                await self._emit(IterationEnded(ended, shown))

    def _view(self) -> BudgetView:
        budget = self._budget
        return BudgetView(
            limit=budget.limit_met(),
            sub_calls_left=budget.sub_calls_left,
            tokens_left_share=budget.tokens_left_share(),
            seconds_left=budget.seconds_left(),
        )

    # -- asking the root LM

    async def _call_root(self, state: State, action: CallRootLM) -> Decision:
        shared, iteration = self._shared, action.iteration
        chars = prompt_chars(action.messages)
        if not action.shortened and not action.folded:
            await self._emit(IterationStarted(iteration, self._plan.limits.max_iterations, chars, action.last_call))
        shared.calls.last_call |= action.last_call
        kept: RootRequest | None = None
        if self.journal is not None:
            kept = self.journal.root_reply(iteration, action.messages, last_call=action.last_call)
            state = _as_shown(state, kept.shown)
        try:
            completion = await self._ask(action.messages, kept)
        except JournalError as error:
            if error.unkept is not None:
                await self._emit(RootReplied(iteration, error.unkept.text, error.unkept.usage, error.unkept.model))
            raise
        except Exception as error:
            let_through(error, self._plan.ends_run)
            self._cause, words = error, with_key_remedy(error_words(error))
            problem = f"the root LM failed in iteration {iteration}: {words}"
            failed = RootCallFailed(problem, self._view(), is_overflow(error))
            return await self._decide(state, failed, RootFailed(iteration, words))
        self._cause = self._refusal = None
        called = completion if completion.tool_calls and self._rules.protocol == "tool" else None
        await self._emit(
            RootReplied(
                iteration,
                completion.text,
                completion.usage,
                completion.model,
                completion.thoughts,
                completion.finish,
                completion.cached,
                () if called is None else called.tool_calls,
                completion.replayed,
            )
        )
        if completion.usage.estimated_tokens:
            await self._emit(Warned("usage_estimated", USAGE_ESTIMATED))
        if (unknown := shared.root.unpriced(completion)) is not None:
            await self._emit(Warned("cost_unknown", unknown))
        if cut := await off_loop(chars, silently_cut, action.messages, chars, completion):
            await self._emit(Warned("prompt_cut", f"llm: in iteration {iteration} {cut}; {WINDOW_ADVICE}"))
        self._check_budget()
        problem = unfinished(completion, called=called is not None)
        usage = Usage() if completion.cached or completion.usage.estimated_tokens else completion.usage
        replied = Replied(
            completion.text,
            self._view(),
            completion.finish,
            problem,
            called,
            usage.input_tokens,
            chars,
            cut is not None,
        )
        return await self._decide(state, replied)

    def _check_budget(self) -> None:
        if self._budget.problem is not None:
            raise RunError(self._budget.problem)

    def _failure(self, action: Fail) -> RunError:
        self.draft, self.stop_reason = action.draft, action.stop_reason
        kind = RootModelError if action.stop_reason is None else LimitReachedError
        return caused_by(self._cause, kind, action.message)

    async def _verify(self, state: State, action: Verify) -> Decision:
        assert self._check is not None
        objection, out_of_time = await self._check(action.finish, state.iteration)
        return await self._decide(state, Verified(objection, self._view(), out_of_time))

    # -- running code

    async def _run_code(self, state: State, action: RunCode) -> Decision:
        decision: Decision | None = None
        begun = False

        async def execute() -> str:
            nonlocal decision, begun
            if begun:
                raise RunError("around_step: it awaited execute() twice; the code of a step runs once")
            begun = True
            decision = await self._decide(state, await self._execute(state.iteration, action.blocks))
            return _shown(decision)

        around = self._plan.around_step
        if around is None:
            await execute()
        else:
            with boundary("around_step"):
                await contained(around(state.iteration, "\n\n".join(action.blocks), execute))
        if decision is None:
            raise RunError("around_step: returned without awaiting execute()")
        return decision

    async def _execute(self, iteration: int, blocks: tuple[str, ...]) -> CodeRan:
        assert self._repl is not None
        await self._turn.begin()
        step = StepRecord(iteration, self._account.seconds)
        self._maps.begin_step()
        await self._emit(CodeStarted(iteration, blocks))
        began = self._account.seconds()
        seconds = max(0.0, self._budget.seconds_left(last_call=self._shared.calls.last_call))
        try:
            outcome = await self._repl.step(blocks, seconds, step)
        finally:  # where this is a child that is ended, others go on with what it had reserved
            self._budget.release(step.end())
        if self.journal is not None and self._host.fatal is None:
            outcome = await self._in_journal(self.journal, iteration, outcome)
        facts: dict[str, object] = {"output": output_text(outcome.output), "seconds": self._account.seconds() - began}
        if isinstance(outcome, StepDone):
            facts |= {"error": outcome.error and _error_line(outcome.error), "variables": list(outcome.variables)}
        else:
            self._maps.forget()
            facts |= {"lost": outcome.reason}
        await self._emit(CodeEnded(iteration, self._running(iteration).model_copy(update=facts)))
        if self._host.fatal is not None:
            raise self._host.fatal
        self._check_budget()
        return CodeRan(
            outcome,
            sub_calls_made=step.sub_calls_made,
            sub_call_seconds=step.seconds,
            failed_batches=step.failed_batches(),
            unresolved=self._maps.unresolved(),
            retrieved=len(self.retrieved),
            budget=self._view(),
        )

    async def _in_journal(
        self, journal: NodeJournal, iteration: int, outcome: StepDone | ReplLost
    ) -> StepDone | ReplLost:
        """What the root LM is told of the step, and its REPL as it was told then."""
        assert self._repl is not None
        known = await journal.step_ended(iteration, outcome)
        if isinstance(known, ReplLost):
            await self._repl.lose(known.reason)
        return known

    def _running(self, iteration: int) -> CodeExecution:
        execution = self._account.trace_of(self._path).iterations[iteration - 1].execution
        assert execution is not None
        return execution


def _as_shown(state: State, shown: str | None) -> State:
    """The conversation as the root LM saw it when it gave the reply that the journal has."""
    last = state.messages[-1]
    if shown is None or shown == last.content:
        return state
    return state._replace(messages=(*state.messages[:-1], replace(last, content=shown)))


def _chars(state: State, happening: Happening) -> int:
    """Of the text that a decision on it looks at."""
    kept = 0 if state.last_call is None else len(state.draft)
    match happening:
        case Replied():
            # only code that the root LM did not mark is looked for in all that it was shown
            shown = state.fenced if "```repl" in happening.text else state.quotable
            calls = () if happening.called is None else happening.called.tool_calls
            written = len(happening.text) + sum([len(call.arguments) for call in calls])
            return kept + written + sum([len(message.content) for message in shown])
        case CodeRan():
            answer = happening.outcome.answer.content if isinstance(happening.outcome, StepDone) else ""
            return kept + len(answer)
        case _:
            return kept


def _shown(decision: Decision) -> str:
    """What a step comes to, for whoever wraps it: what the root LM is shown, or what the run ends with."""
    state, action = decision
    match action:
        case Finish():
            return action.text
        case Verify():
            return action.finish.text
        case Fail():
            return action.message
        case _:
            return state.messages[-1].content


def _error_line(error: CodeError) -> str:
    line = "" if error.line is None else f", line {error.line}"
    return f"block {error.block}{line}: {error.message}"
