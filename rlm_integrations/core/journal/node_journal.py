"""The journal of one RLM of a run: its root LM's replies, the calls of its code, and the ends of its steps.

What is asked again after a kill is answered from there, in whatever order: equal calls are told apart by how many
there were before.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from rlm_integrations.core.calls.endings import unfinished
from rlm_integrations.core.calls.failure_words import failure_words
from rlm_integrations.core.calls.overflow import is_overflow
from rlm_integrations.core.calls.threads import off_loop
from rlm_integrations.core.corpus.plain_values import plain
from rlm_integrations.core.journal.fingerprints import (
    call_hash,
    message_texts,
    opening_hash,
    text_chars,
    text_hash,
    value_hash,
)
from rlm_integrations.core.journal.rows import (
    Row,
    completion_chars,
    differences,
    length_up_to,
    of_completion,
    of_step,
    step_chars,
    to_completion,
    to_step,
)
from rlm_integrations.core.journal.run_journal import REFUSED, STEP, RunJournal
from rlm_integrations.core.language_model import Completion, Message
from rlm_integrations.core.recorded_failure import RecordedFailureError
from rlm_integrations.core.trace.run_errors import JournalError
from rlm_integrations.core.wording import listed
from rlm_integrations.wire.calls import Call
from rlm_integrations.wire.steps import ReplLost, StepDone

Say = Callable[[str], Awaitable[None]]
"""Tells the user of something that a replay came to."""

_SHORT_CHARS = 2_000
"""Of a call whose texts are hashed with those of all others."""
_CHARS_OF_VALUE, _MOST_VALUES = 10, 10_000
"""To make a value plain takes as long as to read so many characters; of more values it is not looked at how many."""
_MANY_CALLS, _NAMED_AFTER_S = 8, 0.02
"""So many are named while their models work, once all are sent: when replies come there is enough to do."""
_ROOT = "root"


class NodeJournal:
    """`path` is that of the call which the RLM answers, and "" of the run's own root."""

    def __init__(self, run: RunJournal, say: Say, path: str = "", *, within_known: bool = False) -> None:
        """`within_known`: whether the step of the parent, within which it works, had ended before."""
        self.run = run
        self.path = path
        self._say = say
        self._within_known = within_known
        self._calls: Counter[str] = Counter()
        self._unnamed: list[CallJournal] = []
        """Calls whose path nobody has asked for yet, in the order in which the code made them."""
        self._replied: list[str] = []
        """Steps whose reply was asked for, as `step_of` names them."""
        self._last_call: int | None = None
        """The iteration of the root LM's last call after a limit."""

    async def tell_of_changes(self) -> None:
        """Where the run has the user's name, its call may be another one in part."""
        if self.run.changed:
            await self._say(f"journal: the run began with another {listed(self.run.changed)}")

    async def forget_last_replies(self) -> None:
        """Of a root LM that gave nothing usable, after its last step: whoever makes the call again asks it again.

        Raises JournalError.
        """
        stepped = [place for place, step in enumerate(self._replied, 1) if self.run.is_stepped(step)]
        await self.run.forget([step + _ROOT for step in self._replied[max(stepped, default=0) :]])

    def root_reply(self, iteration: int, messages: Sequence[Message], *, last_call: bool) -> RootRequest:
        """For the root LM's reply.

        A call after a limit is another one, and so is its step: under a larger limit the run goes on instead.
        """
        if last_call:
            self._last_call = iteration
        step = self.step_of(iteration)
        self._replied.append(step)
        return RootRequest(self, iteration, step + _ROOT, messages)

    def fold(self, before: int) -> Request:
        """For the root LM's summary of its older iterations, the next one before the reply of that iteration."""
        made = f"{self.step_of(before)}fold"
        self._calls[made] += 1
        return Request(self, before, f"{made} {self._calls[made]}")

    def retrieval(self, query: str) -> Request:
        """For what the retriever finds for the question, before the first reply."""
        return Request(self, 0, f"{self.path}0|retrieve {text_hash(query)}|1")

    def call(self, iteration: int, call: Call) -> CallJournal:
        """For a call of the code in that iteration. One that is long is hashed next, before anything else."""
        return self.call_below(self.step_of(iteration), iteration, call)

    def call_below(self, path: str, iteration: int, call: Call) -> CallJournal:
        """The same, for one that another call comes to, whose path that is."""
        made = CallJournal(self, iteration, f"{path}{call.function} ", call)
        if text_chars(call) > _SHORT_CHARS:
            made.is_long = True
        else:
            self.name_later(made)
        return made

    def name_later(self, call: CallJournal) -> None:
        """When its path is asked for, or a little later where there are many."""
        unnamed = self._unnamed
        unnamed.append(call)
        if len(unnamed) == _MANY_CALLS:
            asyncio.get_running_loop().call_later(_NAMED_AFTER_S, self.name_calls)

    def name_calls(self) -> None:
        """Give each call its path. Equal ones are told apart by their order, so all are named that there are."""
        calls = self._calls
        for call in self._unnamed:
            made = call.kind + (call.hashed or call_hash(call.made))
            calls[made] = number = calls.get(made, 0) + 1
            call.named = f"{made}.{number}|"
        self._unnamed.clear()

    async def step_ended(self, iteration: int, outcome: StepDone | ReplLost) -> StepDone | ReplLost:
        """What the root LM is told of a step: what it was told before, where the step had ended before.

        It is in the file when this returns. Raises JournalError.
        """
        step, row = self.step_of(iteration), of_step(outcome)
        then = self.run.find(step + STEP)
        if then is None:
            await self.run.keep_step(step, row, step_chars(outcome))
            return outcome
        if other := differences(then, row):
            await self.diverged(
                iteration, f"{listed(other)} came out otherwise; the root LM goes by what it was shown then"
            )
        return to_step(then)

    async def diverged(self, iteration: int, what: str) -> None:
        of_child = " of a child RLM" if self.path else ""
        await self._say(f"journal: in iteration {iteration}{of_child} {what}")

    def child(self, call: CallJournal) -> NodeJournal:
        """That of the RLM which answers the call."""
        return NodeJournal(self.run, self._say, call.path, within_known=self.knows(call.iteration))

    def step_of(self, iteration: int) -> str:
        """What the keys of an iteration begin with."""
        return f"{self.path}{iteration}{' last' if iteration == self._last_call else ''}|"

    def knows(self, iteration: int) -> bool:
        """Whether all was kept that the code of the iteration asked for."""
        return self._within_known or self.run.is_stepped(self.step_of(iteration))


class Request:
    """One request to a model, to a tool or to a retriever: what came of it, and keeping what comes of it."""

    replayed = False
    """Whether it was answered from the journal."""
    _cache_as: str | None = None

    def __init__(self, node: NodeJournal, iteration: int, key: str, call: CallJournal | None = None) -> None:
        """`call` is the sub-call that it is to answer, if any; the key goes on from its path. For that another run's
        reply will do too, where the user wants that.
        """
        self._node, self._run, self._iteration, self._call, self._end = node, node.run, iteration, call, key

    @property
    def _key(self) -> str:
        return self._end if self._call is None else self._call.path + self._end

    async def reply(self, messages: Sequence[Message] | None) -> Completion | None:
        """The reply that came before; None where there is none yet.

        `messages` are what is sent, where another run may have sent the same. Raises RecordedFailureError where there
        was none, and JournalError.
        """
        row = await self._find() if self._run.resumed else None
        if row is not None:
            return to_completion(row, replayed=True)
        if messages is None or self._call is None or not self._run.settings.cache_sub_calls:
            return None
        self._cache_as = self._run.cache_key([text for each in messages for text in message_texts(each)])
        row = await self._run.find_cached(self._cache_as)
        if row is None:
            return None
        completion, self._cache_as = to_completion(row, replayed=False), None
        await self.keep(completion)
        return completion

    async def keep(self, completion: Completion) -> None:
        """A reply: it is in the file when this returns. Whole ones may answer other runs. Raises JournalError."""
        cache_as = self._cache_as
        if cache_as is not None and unfinished(completion):
            cache_as = None
        row, chars = of_completion(completion), completion_chars(completion)
        if (beside := self._beside()) is not None:
            row |= beside
            chars = None if chars is None else chars + sum([len(text) for text in beside.values() if text])
        try:
            await self._run.keep(self._key, row, chars=chars, cache_as=cache_as, alone=self._call is None)
        except JournalError as error:
            error.unkept = completion
            raise

    async def value(self, work: Callable[[], Awaitable[Any]]) -> Any:
        """The JSON value that came before, or that `work` returns, which is kept. Raises what `work` raises."""
        row = await self._find() if self._run.resumed else None
        if row is not None:
            return row["value"]
        try:
            value = await work()
        except Exception as error:
            self.failed(error)
            raise
        held = 0 if isinstance(value, str) else length_up_to(_MOST_VALUES, {"": value})
        await self._run.keep(self._key, {"value": await off_loop(_CHARS_OF_VALUE * held, plain, value)})
        return value

    def failed(self, error: Exception) -> None:
        """There is no reply: that is kept with the end of the step. Before that, a kill leaves it to be tried again."""
        row = {"failure": failure_words(error), "too_long": is_overflow(error)}
        self._run.keep_with_step(self._node.step_of(self._iteration), self._key, row)

    def _beside(self) -> dict[str, str | None] | None:
        """What is kept beside a reply."""
        return None

    async def _find(self) -> Row | None:
        """In a run that is gone on with."""
        row = await self._run.read(self._key)
        if row is None:
            if self._node.knows(self._iteration):
                await self._node.diverged(
                    self._iteration, "the code asks for what it did not ask for then: that is done, and paid for, now"
                )
            return None
        self.replayed = True
        if "failure" in row:
            raise RecordedFailureError(row["failure"], too_long=row["too_long"])
        return row


class RootRequest(Request):
    """One to a root LM, with what that is shown."""

    def __init__(self, node: NodeJournal, iteration: int, key: str, messages: Sequence[Message]) -> None:
        super().__init__(node, iteration, key)
        self._shown = messages[-1].content
        self._opening = opening_hash(messages) if iteration == 1 else None

    @property
    def shown(self) -> str | None:
        """The last message that the reply which came before was to; None where there is none."""
        row = self._run.find(self._key)
        return None if row is None else row.get("shown")

    def failed(self, error: Exception) -> None:
        """It is asked again, by whoever makes the call again."""
        if self._node.path:  # of a child, that is a sub-call that failed
            parent = self._node.path[: self._node.path.rindex("|", 0, -1) + 1]
            self._run.keep_with_step(
                parent, self._key, {"failure": failure_words(error), "too_long": is_overflow(error)}
            )

    def _beside(self) -> dict[str, str | None]:
        return {"shown": self._shown, "opening": self._opening}

    async def _find(self) -> Row | None:
        row = await super()._find()
        if row is not None and row.get("opening") != self._opening:
            await self._node.diverged(
                self._iteration, "what the root LM is told first is worded otherwise than when it replied"
            )
        return row


class CallJournal:
    """One call of the code, with the requests that it comes to: one, or more where the first has no whole reply."""

    is_long = False
    """Whether to hash it may take a while: then `hash_long` is awaited before all that needs its path."""
    hashed: str | None = None
    """The hash of what a long one was given."""
    named: str | None = None
    """Its path, once that was asked for."""
    _requests = 0
    _tools: dict[str, int] | None = None

    def __init__(self, node: NodeJournal, iteration: int, kind: str, made: Call) -> None:
        """`kind` is what the paths of all calls of its function begin with."""
        self._node, self.iteration, self.kind, self.made = node, iteration, kind, made

    async def hash_long(self) -> None:
        """In a thread where that takes some milliseconds."""
        self.hashed = await off_loop(text_chars(self.made), call_hash, self.made)
        self._node.name_later(self)

    @property
    def path(self) -> str:
        if self.named is None:  # nothing of it is known in a run that is new, until there is something to keep
            self._node.name_calls()
            assert self.named is not None
        return self.named

    @property
    def is_resumed(self) -> bool:
        """Whether the run was begun before, so that something may be known of the call."""
        return self._node.run.resumed

    @property
    def refused(self) -> Row | None:
        """How it was refused, where it came to nothing else."""
        run = self._node.run
        return None if run.has_below(self.path) else run.find(self.path + REFUSED)

    def refuse(self, row: Row) -> None:
        """It was answered by a refusal, which is kept with the end of the step."""
        self._node.run.keep_refusal(self._node.step_of(self.iteration), self.path + REFUSED, row)

    def request(self) -> Request:
        """The next one that the call comes to."""
        self._requests += 1
        return Request(self._node, self.iteration, str(self._requests), self)

    async def part(self, call: Call) -> CallJournal:
        """For a sub-call that the host makes to answer it."""
        part = self._node.call_below(self.path, self.iteration, call)
        if part.is_long:
            await part.hash_long()
        return part

    def tool(self, name: str, arguments: Any) -> Request:
        """For a tool that the sub-LM calls while it answers."""
        made = f"{self.path}tool {value_hash([name, arguments])}"
        tools = self._tools = self._tools or {}
        number = tools[made] = tools.get(made, 0) + 1
        return Request(self._node, self.iteration, f"{made}.{number}")

    def child(self) -> NodeJournal:
        """That of the RLM which answers it."""
        return self._node.child(self)
