"""The input of a run: what is asked, over what, and how that shows in a tracer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rlm_integrations.core.language_model import Message
from rlm_integrations.langchain.documents import PreparedContext, prepare_brought
from rlm_integrations.langchain.inputs import read_input
from rlm_integrations.langchain.unread_keys import check_keys

_SHOWN_MESSAGES = 10
_SHOWN_CHARS = 2_000


@dataclass(frozen=True, slots=True)
class RunInput:
    """An input of a call that was read, its context with it."""

    question: str | tuple[Message, ...]
    context: PreparedContext

    def view(self) -> dict[str, Any]:
        """What tracers are sent for it. The corpus is told of, never held."""
        if isinstance(self.question, str):
            shown: Any = _cut(self.question)
        else:
            shown = [{"role": m.role, "content": _cut(m.content)} for m in self.question[-_SHOWN_MESSAGES:]]
        return {"question": shown, "context": self.context.describe()}


def read_run_input(value: object, context: PreparedContext) -> RunInput:
    """The input, with what it brings as context before the runnable's own.

    Raises InvalidArgumentError for an input that holds no question, or a context that cannot be one.
    """
    if context.corpus.kind == "none" and context.retriever is None:
        check_keys(value)
    taken = read_input(value)
    if taken.context is not None:
        context = context.preceded_by(prepare_brought(taken.context))
    return RunInput(taken.question, context)


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}… [{len(text):,} characters in all]"
