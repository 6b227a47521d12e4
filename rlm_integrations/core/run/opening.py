"""How a run begins: its corpus, the sizes that its models' windows allow, and what its root LM is told first."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple

from rlm_integrations.core.calls.conversation import conversation
from rlm_integrations.core.calls.threads import RunThreads
from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.description import describe, is_quick_to_describe
from rlm_integrations.core.corpus.facts import is_studied, study
from rlm_integrations.core.corpus.names import may_be_name
from rlm_integrations.core.corpus.own_ids import OwnIds
from rlm_integrations.core.corpus.question import Question
from rlm_integrations.core.host.retrieval import retrieve
from rlm_integrations.core.language_model import LanguageModel, Message, sees_images
from rlm_integrations.core.limits import RLMLimits
from rlm_integrations.core.loop.happenings import Opened
from rlm_integrations.core.loop.state import Rules
from rlm_integrations.core.prompts.texts import fill, first_message, root_system
from rlm_integrations.core.run.plan import LONG_TEXT_CHARS, RunPlan
from rlm_integrations.core.trace.ends_run import EndsRun, boundary, let_through
from rlm_integrations.core.trace.run_errors import RunError
from rlm_integrations.core.wording import error_words
from rlm_integrations.wire.settings import ReplSettings

if TYPE_CHECKING:
    from rlm_integrations.core.journal.node_journal import NodeJournal

_SUB_CALL_CHARS = 100_000
_CHARS_PER_TOKEN = 3
_OUTPUT_SHARE = 16
_LEAST_OUTPUT_CHARS = 200
_LEAST_MEMORY_MB = 1024
_FEW_DOCUMENTS = 1_000


class Sizes(NamedTuple):
    """What fits: characters of a sub-call's prompt, and of the output that the root LM sees of a step."""

    sub_call_chars: int
    output_chars: int

    @classmethod
    def of(cls, plan: RunPlan) -> Sizes:
        sub, root = window_chars(plan.sub), window_tokens(plan.root, plan.limits.max_input_tokens)
        output = plan.limits.max_output_chars
        if root is not None:
            output = min(output, max(_LEAST_OUTPUT_CHARS, root * _CHARS_PER_TOKEN // _OUTPUT_SHARE))
        return cls(min(_SUB_CALL_CHARS, sub or _SUB_CALL_CHARS), output)


def window_chars(model: LanguageModel) -> int | None:
    """Characters that surely fit the model's window, where it is known."""
    tokens = window_tokens(model)
    return None if tokens is None else tokens * _CHARS_PER_TOKEN


def window_tokens(model: LanguageModel, most: int | None = None) -> int | None:
    """The model's window where it is known, and `most` where that is less, or where it is not."""
    tokens: Any = getattr(model, "max_input_tokens", None)
    if not isinstance(tokens, int) or tokens <= 0:
        return most
    return tokens if most is None else min(tokens, most)


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
    corpus = read = await read_off_loop(context, threads) if before is None else before
    if corpus.retriever is not None:
        kept, ids = None if journal is None else journal.retrieval(question.query), OwnIds(corpus)
        try:
            async with asyncio.timeout(seconds):
                await retrieve(corpus.retriever, question.query, threads if sync else None, ids.each_once, kept)
        except RunError:
            raise
        except Exception as error:
            let_through(error, ends_run)
            raise RunError(f"context: the retriever failed for the question: {error_words(error)}") from error
        hits = list(ids.added.values())
        if before is not None:
            corpus = before.followed_by(hits)
        else:
            corpus = Corpus(hits, retriever=corpus.retriever) if corpus.kind == "none" else corpus.preceded_by(hits)
    corpus = corpus.preceded_by(question.documents)
    if before is None and corpus.kind == "none" and corpus.retriever is None and question.shown:
        corpus = Corpus(question.shown, in_messages=True)
    if corpus is not read:
        await threads.run(study, corpus)
    return corpus


async def read_off_loop(context: object, threads: RunThreads) -> Corpus:
    """What the user passed, without what a retriever finds: in a thread, where that may take a while.

    Raises InvalidArgumentError, and RunError where what it is read from raised.
    """
    if isinstance(context, str):
        quick = len(context) <= LONG_TEXT_CHARS and not may_be_name(context)
    else:
        quick = context is None or (isinstance(context, Corpus) and is_studied(context))
    return _read(context) if quick else await threads.run(_read, context)


def _read(context: object) -> Corpus:
    with boundary("context"):
        return read_context(context)


def read_context(context: object) -> Corpus:
    """The corpus that the user passed, looked through once; may take a while. Raises InvalidArgumentError."""
    corpus = Corpus.of(context)
    study(corpus)
    return corpus


def opens_quickly(corpus: Corpus, limits: RLMLimits) -> bool:
    """Whether `opened` takes no more than some milliseconds: it copies what is shown, and looks at each document."""
    shown = min(corpus.chars, max(limits.inline_chars, limits.preview_chars))
    return shown <= LONG_TEXT_CHARS and len(corpus.documents) <= _FEW_DOCUMENTS and is_quick_to_describe(corpus)


def opened(plan: RunPlan, question: Question, corpus: Corpus, settings: ReplSettings, session: str = "") -> Opened:
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
    described = describe(
        corpus,
        plan.limits,
        plan.fence_key,
        chunk_chars,
        frame="pandas" in plan.sandbox.modules,
        sees_images=sees_images(plan.sub),
    )
    first = first_message(
        context="\n\n".join(filter(None, (described, session))),
        question=question.text,
        max_iterations=plan.limits.max_iterations,
        answer_schema=plan.answer_type.schema,
        sub_calls=plan.limits.max_sub_calls if settings.depth else None,
    )
    said = Message("user", first), *question.after
    whole = conversation((Message("system", system), *question.before, *said))
    foreign = _foreign(question, corpus)
    if all(message.role != "assistant" for message in question.before):
        return Opened(whole, foreign=foreign)
    rules = [message for message in question.before if message.role == "system"]
    return Opened(whole, conversation((Message("system", system), *rules, *said)), foreign)


def _foreign(question: Question, corpus: Corpus) -> tuple[str, ...]:
    """What may be words of documents in messages: those that became documents, and replies that may quote some."""
    documents = (*corpus.documents, *question.shown) if corpus.in_messages else ()
    replies = [each.content for each in (*question.before, *question.after) if each.role == "assistant"]
    return tuple(dict.fromkeys((*question.cut, *(each.text for each in documents), *replies)))


def rules_of(
    plan: RunPlan, question: Question, depth: int, *, whole: bool, verifies: bool, is_root: bool = True
) -> Rules:
    """The rules of a node. `whole`: whether its root LM sees all there is; `is_root`: whether it is the run's."""
    return Rules(
        limits=plan.limits,
        question=question.text,
        depth=depth,
        plain_reply_answers=whole,
        misfit=plan.answer_type.misfit,
        typed=plan.answer_type.schema is not None,
        fence_key=plan.fence_key,
        protocol=plan.protocol,
        verifies=verifies,
        limits_of_all=plan.limits_of_all,
        has_last_call=is_root,
        asked_by_code=not is_root,
        window_tokens=window_tokens(plan.root, plan.limits.max_input_tokens),
    )


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
