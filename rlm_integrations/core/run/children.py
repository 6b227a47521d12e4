"""Runs child RLMs: each is a node over its part of the corpus, whose root LM is the run's sub-LM."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from rlm_integrations.core.calls.budget import limit_words
from rlm_integrations.core.calls.kept_request import KeptRequest
from rlm_integrations.core.calls.reply_fields import as_text
from rlm_integrations.core.calls.slots import Waiting
from rlm_integrations.core.calls.tool_rounds import as_rounds
from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.question import Question, read_question
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.host.child_runs import ChildEnd, ChildTask
from rlm_integrations.core.host.wrapped_work import wrapped
from rlm_integrations.core.language_model import Completion, Message
from rlm_integrations.core.limits import RLMLimits
from rlm_integrations.core.loop.actions import Finish
from rlm_integrations.core.loop.nothing_read import NOTHING_READ_NOTE
from rlm_integrations.core.run.shared import Shared
from rlm_integrations.core.run.turns import Turn
from rlm_integrations.core.trace.run_errors import LimitReachedError, RootModelError, SandboxError

if TYPE_CHECKING:
    from rlm_integrations.core.journal.node_journal import NodeJournal

AskRootLM = Callable[[Sequence[Message], KeptRequest | None], Awaitable[Completion]]
"""Sends a conversation to the root LM of a node, unless the journal has its reply. Raises BudgetError, and what the
model raises."""

Path = tuple[int, ...]


class ChildNode(Protocol):
    draft: str
    journal: NodeJournal | None

    async def answer(self, context: object) -> Finish: ...
    async def close(self) -> None: ...


class Children:
    """Those of one node, which is at `path` and has this turn."""

    def __init__(
        self,
        shared: Shared,
        path: Path,
        turn: Turn,
        make_node: Callable[[Shared, Question, Path, AskRootLM, Turn], ChildNode],
    ) -> None:
        self._shared = shared
        self._path = path
        self._turn = turn
        self._make_node = make_node

    async def run(self, task: ChildTask, started: Callable[[], Awaitable[None]]) -> ChildEnd:
        """How the child ended. Its first call is reserved, and its own from when it begins.

        Raises BudgetError where a limit was met before it began, RefusedCallError for what it was to read, and errors
        that end the whole run.
        """
        async with self._turn.lent():
            turn = self._turn.of_child()
            await turn.begin()
            try:
                self._shared.calls.budget.check()
                corpus = await task.read_corpus()
                root_calls = _RootCalls(self._shared, task.step.waiting)
                try:
                    await started()
                    return await self._run(task, corpus, turn, root_calls)
                finally:
                    root_calls.give_back()
            finally:
                turn.end()

    async def _run(self, task: ChildTask, corpus: Corpus, turn: Turn, root_calls: _RootCalls) -> ChildEnd:
        shared = self._shared.for_children()
        limits = shared.plan.limits
        node: ChildNode | None = None

        async def answer() -> Finish:
            nonlocal node
            question = await shared.threads.run(read_question, task.question, limits.message_chars)
            node = self._make_node(shared, question, (*self._path, task.number), root_calls.ask, turn)
            node.journal = None if task.kept is None else task.kept.child()
            return await node.answer(corpus)

        try:
            around = self._shared.plan.around_child
            finish = await wrapped("around_child", around, (task.question,), answer, lambda finish: finish.text)
        except (RootModelError, LimitReachedError, SandboxError, InvalidArgumentError) as error:
            return ChildEnd("" if node is None else node.draft, error=str(error))
        finally:
            if node is not None:
                await node.close()
        return ChildEnd(finish.text, finish.stop_reason, _caveat(finish, limits))


def _caveat(finish: Finish, limits: RLMLimits) -> str:
    if finish.nothing_read:
        return NOTHING_READ_NOTE
    unresolved = f"it rests on results of which some are missing: {finish.unresolved}" if finish.unresolved else ""
    if finish.stop_reason in ("answer", "plain_reply"):
        return unresolved
    ended = f"it was ended by {limit_words(finish.stop_reason, limits)}: this may be incomplete"
    return f"{ended}; {unresolved}" if unresolved else ended


class _RootCalls:
    """A child's way to its root LM: each call is a sub-call of the run. The first is reserved."""

    def __init__(self, shared: Shared, waiting: Waiting) -> None:
        self._calls, self._model, self._waiting = shared.calls, shared.root_of_children(), waiting
        self._with_tool = shared.plan.child_with_tool is not None
        self._reserved = True

    async def ask(self, messages: Sequence[Message], kept: KeptRequest | None = None) -> Completion:
        """Raises BudgetError where there is no sub-call left, and what the model raises."""
        if not self._reserved:
            self._calls.budget.reserve(1)
            self._reserved = True
        try:
            said, rounds = as_rounds(messages) if self._with_tool else (messages, None)
            reply = await self._calls.sub_call(self._model, said, self._waiting, self._sent, rounds, kept)
            return reply if self._with_tool else as_text(reply)
        finally:
            self.give_back()

    def give_back(self) -> None:
        """What is reserved and was not sent."""
        if self._reserved:
            self._reserved = False
            self._calls.budget.release(1)

    async def _sent(self) -> None:
        self._reserved = False
