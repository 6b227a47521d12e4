"""How a run begins: its corpus, the sizes that its models' windows allow, and what its root LM is told first."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rlm_integrations.core.calls.conversation import conversation
from rlm_integrations.core.calls.threads import RunThreads
from rlm_integrations.core.corpus.corpus import Corpus, unique_ids
from rlm_integrations.core.corpus.description import describe, study
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.corpus.question import Question
from rlm_integrations.core.corpus.retriever import Retriever
from rlm_integrations.core.host.retrieval import as_documents, as_values, retrieve
from rlm_integrations.core.journal.node_journal import NodeJournal
from rlm_integrations.core.language_model import LanguageModel, Message
from rlm_integrations.core.prompts.texts import fill, first_message, root_system
from rlm_integrations.core.run.plan import RunPlan
from rlm_integrations.core.trace.ends_run import EndsRun, let_through
from rlm_integrations.core.trace.run_errors import RunError
from rlm_integrations.core.wording import error_words
from rlm_integrations.wire.settings import ReplSettings

_SUB_CALL_CHARS = 100_000
_CHARS_PER_TOKEN = 3
_OUTPUT_SHARE = 16
_LEAST_OUTPUT_CHARS = 200
_LEAST_MEMORY_MB = 1024


@dataclass(frozen=True, slots=True)
class Sizes:
    """What fits: characters of a sub-call's prompt, and of the output that the root LM sees of a step."""

    sub_call_chars: int
    output_chars: int

    @classmethod
    def of(cls, plan: RunPlan) -> Sizes:
        sub, root = window_chars(plan.sub), window_chars(plan.root)
        output = plan.limits.max_output_chars
        if root is not None:
            output = min(output, max(_LEAST_OUTPUT_CHARS, root // _OUTPUT_SHARE))
        return cls(min(_SUB_CALL_CHARS, sub or _SUB_CALL_CHARS), output)


def window_chars(model: LanguageModel) -> int | None:
    """Characters that surely fit the model's window, where it is known."""
    tokens: Any = getattr(model, "max_input_tokens", None)
    return tokens * _CHARS_PER_TOKEN if isinstance(tokens, int) and tokens > 0 else None


async def read_corpus(
    context: object,
    question: Question,
    seconds: float,
    threads: RunThreads,
    ends_run: EndsRun | None,
    *,
    sync: bool,
    before: Corpus | None = None,
    journal: NodeJournal | None = None,
) -> Corpus:
    """The corpus of what was passed as context, with what a retriever finds for the question, and what it brought.

    Where there is none, it is the text of the longer messages: a chain may have stuffed its documents into a prompt.
    In a session it is, from the second question on, what it was `before`; what is found then stands at its end.

    What takes a while over a large corpus is done now, in a thread. The retriever has so many seconds. Raises
    InvalidArgumentError, and RunError where the retriever failed.
    """
    corpus = read = await threads.run(read_context, context) if before is None else before
    if corpus.retriever is not None:
        try:
            async with asyncio.timeout(seconds):
                found = await _found(corpus.retriever, question.query, threads if sync else None, journal)
            hits = unique_ids(found)
        except RunError:
            raise
        except Exception as error:
            let_through(error, ends_run)
            raise RunError(f"context: the retriever failed for the question: {error_words(error)}") from error
        if before is not None:
            corpus = before.followed_by([hit for hit in hits if hit.id not in before.by_id])
        else:
            corpus = Corpus(hits, retriever=corpus.retriever) if corpus.kind == "none" else corpus.preceded_by(hits)
    corpus = corpus.preceded_by(question.documents)
    if before is None and corpus.kind == "none" and corpus.retriever is None and question.shown:
        corpus = Corpus(question.shown, in_messages=True)
    if corpus is not read:
        await threads.run(study, corpus)
    return corpus


async def _found(
    retriever: Retriever, query: str, threads: RunThreads | None, journal: NodeJournal | None
) -> Sequence[Document]:
    if journal is None:
        return await retrieve(retriever, query, threads)

    async def work() -> list[dict[str, Any]]:
        return as_values(await retrieve(retriever, query, threads))

    return as_documents(await journal.retrieval(query).value(work))


def read_context(context: object) -> Corpus:
    """What the user passed, without what a retriever finds. May take a while. Raises InvalidArgumentError."""
    corpus = Corpus.of(context)
    study(corpus)
    return corpus


def opening_messages(
    plan: RunPlan, question: Question, corpus: Corpus, settings: ReplSettings, session: str = ""
) -> tuple[Message, ...]:
    """What the root LM sees before its first reply, for a REPL of these settings. `session` tells of what is in it."""
    kind = "retriever" if corpus.retriever else {"documents": "docs"}.get(corpus.kind, corpus.kind)
    system = root_system(
        context_kind=kind,
        depth=settings.depth,
        max_output_chars=settings.max_output_chars,
        sub_call_chars=settings.sub_call_chars,
        tools=[tool.description for tool in plan.tools.values()],
        sub_tools=[tool.spec for tool in plan.sub_tools.values()],
        modules=plan.sandbox.modules,
        subset=plan.sandbox.subset,
        template=plan.system_prompt,
        protocol=plan.protocol,
    )
    if plan.instructions:
        system += "\n\n" + fill("instructions", instructions=plan.instructions)
    chunk_chars = settings.chunk_chars if settings.depth else None
    described = describe(corpus, plan.limits, plan.fence_key, chunk_chars, frame="pandas" in plan.sandbox.modules)
    first = first_message(
        context="\n\n".join(filter(None, (described, session))),
        question=question.text,
        max_iterations=plan.limits.max_iterations,
        answer_schema=plan.answer_type.schema,
        sub_calls=plan.limits.max_sub_calls if settings.depth else None,
    )
    return conversation((Message("system", system), *question.before, Message("user", first), *question.after))


def repl_settings(
    plan: RunPlan, corpus: Corpus, sizes: Sizes, depth: int, journal: NodeJournal | None = None
) -> ReplSettings:
    """What the REPL of a node of that depth offers, and its bounds: the size of the corpus bounds the memory.

    Where there is a journal, chance is the run's.
    """
    limits = plan.limits
    return ReplSettings(
        depth=limits.max_depth - depth if limits.max_sub_calls else 0,
        sub_call_chars=sizes.sub_call_chars,
        max_output_chars=sizes.output_chars,
        step_timeout_s=limits.step_timeout_s,
        memory_mb=limits.memory_mb or max(_LEAST_MEMORY_MB, 3 * corpus.chars // 2**20),
        retriever=corpus.retriever is not None,
        tools=tuple(plan.tools),
        null_answers=plan.answer_type.takes_null,
        columns=tuple((column.name, column.dtype) for column in corpus.table.columns) if corpus.table else (),
        text_column=corpus.table.text_column if corpus.table else "",
        seed="" if journal is None else journal.run.seed(journal.path),
        hash_seed=None if journal is None else journal.run.hash_seed,
    )
