"""A REPL in which earlier questions were answered is made ready for the next one."""

from __future__ import annotations

from collections.abc import Sequence

from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.sandbox import Repl
from rlm_integrations.frozen import frozen
from rlm_integrations.wire.calls import HostCall, Retrieve
from rlm_integrations.wire.steps import Output, ReplLost

_FRESH_ANSWER = 'answer = {"content": "", "ready": False}'
_TAKE_DOCUMENTS = 'None if retrieve("the question") else None'
_LIST_VARIABLES = "SHOW_VARS()"
_LIST_CHARS = 2_000


@frozen
class Variables:
    """What the REPL holds, as SHOW_VARS gives it: "name: type size" each."""

    lines: tuple[str, ...]

    @property
    def names(self) -> frozenset[str]:
        return frozenset(line.partition(":")[0] for line in self.lines)


async def take_up(repl: Repl, documents: Sequence[Document], seconds_left: float) -> Variables | ReplLost:
    """Empty `answer`, add the documents to `context`, and see what variables there are. Nobody is told of that step.

    Args:
        repl: It has joined the running loop.
        documents: Only where `retrieve` is offered in it.
        seconds_left: Of the question.
    """
    wanted = bool(documents)
    blocks = [_FRESH_ANSWER, *([_TAKE_DOCUMENTS] if documents else ()), _LIST_VARIABLES]

    def answer(call: HostCall) -> None:
        nonlocal wanted
        if wanted and isinstance(call.call, Retrieve):
            wanted = False
            repl.reply(call.id, [document.as_plain() for document in documents])
        else:
            repl.refuse(call.id, "failed", "the next question has not begun")

    outcome = await repl.step(blocks, answer, seconds_left)
    if isinstance(outcome, ReplLost):
        return outcome
    if wanted or outcome.answer.ready:
        return ReplLost("its own names had been replaced")
    return Variables(_listed(outcome.output))


def _listed(output: Output) -> tuple[str, ...]:
    """Foreign text: the code may have replaced the function that is asked."""
    lines: list[str] = []
    room = _LIST_CHARS
    for line in output.head.splitlines() + output.tail.splitlines():
        room -= len(line) + 1
        if room < 0:
            break
        if line.partition(": ")[0].isidentifier():
            lines.append(line)
    return tuple(lines)
