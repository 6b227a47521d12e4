"""RLMQueryEngine: a LlamaIndex query engine that answers by a Recursive Language Model."""

from __future__ import annotations

import os
import weakref
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any, Literal
from uuid import uuid4

from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.base.response.schema import RESPONSE_TYPE
from llama_index.core.callbacks.base import CallbackManager
from llama_index.core.callbacks.schema import CBEventType, EventPayload
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.prompts.base import PromptTemplate
from llama_index.core.prompts.mixin import PromptDictType, PromptMixinType
from llama_index.core.schema import NodeWithScore, QueryBundle
from llama_index.core.tools.types import BaseTool, ToolMetadata
from llama_index.core.vector_stores.types import MetadataFilters
from llama_index_instrumentation import get_dispatcher
from pydantic import BaseModel

from rlm_integrations.core.calls.prices import PricesOption
from rlm_integrations.core.calls.threads import in_thread
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.journal.settings import Journal
from rlm_integrations.core.language_model import CodeProtocol, Message
from rlm_integrations.core.limits import RLMLimits, Route
from rlm_integrations.core.prompts.texts import text
from rlm_integrations.core.run.account import tell
from rlm_integrations.core.run.checks import Verifier
from rlm_integrations.core.run.plan import OnEvent
from rlm_integrations.core.sandbox import Sandbox
from rlm_integrations.core.session.memory import SessionMemory
from rlm_integrations.core.trace.events import Event
from rlm_integrations.core.trace.kept_result import KeptResult
from rlm_integrations.core.trace.result import RLMResult, TraceDetail
from rlm_integrations.engine import RLMEngine
from rlm_integrations.llama_index.arguments import (
    checked_callback_manager,
    checked_flag,
    checked_handler,
    checked_inline,
    checked_list,
    checked_output_cls,
    checked_postprocessors,
    checked_text,
    checked_trace,
)
from rlm_integrations.llama_index.callback_events import in_event
from rlm_integrations.llama_index.caller_warning import in_thread_for_caller
from rlm_integrations.llama_index.chat_streaming import take_stream_wish
from rlm_integrations.llama_index.citation_marks import inline_instructions
from rlm_integrations.llama_index.computation_node import with_computation
from rlm_integrations.llama_index.constructors import QueryEngineConstructors
from rlm_integrations.llama_index.events import RLMWarningEvent, instrumentation_event
from rlm_integrations.llama_index.language_model import LlamaIndexModel, LLMLike, choose_llm, unwrap_structured
from rlm_integrations.llama_index.node_selection import NodeSelection
from rlm_integrations.llama_index.pictures import question_in
from rlm_integrations.llama_index.query_context import Chat, QueryContext, RunContext, read_context
from rlm_integrations.llama_index.response import Delivery, build_response, empty_response
from rlm_integrations.llama_index.sub_tools import as_sub_tools
from rlm_integrations.llama_index.tools import tool_functions

_dispatcher = get_dispatcher(__name__)
_REPL = ToolMetadata(name="repl", description="The Python REPL that holds the corpus as `context`.")


class RLMQueryEngine(QueryEngineConstructors, BaseQueryEngine):
    """Answers queries over a corpus that never enters the root LM's prompt.

    Args:
        llm: The root LM. Default: `Settings.llm`. A StructuredLLM stands for its LLM and its output class.
        sub_llm: What `llm_query` calls in the REPL. Default: `llm`.
        context: An index, a retriever, nodes, documents, or any context of the core (texts, paths). All but a retriever
            is read once: after a change of the index, make a new engine. Here, or where an event loop runs, which must
            not wait, at the first query: `aquery` and `asynthesize` read in a thread, all sync methods where they are
            called. What is wrong with it is raised where it is read, unless it shows without.
        filters, doc_ids, node_ids: Which nodes the engine may see; everything else is never in the REPL. Where none may
            be seen, answers are "Empty Response", as LlamaIndex's own, and no model is called. Not with a retriever.
        node_postprocessors: Applied to what a retriever returns. Only with a retriever.
        limits, prices, sandbox, system_prompt, instructions, on_event, on_limit, verify: As of RLMEngine.
        journal: A file, or a Journal, in which runs keep what they paid for before they use it: the same query, made
            again after a kill, goes on where it was.
        tools: LlamaIndex tools or plain functions that the REPL may call.
        sub_tools: LlamaIndex tools, those of MCP servers too, or plain functions that the sub-LMs alone may call,
            natively: the root LM sees their replies, never what a tool gave. `sub_llm` must be a FunctionCallingLLM.
        protocol: How the root LM hands over its code: "fence", in its text, or "tool", by native calls of one tool, for
            LLMs that do that better. `llm` must be a FunctionCallingLLM then.
        route: "rlm", or "auto": what is short is answered by one call of `llm`, without code, as of RLMEngine.
        output_cls: A pydantic model: answers are validated, and come as a PydanticResponse.
        streaming: Give a StreamingResponse (`query`) or AsyncStreamingResponse (`aquery`). The run comes first, the
            stream replays its answer.
        inline_citations: Put `[n]` into the answer wherever it rests on `response.source_nodes[n - 1]`. Not with an
            output class.
        trace: What `response.metadata["rlm"]["trace"]` holds: "summary" (at most 16 KB), "full" or "none".
        callback_manager: Default: `Settings.callback_manager`.

    Raises:
        InvalidArgumentError: An argument is wrong.
        MissingExtraError: A package is not installed that `sandbox` or `prices` needs.
        SandboxUnavailableError: Nothing here can confine the REPL.
        RunError: By `query` and `aquery`: the run failed. It carries the partial result.
    """

    def __init__(
        self,
        llm: LLMLike | None = None,
        sub_llm: LLMLike | None = None,
        context: QueryContext | None = None,
        *,
        filters: MetadataFilters | None = None,
        doc_ids: Collection[str] | None = None,
        node_ids: Collection[str] | None = None,
        node_postprocessors: Sequence[BaseNodePostprocessor] | None = None,
        limits: RLMLimits | Mapping[str, Any] | None = None,
        prices: PricesOption | None = None,
        sandbox: str | Sandbox = "auto",
        tools: Sequence[BaseTool | Callable[..., Any]] = (),
        sub_tools: Sequence[BaseTool | Callable[..., Any]] = (),
        protocol: CodeProtocol = "fence",
        route: Route = "rlm",
        output_cls: type[BaseModel] | None = None,
        streaming: bool = False,
        inline_citations: bool = False,
        system_prompt: str | None = None,
        instructions: str | None = None,
        trace: TraceDetail = "summary",
        on_event: OnEvent | None = None,
        on_limit: Literal["answer", "raise"] = "answer",
        journal: str | os.PathLike[str] | Journal | None = None,
        verify: Verifier | Sequence[Verifier] | None = None,
        callback_manager: CallbackManager | None = None,
    ) -> None:
        super().__init__(checked_callback_manager(callback_manager))
        root, structured_cls = unwrap_structured(choose_llm(llm, "llm", callback_manager))
        self._llm = LlamaIndexModel(root)
        self._sub_llm = (
            LlamaIndexModel(choose_llm(sub_llm, "sub_llm", callback_manager)) if sub_llm is not None else self._llm
        )
        self._limits = RLMLimits.of(limits)
        self._prices: PricesOption | None = prices
        self._sandbox = sandbox
        self._tools = checked_list(tools, "tools", "LlamaIndex tools or functions")
        self._sub_tools = checked_list(sub_tools, "sub_tools", "LlamaIndex tools or functions")
        self._protocol: CodeProtocol = protocol
        self._route: Route = route
        self._output_cls = checked_output_cls(output_cls or structured_cls)
        self._streaming = checked_flag(streaming, "streaming")
        self._inline_citations = checked_inline(inline_citations, self._output_cls)
        self._system_prompt = checked_text(system_prompt, "system_prompt")
        self._instructions = checked_text(instructions, "instructions")
        self._trace: TraceDetail = checked_trace(trace)
        self._on_event = checked_handler(on_event)
        self._on_limit: Literal["answer", "raise"] = on_limit
        self._journal = Journal.of(journal)
        self._verify = verify
        self._engine, self._async_engine = self._new_engine(sync=True), self._new_engine(sync=False)
        selection = NodeSelection(filters, doc_ids, node_ids)
        self._context = read_context(context, selection, checked_postprocessors(node_postprocessors))

    def __getstate__(self) -> dict[str, Any]:
        """Without the core's engines, which are made anew: a copy's are bound to the copy."""
        return {name: value for name, value in self.__dict__.items() if name not in ("_engine", "_async_engine")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, value)
        self._engine, self._async_engine = self._new_engine(sync=True), self._new_engine(sync=False)

    def retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        """What the engine's retriever finds; over a corpus, which is read whole, all of its nodes, without scores."""
        return self._context.retrieve(query_bundle)

    def synthesize(
        self,
        query_bundle: QueryBundle,
        nodes: list[NodeWithScore],
        additional_source_nodes: Sequence[NodeWithScore] | None = None,
    ) -> RESPONSE_TYPE:
        """Answer over these nodes; where there are none, over the engine's own corpus, if it was read whole."""
        return self._run(query_bundle, self._context.over(nodes, additional_source_nodes or ()), CBEventType.SYNTHESIZE)

    async def asynthesize(
        self,
        query_bundle: QueryBundle,
        nodes: list[NodeWithScore],
        additional_source_nodes: Sequence[NodeWithScore] | None = None,
    ) -> RESPONSE_TYPE:
        """`synthesize`, on the caller's event loop."""
        context = await in_thread_for_caller(partial(self._context.over, nodes, additional_source_nodes or ()))
        return await self._arun(query_bundle, context, CBEventType.SYNTHESIZE)

    def _query(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        return self._run(query_bundle, self._context.for_run(), CBEventType.QUERY)

    async def _aquery(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        return await self._arun(query_bundle, await self._context.afor_run(), CBEventType.QUERY)

    def query_in(self, chat: Chat, messages: tuple[Message, ...]) -> RESPONSE_TYPE:
        """For RLMChatEngine: the answer to the last message, as a text, in the chat's session."""
        chat.context = chat.context or self._context.for_run()
        return self._run(QueryBundle(messages[-1].content), chat.context, CBEventType.QUERY, chat.memory, messages)

    async def aquery_in(self, chat: Chat, messages: tuple[Message, ...]) -> RESPONSE_TYPE:
        """`query_in`, on the caller's event loop."""
        context, query = await self._context.afor_run(), QueryBundle(messages[-1].content)
        chat.context = chat.context or context  # another question may have come first
        return await self._arun(query, chat.context, CBEventType.QUERY, chat.memory, messages)

    def new_chat(self) -> Chat:
        """For RLMChatEngine."""
        return Chat(SessionMemory(None, uuid4().hex))

    def _run(
        self,
        query_bundle: QueryBundle,
        context: RunContext,
        kind: CBEventType,
        session: SessionMemory | None = None,
        messages: tuple[Message, ...] = (),
    ) -> RESPONSE_TYPE:
        wants_stream = take_stream_wish(self) if session is None else False
        payload: dict[str, Any] = {EventPayload.QUERY_STR: query_bundle.query_str}
        with KeptResult() as kept, self.callback_manager.event(kind, payload=payload) as event:
            if context.selects_nothing:
                response = self._nothing_to_read(context.selects_nothing, "stream", wants_stream)
            else:
                question = messages or question_in(query_bundle)
                with kept.run():
                    kept.result = self._engine.ask_in(session, question, context.core_context)
                response = self._respond(kept.result, context, "stream", wants_stream)
            event.on_end(payload={EventPayload.RESPONSE: response})
        return response

    async def _arun(
        self,
        query_bundle: QueryBundle,
        context: RunContext,
        kind: CBEventType,
        session: SessionMemory | None = None,
        messages: tuple[Message, ...] = (),
    ) -> RESPONSE_TYPE:
        wants_stream = take_stream_wish(self) if session is None else False
        payload: dict[str, Any] = {EventPayload.QUERY_STR: query_bundle.query_str}
        with KeptResult() as kept, self.callback_manager.event(kind, payload=payload) as event:
            if context.selects_nothing:
                response = self._nothing_to_read(context.selects_nothing, "async_stream", wants_stream)
            else:
                question = messages or question_in(query_bundle)
                with kept.run():
                    kept.result = await self._async_engine.aask_in(session, question, context.core_context)
                # Much may have been read, cited or kept beside the nodes, and the loop must not wait for it.
                response = await in_thread(self._respond, kept.result, context, "async_stream", wants_stream)
            event.on_end(payload={EventPayload.RESPONSE: response})
        return response

    def _respond(
        self,
        result: RLMResult[Any],
        context: RunContext,
        stream: Literal["stream", "async_stream"],
        wants_stream: bool | None,
    ) -> RESPONSE_TYPE:
        """`wants_stream`: whether a chat engine asks for a stream, which then has text alone."""
        return build_response(
            result,
            with_computation(context.evidence(result), result),
            trace=self._trace,
            delivery=self._delivery(stream, wants_stream),
            inline_citations=self._inline_citations,
            as_text=wants_stream is True,
        )

    def _nothing_to_read(
        self, why: str, stream: Literal["stream", "async_stream"], wants_stream: bool | None
    ) -> RESPONSE_TYPE:
        _dispatcher.event(RLMWarningEvent(kind="nothing_selected", message=why))
        return empty_response(why, self._delivery(stream, wants_stream))

    def _delivery(self, stream: Literal["stream", "async_stream"], wants_stream: bool | None) -> Delivery:
        streaming = self._streaming if wants_stream is None else wants_stream
        return stream if streaming else "whole"

    @_dispatcher.span
    async def _run_code(self, iteration: int, code: str, execute: Callable[[], Awaitable[str]]) -> str:
        """One execution of code: a span and a callback event, which its sub-calls are nested in."""
        begins: dict[str, Any] = {EventPayload.FUNCTION_CALL: code, EventPayload.TOOL: _REPL}
        kind, ends = CBEventType.FUNCTION_CALL, EventPayload.FUNCTION_OUTPUT
        return await in_event(self.callback_manager, kind, begins, ends, execute)

    @_dispatcher.span
    async def _run_child(self, prompt: str, execute: Callable[[], Awaitable[str]]) -> str:
        """A child RLM: a span and a callback event below the step that called it, which its own are nested in."""
        begins: dict[str, Any] = {EventPayload.QUERY_STR: prompt}
        return await in_event(self.callback_manager, CBEventType.SUB_QUESTION, begins, EventPayload.RESPONSE, execute)

    @_dispatcher.span
    async def _run_sub_call(self, prompt: str, execute: Callable[[], Awaitable[str]]) -> str:
        """A sub-call of an LLM with tools: a span and a callback event, which its calls are nested in."""
        begins: dict[str, Any] = {EventPayload.QUERY_STR: prompt}
        return await in_event(self.callback_manager, CBEventType.AGENT_STEP, begins, EventPayload.RESPONSE, execute)

    def _new_engine(self, *, sync: bool) -> RLMEngine[Any]:
        """It does not hold this, which holds it: with each other they would keep the nodes until a garbage collection.
        Whoever asks it does so through this.
        """
        this = weakref.proxy(self)
        marking = inline_instructions() if self._inline_citations else None
        options: dict[str, Any] = {"answer_type": self._output_cls} if self._output_cls is not None else {}
        return RLMEngine(
            self._llm,
            sub_llm=self._sub_llm,
            limits=self._limits,
            prices=self._prices,
            sandbox=self._sandbox,
            tools=tool_functions(self._tools, sync=sync),
            sub_tools=as_sub_tools(self._sub_tools, self.callback_manager, sync=sync),
            protocol=self._protocol,
            route=self._route,
            system_prompt=self._system_prompt,
            instructions="\n\n".join(filter(None, (marking, self._instructions))) or None,
            on_event=_telling(self._on_event, sync=sync),
            on_limit=self._on_limit,
            journal=self._journal,
            verify=self._verify,
            around_step=lambda iteration, code, execute: this._run_code(iteration, code, execute),
            around_child=lambda prompt, execute: this._run_child(prompt, execute),
            around_sub_call=lambda prompt, execute: this._run_sub_call(prompt, execute),
            **options,
        )

    def _get_prompts(self) -> PromptDictType:
        """`system_prompt` is what the root LM is told, before its placeholders are filled; `instructions` are added.

        An empty `system_prompt` stands for the one that comes with this package.
        """
        return {
            "system_prompt": PromptTemplate(self._system_prompt or text("root_system")),
            "instructions": PromptTemplate(self._instructions or ""),
        }

    def _update_prompts(self, prompts: PromptDictType) -> None:
        """Raises InvalidArgumentError for prompts that there are not, as those of a RAG engine's synthesizer."""
        there_are = self._get_prompts()
        unknown = [name for name in prompts if name not in there_are]
        if unknown:
            raise InvalidArgumentError(
                f"update_prompts: an RLM query engine has no {', '.join(unknown)}; its prompts are "
                f"{' and '.join(there_are)}, and what a template said of the answer goes into instructions"
            )
        if "system_prompt" in prompts:
            self._system_prompt = prompts["system_prompt"].get_template() or None
        if "instructions" in prompts:
            self._instructions = prompts["instructions"].get_template() or None
        self._engine, self._async_engine = self._new_engine(sync=True), self._new_engine(sync=False)

    def _get_prompt_modules(self) -> PromptMixinType:
        return {}


def _telling(on_event: OnEvent | None, *, sync: bool) -> OnEvent:
    async def told(event: Event) -> None:  # where the event arises, for what LlamaIndex is told has its span
        instrumented = instrumentation_event(event)
        if instrumented is not None:
            _dispatcher.event(instrumented)
        if on_event is not None:
            await tell(on_event, event, sync=sync)

    return told
