"""Answers what the code in the REPL asks of the host: sub-calls, retrieval, citations, tools.

Every request is hostile input. Each is answered once, by its id, whatever happens.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rlm_integrations.core.calls.budget import Budget, BudgetError
from rlm_integrations.core.calls.foreign_code import contained
from rlm_integrations.core.calls.model_calls import ModelCaller
from rlm_integrations.core.calls.threads import RunThreads
from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.corpus.forms import plain
from rlm_integrations.core.corpus.retriever import Retriever
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.host.step_record import Batch, StepRecord
from rlm_integrations.core.host.tools import Tool
from rlm_integrations.core.language_model import Completion
from rlm_integrations.core.prompts.texts import sub_call_messages
from rlm_integrations.core.sandbox import Repl
from rlm_integrations.core.trace.citations import Citation, check_citation
from rlm_integrations.core.trace.events import Event, SubCallEnded, SubCallsReserved
from rlm_integrations.core.trace.records import HostFunctionCall, SubCall
from rlm_integrations.core.trace.run_errors import RunError
from rlm_integrations.core.usage import Usage
from rlm_integrations.core.wording import error_words
from rlm_integrations.wire.calls import Call, CallTool, Cite, HostCall, LlmQuery, RefusalKind, Reserve, Retrieve

_ARGUMENT_CHARS = 2_000
_RESULT_CHARS = 2_000
_QUOTE_CHARS = 20_000
_MAX_CITATIONS = 1_000
"""Citations are copies, kept until the run's result is dropped."""
_STEP_OVER = "the step of this call is over; nothing was sent"

Emit = Callable[[Event], Awaitable[None]]


class RefusedCallError(Exception):
    """A request that is answered with an error."""

    def __init__(self, kind: RefusalKind, message: str) -> None:
        super().__init__(message)
        self.kind: RefusalKind = kind


@dataclass
class HostFunctions:
    """The host's side of one run's REPL."""

    sub_model: ModelCaller
    budget: Budget
    corpus: Corpus
    tools: Mapping[str, Tool]
    threads: RunThreads
    sync: bool
    sub_call_chars: int
    emit: Emit
    citations: list[Citation] = field(default_factory=list[Citation])
    retrieved: dict[str, Document] = field(default_factory=dict[str, Document])
    """Documents that `retrieve` has added in this run."""
    fatal: RunError | None = None
    """An error that the run must end with."""
    last_call: bool = False

    def __post_init__(self) -> None:
        self._slots = asyncio.Semaphore(self.budget.limits.max_concurrency)
        self._numbers = itertools.count(1)
        self._batch_ids = itertools.count(1)

    async def answer(self, call: HostCall, repl: Repl, step: StepRecord) -> None:
        """Do what the call asks, and reply or refuse."""
        try:
            if self.fatal is not None:
                raise RefusedCallError("failed", "the run is ending")
            if step.over:  # what it had reserved is given back by now
                raise RefusedCallError("failed", _STEP_OVER)
            value = await self._perform(call.call, step)
        except RefusedCallError as refusal:
            repl.refuse(call.id, refusal.kind, str(refusal))
        except BudgetError as refusal:
            repl.refuse(call.id, "budget", str(refusal))
        except RunError as error:
            self.fatal = error
            repl.refuse(call.id, "failed", str(error))
        except Exception as error:  # a call that is not answered would hang the code for ever
            repl.refuse(call.id, "failed", error_words(error))
        else:
            repl.reply(call.id, value)

    async def _perform(self, call: Call, step: StepRecord) -> Any:
        match call:
            case Reserve():
                return await self._reserve(call, step)
            case LlmQuery():
                return await self._llm_query(call, step)
            case Retrieve():
                return await self._retrieve(call, step)
            case Cite():
                return self._cite(call)
            case CallTool():
                return await self._tool(call, step)

    async def _reserve(self, asked: Reserve, step: StepRecord) -> int:
        if asked.n < 1:
            raise RefusedCallError("value", "a batch needs at least one prompt")
        self.budget.reserve(asked.n)
        batch_id = next(self._batch_ids)
        step.batches[batch_id] = Batch(asked.n)
        await self.emit(SubCallsReserved(step.iteration, asked.n))
        return batch_id

    async def _llm_query(self, asked: LlmQuery, step: StepRecord) -> str:
        prompt = asked.prompt
        if self.budget.limits.max_depth == 0:
            raise RefusedCallError("value", "there are no sub-calls in this run")
        if len(prompt) > self.sub_call_chars:
            raise RefusedCallError(
                "value", f"the prompt has {len(prompt):,} characters; a sub-call takes {self.sub_call_chars:,}"
            )
        if asked.batch is None:
            self.budget.reserve(1)
            await self.emit(SubCallsReserved(step.iteration, 1))
        else:
            batch = step.batches.get(asked.batch)
            if batch is None or batch.sent >= batch.size:
                raise RefusedCallError("budget", "this batch has no sub-call left; nothing was sent")
            batch.sent += 1
        call = SubCall(number=next(self._numbers), batch=asked.batch, index=asked.index, prompt=prompt)
        return await self._send(call, step)

    async def _send(self, call: SubCall, step: StepRecord) -> str:
        clock = step.clock
        async with self._slots:
            if step.over:
                self.budget.release(1)
                raise RefusedCallError("failed", _STEP_OVER)
            step.sub_call_opened()
            began = clock()
            try:
                completion = await self._complete(call.prompt)
                call.reply, call.model, call.usage = completion.text, completion.model, completion.usage
                self._spend(completion.usage)
            except asyncio.CancelledError:
                call.error = "CancelledError: the run ended first"
                raise
            except RunError as error:
                call.error = error_words(error)
                raise
            except Exception as error:
                call.error = error_words(error)
            finally:
                call.seconds = clock() - began
                step.sub_call_closed(call)
        await self.emit(SubCallEnded(step.iteration, call))
        if call.reply is None:
            raise RefusedCallError("failed", call.error or "the sub-call failed")
        return call.reply

    async def _complete(self, prompt: str) -> Completion:
        self.budget.check()  # calls that came before it may have met a limit while this one waited
        seconds = self.budget.call_seconds(last_call=self.last_call)
        return await self.sub_model.call(sub_call_messages(prompt), seconds)

    def _spend(self, usage: Usage) -> None:
        try:
            self.budget.spend(usage)
        except InvalidArgumentError as error:
            raise RunError(str(error)) from error

    async def _retrieve(self, asked: Retrieve, step: StepRecord) -> list[dict[str, Any]]:
        if self.corpus.retriever is None:
            raise RefusedCallError("value", "there is no retriever in this run")
        if not asked.query.strip():
            raise RefusedCallError("type", "the query must be a non-empty str")
        retriever = self.corpus.retriever

        async def fetch() -> Sequence[Document]:
            return await retrieve(retriever, asked.query, self.threads if self.sync else None)

        documents = await self._recorded("retrieve", {"query": asked.query}, step, fetch)
        for document in documents:
            if document.id not in self.corpus.by_id:
                self.retrieved.setdefault(document.id, document)
        return [{"id": d.id, "text": d.text, "metadata": dict(d.metadata)} for d in documents]

    def _cite(self, asked: Cite) -> None:
        if len(asked.text) > _QUOTE_CHARS:
            raise RefusedCallError(
                "value",
                f"the quote has {len(asked.text):,} characters, at most {_QUOTE_CHARS:,} are taken; cite what matters",
            )
        if len(self.citations) >= _MAX_CITATIONS:
            raise RefusedCallError("value", f"there are {_MAX_CITATIONS:,} citations; no more are taken in this run")
        citation = check_citation(self.document(asked.document_id), asked.start, asked.end, asked.text)
        if citation is None:
            raise RefusedCallError("value", "the quote does not stand there; copy it letter for letter from the text")
        if citation not in self.citations:
            self.citations.append(citation)

    def document(self, document_id: str) -> Document | None:
        """The host's own copy of a document."""
        return self.corpus.by_id.get(document_id) or self.retrieved.get(document_id)

    async def _tool(self, asked: CallTool, step: StepRecord) -> Any:
        tool, args, kwargs = self.tools.get(asked.name), asked.args, asked.kwargs
        if tool is None:
            raise RefusedCallError(
                "value", f"there is no tool {asked.name!r}; the tools are {', '.join(self.tools) or 'none'}"
            )

        async def run() -> Any:
            if tool.is_async:
                return plain(await contained(tool.function(*args, **kwargs)))
            return plain(await self.threads.run(lambda: tool.function(*args, **kwargs)))

        return await self._recorded(tool.description.name, {"args": args, "kwargs": kwargs}, step, run)

    async def _recorded(
        self, name: str, arguments: dict[str, Any], step: StepRecord, work: Callable[[], Awaitable[Any]]
    ) -> Any:
        """Run one host function within the run's bounds, and keep a record of it."""
        try:
            self.budget.count_tool_call()
        except BudgetError as refusal:  # not the kind that says sub-calls are used up
            raise RefusedCallError("failed", f"{name}: {refusal}") from None
        shown = json.dumps(arguments, ensure_ascii=False, default=str)[:_ARGUMENT_CHARS]
        record = HostFunctionCall(name=name, arguments=shown)
        began = step.clock()
        try:
            async with self._slots, asyncio.timeout(self.budget.call_seconds(last_call=self.last_call)):
                if step.over:
                    raise RefusedCallError("failed", _STEP_OVER)
                value = await work()
        except Exception as error:
            record.error = error_words(error)
            raise RefusedCallError("failed", f"{name}: {record.error}") from error
        else:
            record.result = f"{value!r:.{_RESULT_CHARS}}"
            return value
        finally:
            record.seconds = step.clock() - began
            step.host_calls.append(record)


async def retrieve(retriever: Retriever, query: str, threads: RunThreads | None) -> Sequence[Document]:
    """The retriever's documents; with threads, by its sync method where it has one."""
    fetch_sync: Callable[[str], Sequence[Document]] | None = getattr(retriever, "retrieve_sync", None)
    if threads is not None and fetch_sync is not None:
        return await threads.run(fetch_sync, query)
    return await contained(retriever.retrieve(query))
