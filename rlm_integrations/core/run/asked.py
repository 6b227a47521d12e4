"""A question, from when it is asked: its context is known by then as far as the question is read beside it."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from rlm_integrations.core.calls.threads import in_thread
from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.corpus.question import becomes_document
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.language_model import Message
from rlm_integrations.core.run.plan import RunPlan
from rlm_integrations.core.run.twice import new_run
from rlm_integrations.core.trace.result import RLMResult


async def answer(
    plan: RunPlan, question: str | Sequence[Message], context: object, *, sync: bool, run_id: str | None = None
) -> RLMResult[Any]:
    """The answer. Raises as RunTree and TwiceRun do, InvalidArgumentError for a wrong question too."""
    context = await with_names(context, question, plan.limits.message_chars)
    return await new_run(plan, question, context, sync=sync, run_id=run_id).perform()


async def with_names(context: object, question: str | Sequence[Message], message_chars: int) -> object:
    """The context: read, where a message becomes a document beside it, which takes no name of the user's.

    What reading it raised is raised where the run reads it, which ends with all that belongs to its end. Raises
    InvalidArgumentError for a wrong question or context.
    """
    if context is None or isinstance(context, (str, Corpus)) or not becomes_document(question, message_chars):
        return context
    return await in_thread(_read, context)


def _read(context: object) -> object:
    try:
        return Corpus.of(context)
    except InvalidArgumentError:
        raise
    except Exception as error:
        return _raising(error)


def _raising(error: Exception) -> Generator[Document]:
    """A context that raises this as it is read."""
    try:
        raise error
    finally:
        del error  # its traceback holds this frame
    yield
