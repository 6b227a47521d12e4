"""Runs child RLMs: each is a node over its part of the corpus, whose root LM is the run's sub-LM."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from rlm_integrations.core.calls.budget import limit_words
from rlm_integrations.core.calls.foreign_code import contained
from rlm_integrations.core.corpus.question import Question, read_question
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.host.child_runs import ChildEnd, ChildTask
from rlm_integrations.core.language_model import Completion, Message
from rlm_integrations.core.loop.actions import Finish
from rlm_integrations.core.run.shared import Shared
from rlm_integrations.core.run.turns import Turn
from rlm_integrations.core.trace.run_errors import LimitReachedError, RootModelError, RunError, SandboxError, boundary

AskRootLM = Callable[[Sequence[Message]], Awaitable[Completion]]
"""Sends a conversation to the root LM of a node. Raises BudgetError, and what the model raises."""

Path = tuple[int, ...]


class ChildNode(Protocol):
    draft: str

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
        """How the child ended. Its first call is reserved.

        Raises BudgetError where a limit was met before it began, and errors that end the whole run.
        """
        async with self._turn.lent():
            turn = self._turn.of_child()
            await turn.begin()
            try:
                self._shared.calls.budget.check()
                await started()
                return await self._run(task, turn)
            finally:
                turn.end()

    async def _run(self, task: ChildTask, turn: Turn) -> ChildEnd:
        shared = self._shared.for_children()
        limits = shared.plan.limits
        node: ChildNode | None = None
        finish: Finish | None = None

        async def answer() -> str:
            nonlocal node, finish
            question = await shared.threads.run(read_question, task.question, limits.message_chars)
            node = self._make_node(shared, question, (*self._path, task.number), self._asking(task), turn)
            finish = await node.answer(task.corpus)
            return finish.text

        try:
            await self._around(task, answer)
        except (RootModelError, LimitReachedError, SandboxError, InvalidArgumentError) as error:
            return ChildEnd("" if node is None else node.draft, error=str(error))
        finally:
            if node is not None:
                await node.close()
        if finish is None:
            raise RunError("around_child: returned without awaiting execute()")
        reason = finish.stop_reason
        return ChildEnd(finish.text, reason, "" if reason in ("answer", "plain_reply") else limit_words(reason, limits))

    async def _around(self, task: ChildTask, answer: Callable[[], Awaitable[str]]) -> None:
        around = self._shared.plan.around_child
        if around is None:
            await answer()
        else:
            with boundary("around_child"):
                await contained(around(task.question, answer))

    def _asking(self, task: ChildTask) -> AskRootLM:
        """The child's way to its root LM: each call is a sub-call of the run, and is in no slot while it waits."""
        calls, model = self._shared.calls, self._shared.sub
        reserved = True

        async def sent() -> None:
            nonlocal reserved
            reserved = False

        async def ask(messages: Sequence[Message]) -> Completion:
            nonlocal reserved
            if not reserved:
                calls.budget.reserve(1)
                reserved = True
            try:
                return await calls.sub_call(model, messages, task.step.waiting, sent)
            finally:
                if reserved:
                    calls.budget.release(1)
                    reserved = False

        return ask
