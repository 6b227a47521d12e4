"""The code of replies that a journal keeps, read as the run read it: what only quotes what was shown did not run."""

from __future__ import annotations

from rlm_integrations.core.calls.endings import too_long_to_read, unfinished
from rlm_integrations.core.calls.reply_fields import as_text
from rlm_integrations.core.journal.rows import Row, to_completion
from rlm_integrations.core.language_model import Message
from rlm_integrations.core.loop.code_calls import code_of
from rlm_integrations.core.loop.cut_reply import whole_blocks
from rlm_integrations.core.loop.outcomes import names_set
from rlm_integrations.core.loop.quotations import Quotations, fenced, quotable
from rlm_integrations.core.loop.reply_parser import parse_reply
from rlm_integrations.wire.steps import ReplLost, StepDone


class KeptCode:
    """That of one root LM, iteration by iteration.

    Args:
        by_tool: Whether code comes by calls of a tool: then the text of a reply is prose, whatever it holds.
    """

    def __init__(self, *, by_tool: bool) -> None:
        self._by_tool = by_tool
        self._shown: tuple[Message, ...] = ()
        self._with_fences: tuple[Message, ...] = ()
        self._variables: frozenset[str] | None = None

    def show(self, text: str) -> None:
        """What the root LM is shown next."""
        shown = quotable([Message("user", text)])
        self._shown += shown
        self._with_fences += fenced(shown)

    def blocks(self, row: Row) -> list[str]:
        """What was to run of a reply."""
        reply = to_completion({"model": None, "usage": {}, "text": "", **row}, replayed=True)
        if too_long_to_read(reply) is not None:
            return []
        if self._by_tool:
            return [code for call in reply.tool_calls if (code := code_of(call))]
        completion = as_text(reply)
        if completion.finish == "refusal":
            return []
        cut = unfinished(completion) is not None
        quotations = Quotations(self._shown, self._with_fences)
        return list((whole_blocks if cut else parse_reply)(completion.text, quotations, self._variables).blocks)

    def end(self, outcome: StepDone | ReplLost) -> None:
        """The code ran, and came to this."""
        lost = isinstance(outcome, ReplLost)
        self._variables = frozenset() if lost else names_set(outcome) | (self._variables or frozenset())
