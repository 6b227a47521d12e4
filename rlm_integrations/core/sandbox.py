"""The contract between the engine and whatever runs the model's code.

The host opens a REPL over a corpus and runs a step: it is told of each host call, then how the step ended.
Calls are answered by id, without waiting and in any order, so many can be open at once. Everything a REPL says
is hostile input: a sandbox hands on only well-formed values of these types.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.frozen import frozen
from rlm_integrations.wire.calls import HostCall, RefusalKind
from rlm_integrations.wire.settings import ReplSettings
from rlm_integrations.wire.steps import ReplLost, StepDone


@frozen
class Capabilities:
    """What a sandbox isolates on this machine. `layers` maps each layer to how it stands, in words."""

    name: str
    confined: bool
    layers: dict[str, str]


class Repl(Protocol):
    """One live REPL. Steps never overlap.

    It belongs to the event loop that runs when it is opened. Between two steps it may leave that loop: it then rests,
    needs none, and can be ended from any thread, until it joins another.
    """

    async def step(
        self, blocks: Sequence[str], on_call: Callable[[HostCall], None], seconds_left: float = float("inf")
    ) -> StepDone | ReplLost:
        """Run the blocks in order until one raises or sets the answer ready.

        `seconds_left` is wall time with open host calls included: at its end the step is interrupted as at its
        own time limit.

        `on_call` is called on the event loop for each host call, in whatever context: it makes a task that answers it,
        without waiting. Cancelling the step kills the REPL.
        """
        ...

    def reply(self, call_id: int, value: Any) -> None:
        """Answer a host call with a JSON value. Does not wait; a call that is no longer open is ignored."""
        ...

    def refuse(self, call_id: int, kind: RefusalKind, message: str) -> None:
        """Answer a host call with an error, which raises in the model's code."""
        ...

    def interrupt(self) -> None:
        """Have the running step end as at its time limit, if there is one. Does not wait."""
        ...

    async def close(self) -> None:
        """End the REPL and free what it holds. May be called twice, and at any time."""
        ...

    def leave_loop(self) -> bool:
        """Rest. False where it has ended: it is then to be closed."""
        ...

    def join_loop(self) -> None:
        """Go on in the loop that is running. What has ended meanwhile is lost in its next step."""
        ...

    def end(self) -> None:
        """`close` for one that rests: from any thread, without waiting, and without a loop."""
        ...

    @property
    def memory_bytes(self) -> int:
        """Memory that it holds by itself, about, without what it shares with others. 0 where nobody can tell."""
        ...


class Sandbox(Protocol):
    """Starts REPLs. One object serves any number of runs, threads and event loops."""

    @property
    def modules(self) -> tuple[str, ...]:
        """What code can import besides the standard library; the root LM is told of it."""
        ...

    @property
    def subset(self) -> str:
        """What its Python lacks, in words for the root LM; "" for all of Python."""
        ...

    def capabilities(self) -> Capabilities: ...

    async def open(self, corpus: Corpus, settings: ReplSettings, retrieved: Sequence[Document] = ()) -> Repl:
        """Start a REPL over the corpus, with documents that a retriever brought earlier in the run appended.

        `corpus.shared` is prepared once and kept for further runs until it is garbage-collected.

        Raises:
            SandboxUnavailableError: This sandbox cannot confine here.
            SandboxError: The start fails.
        """
        ...
