"""The input of a run: what is asked, over what, and how that shows in tracers and to listeners."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, cast

from langchain_core.prompt_values import PromptValue

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.language_model import Message
from rlm_integrations.frozen import frozen
from rlm_integrations.langchain.documents import PreparedContext, prepare_brought
from rlm_integrations.langchain.input_view import corpus_line_in, small_view, whole_view
from rlm_integrations.langchain.inputs import read_input
from rlm_integrations.langchain.unread_keys import check_keys


@frozen
class RunInput:
    """An input of a call that was read, its context with it."""

    question: str | tuple[Message, ...]
    context: PreparedContext
    value: object
    """The input as it came."""
    brought: str
    """The context that it brought, in one line."""

    def view(self, message_chars: int) -> Any:
        """What tracers are sent for it. The corpus is told of, never held."""
        return small_view(self.value, message_chars, self.brought)

    def whole(self) -> Any:
        """What listeners are given for it."""
        return whole_view(self.value)


def read_run_input(value: object, context: PreparedContext) -> RunInput:
    """The input, with what it brings as context before the runnable's own.

    Raises InvalidArgumentError for an input that holds no question, or a context that cannot be one.
    """
    check_keys(value, has_corpus=context.corpus.kind != "none" or context.retriever is not None)
    taken = read_input(value)
    line = corpus_line_in(taken.context)
    if line is not None:
        _say_that_it_is_not_here(line, context)
    if taken.context is None or line is not None:
        return RunInput(taken.question, context, value, line or "")
    brought = prepare_brought(taken.context)
    return RunInput(taken.question, context.preceded_by(brought), value, brought.describe())


def holds_blocks(value: object) -> bool:
    """Whether there are messages of several parts, which may hold pictures: reading them may take a while."""
    messages: Sequence[object] = value.to_messages() if isinstance(value, PromptValue) else ()
    if isinstance(value, Sequence) and not isinstance(value, str):
        messages = cast("Sequence[object]", value)
    return any(isinstance(getattr(message, "content", None), list) for message in messages)


def _say_that_it_is_not_here(line: str, context: PreparedContext) -> None:
    """An input that was recorded is asked again. Raises InvalidArgumentError where nothing is left to read."""
    missing = f"context: the recorded input tells of {line}, which a record does not hold"
    if context.corpus.kind == "none" and context.retriever is None:
        raise InvalidArgumentError(f"{missing}; pass the documents or the retriever again")
    warnings.warn(f"{missing}: the run goes over the constructor's context alone", RuntimeWarning, stacklevel=2)
