"""One RLM of a run: asks its root LM, runs its code. What to do next, `loop/decide.py` says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from rlm_integrations.core.calls.budget import Budget
from rlm_integrations.core.corpus.corpus import NO_CORPUS
from rlm_integrations.core.corpus.description import corpus_line
from rlm_integrations.core.corpus.empty_corpus import empty_corpus_warning
from rlm_integrations.core.corpus.found_document import FoundDocument
from rlm_integrations.core.corpus.question import Question
from rlm_integrations.core.corpus.stuffed_reprs import stuffed_reprs_warning
from rlm_integrations.core.corpus.whole import shown_whole
from rlm_integrations.core.host.retrieval import Retrieval
from rlm_integrations.core.host.wrapped_work import wrapped
from rlm_integrations.core.limits import StopReason
from rlm_integrations.core.loop.actions import CallRootLM, Fail, Finish, FoldConversation, GoOverToCode, RunCode, Verify
from rlm_integrations.core.loop.decide import decide
from rlm_integrations.core.loop.decision_texts import chars_looked_at, shown_by
from rlm_integrations.core.loop.happenings import Happening, Opened, Verified
from rlm_integrations.core.loop.route import Choice
from rlm_integrations.core.loop.state import Decision, Rules, State, as_shown
from rlm_integrations.core.run.children import AskRootLM, Children, Path
from rlm_integrations.core.run.continued import Continued
from rlm_integrations.core.run.direct import Direct
from rlm_integrations.core.run.folds import Folds
from rlm_integrations.core.run.host_side import host_side
from rlm_integrations.core.run.live_repl import LiveRepl
from rlm_integrations.core.run.opening import Sizes, opened, opens_quickly, read_corpus, repl_settings, rules_of
from rlm_integrations.core.run.plan import LONG_TEXT_CHARS
from rlm_integrations.core.run.root_calls import RootCalls
from rlm_integrations.core.run.shared import Shared
from rlm_integrations.core.run.steps import Steps
from rlm_integrations.core.run.tellings import Tellings
from rlm_integrations.core.run.turns import Turn
from rlm_integrations.core.sandbox import Repl, Sandbox
from rlm_integrations.core.session.memory import SessionMemory
from rlm_integrations.core.trace.events import (
    ConversationOpened,
    Event,
    ReplOpened,
    RootFailed,
    Routed,
    RunStarted,
    Warned,
)
from rlm_integrations.core.trace.records import JournalState
from rlm_integrations.core.trace.run_errors import (
    LimitReachedError,
    RootModelError,
    RunError,
    caused_by,
)

if TYPE_CHECKING:
    from rlm_integrations.core.journal.node_journal import NodeJournal, RootRequest

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
        ask_directly: AskRootLM | None = None,
    ) -> None:
        """`ask_directly` sends without a tool, where short corpora are to be answered without code."""
        self._shared, self._plan = shared, shared.plan
        self._emit = partial(shared.account.emit, node=path)
        self._question = question
        self._path, self._turn, self._check = path, turn, check
        self._session = Continued(session)
        self.journal: NodeJournal | None = None
        """What is known of it from before, and where it is kept what comes. Set before it answers."""
        self._rules: Rules
        self._retrieval: Retrieval | None = None
        self._retrieved_before: tuple[FoundDocument, ...] = ()
        self._steps: Steps
        self._repl: LiveRepl | None = None
        self._root = self._coding = RootCalls(shared, self._emit, ask, shared.plan.protocol)
        self._direct = None
        if ask_directly is not None:
            self._direct = Direct(shared, question, self._emit, ask_directly)
        self._tellings = Tellings(self._emit)
        self._folds = Folds(
            ask, self._emit, shared.account.seconds, shared.budget_view, shared.plan.ends_run, shared.root.name
        )
        self.corpus = NO_CORPUS
        self._whole = False
        """Whether the root LM sees all of it, or there is none."""
        self.started = False
        """Whether the context was taken for a corpus."""
        self.draft = ""
        """The content of `answer` as it last was, not ready."""
        self.stop_reason: StopReason | None = None
        """The limit that was met, where the node failed after that."""

    async def answer(self, context: object) -> Finish:
        """Ask until there is an answer. Raises RunError, and InvalidArgumentError for the context."""
        await self._read(context)
        way, opening = await self._begun()
        await self._tell_of_start(None if self.journal is None else "resumed" if self.journal.run.resumed else "new")
        if way is not None:
            await self._emit(Routed(way.way, way.why))
        await self._emit(ConversationOpened(opening.messages))
        state, action = await self._decide(State(variables=self._session.variables), opening)
        while True:
            match action:
                case CallRootLM():
                    state, action = await self._call_root(state, action)
                case RunCode():
                    state, action = await self._run_code(state, action)
                case Finish():
                    return action
                case FoldConversation():
                    before = action.iteration if action.amid else action.iteration + 1
                    kept = None if self.journal is None else self.journal.fold(before)
                    came = await self._folds.ask(action, self._rules.protocol, kept)
                    self._shared.check_budget()
                    state, action = await self._decide(state, came)
                case GoOverToCode():
                    state, action = await self._go_over(state, action)
                case Verify():
                    state, action = await self._verify(state, action)
                case Fail():
                    raise self._failure(action)

    async def take_over(self, context: object, retrieved: Sequence[FoundDocument]) -> None:
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
        self._whole = shown_whole(self.corpus, self._plan.limits)
        self.started = True

    async def _tell_of_start(self, journal: JournalState | None) -> None:
        await self._emit(
            RunStarted(
                self._question.text,
                len(self.corpus.documents),
                self.corpus.chars,
                corpus_line(self.corpus),
                self._whole,
                self._session.id,
                self._session.question_number,
                journal,
                self._plan.attempt,
            )
        )
        if not self._path and (warning := stuffed_reprs_warning(self._question, self.corpus)) is not None:
            await self._emit(Warned("stuffed_reprs", warning))
        if not self._path and (warning := empty_corpus_warning(self.corpus)) is not None:
            await self._emit(Warned("empty_corpus", warning))
        if self.journal is not None and not self._path:
            await self.journal.tell_of_changes()

    async def end_calls(self) -> None:
        """Those of the code that are still open, and all below them."""
        if self._repl is not None:
            await self._repl.end_calls()

    async def close(self) -> None:
        """End every call that is still open, and the REPL, which a session keeps."""
        if self._repl is not None:
            await self._session.close(self._repl, self.corpus, self.retrieved, self._plan.limits)
        self._check = None  # it holds the run, which holds this

    def begin_to_close(self) -> None:
        """It has its answer: the REPL, which no session keeps, ends while what came of it is kept."""
        if self._repl is not None:
            self._repl.begin_to_close()

    @property
    def retrieved(self) -> tuple[FoundDocument, ...]:
        """What `retrieve` has added to the corpus."""
        return self._retrieved_before if self._retrieval is None else tuple(self._retrieval.added.values())

    @property
    def _budget(self) -> Budget:
        return self._shared.calls.budget

    async def _begun(self) -> tuple[Choice | None, Opened]:
        """Which way the question goes, where it may go two, and what the root LM is told first."""
        direct, way = self._direct, None
        if direct is not None:
            way = await direct.way(self.corpus, in_session=self._session.id is not None)
            if way.way == "direct":
                self._root, self._rules = direct.root, direct.rules(verifies=self._check is not None)
                return way, await direct.open(self.corpus)
        return way, await self._open()

    async def _go_over(self, state: State, action: GoOverToCode) -> Decision:
        """Begin anew, with code: what was spent is spent."""
        await self._emit(Routed("rlm", action.why))
        self._root = self._coding
        opening = await self._open()
        await self._emit(ConversationOpened(opening.messages))
        return await self._decide(State(iteration=state.iteration + 1), opening)

    async def _open(self) -> Opened:
        """Make ready what works on the corpus. Returns what the root LM is told first."""
        shared, plan, corpus = self._shared, self._plan, self.corpus
        settings = repl_settings(plan, corpus, Sizes.of(plan), len(self._path), self.journal)
        verifies, is_root = self._check is not None, not self._path
        self._rules = rules_of(
            plan, self._question, settings.depth, whole=self._whole, verifies=verifies, is_root=is_root
        )
        children = Children(shared, self._path, self._turn, Node)
        host = host_side(shared, corpus, settings, self._emit, children.run, self.journal)
        self._retrieval = host.retrieval

        async def open_repl() -> Repl:
            return await plan.sandbox.open(corpus, settings, tuple(host.retrieval.added.values()))

        tell = partial(_tell_of_repl, plan.sandbox, self._emit)
        self._repl = LiveRepl(open_repl, host.functions, tell, outlives=self._session.id is not None)
        self._steps = Steps(shared, self._path, self._emit, self._turn, self._repl, host, self.journal)
        seconds = self._budget.seconds_left()
        await self._session.take_up(self._repl, corpus, plan.sandbox, settings, seconds, early=not self._whole)
        work = partial(opened, plan, self._question, corpus, settings, self._session.words)
        return work() if opens_quickly(corpus, plan.limits) else await shared.threads.run(work)

    async def _decide(self, state: State, happening: Happening, failure: RootFailed | None = None) -> Decision:
        """Decide, and tell of it. `failure` is that of the call, where one is what happened."""
        # What checks an answer's type may take long over a short answer too.
        long = self._plan.answer_type.schema is not None or chars_looked_at(state, happening) > LONG_TEXT_CHARS
        given = self._rules, state, happening
        decision = await self._shared.threads.run(decide, *given) if long else decide(*given)
        self.draft = decision[0].draft
        await self._tellings.decided(state, decision, failure)
        return decision

    async def _call_root(self, state: State, action: CallRootLM) -> Decision:
        kept: RootRequest | None = None
        chars = state.chars
        if self.journal is not None:
            kept = self.journal.root_reply(action.iteration, action.messages, last_call=action.last_call)
            state = as_shown(state, kept.shown)
        outcome = await self._root.ask(action, chars, kept)
        if outcome.failed is None:
            self._tellings.replied()
            self._shared.check_budget()
        decision = await self._decide(state, outcome.happening, outcome.failed)
        if self._rules.direct and self._direct is not None and isinstance(decision[1], Finish | Verify):
            await self._direct.tell_of_evidence(decision[0].reply, self.corpus, action.iteration)
        return decision

    def _failure(self, action: Fail) -> RunError:
        self.draft, self.stop_reason = action.draft, action.stop_reason
        kind = RootModelError if action.stop_reason is None else LimitReachedError
        return caused_by(self._root.take_cause(), kind, action.message)

    async def _verify(self, state: State, action: Verify) -> Decision:
        assert self._check is not None
        objection, out_of_time = await self._check(action.finish, state.iteration)
        return await self._decide(state, Verified(objection, self._shared.budget_view(), out_of_time))

    # -- running code

    async def _run_code(self, state: State, action: RunCode) -> Decision:
        async def execute() -> Decision:
            return await self._decide(state, await self._steps.run(state.iteration, action.blocks))

        code = "\n\n".join(action.blocks)
        return await wrapped("around_step", self._plan.around_step, (state.iteration, code), execute, shown_by)


async def _tell_of_repl(sandbox: Sandbox, emit: Callable[[Event], Awaitable[None]]) -> None:
    capabilities = sandbox.capabilities()
    await emit(ReplOpened(capabilities.name, capabilities.layers))
