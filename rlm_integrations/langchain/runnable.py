"""RLMRunnable: a Recursive Language Model as a LangChain Runnable."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast, overload
from uuid import UUID

from langchain_core.callbacks import AsyncCallbackManagerForChainRun, CallbackManagerForChainRun
from langchain_core.language_models import LanguageModelLike
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.prompt_values import PromptValue
from langchain_core.runnables import Runnable, RunnableConfig, RunnableSerializable
from langchain_core.runnables.config import get_config_list, run_in_executor
from langchain_core.runnables.utils import gather_with_concurrency
from langchain_core.tools import BaseTool
from pydantic import BaseModel, ConfigDict, model_validator
from typing_extensions import Unpack

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.limits import RLMLimits
from rlm_integrations.core.trace.result import RLMResult
from rlm_integrations.core.trace.run_errors import LimitReachedError
from rlm_integrations.engine import RLMEngine
from rlm_integrations.langchain.arguments import CallOptions
from rlm_integrations.langchain.asked import Asked, read_asked
from rlm_integrations.langchain.chat_model import LangChainModel
from rlm_integrations.langchain.documents import PreparedContext, RunContext
from rlm_integrations.langchain.engine_arguments import EngineArguments, EngineOptions
from rlm_integrations.langchain.graph_node import progress_writer, read_state, state_update
from rlm_integrations.langchain.inputs import RLMInput
from rlm_integrations.langchain.message import Answer, to_message
from rlm_integrations.langchain.question_tool import TOOL_NAME, question_tool, tool_description
from rlm_integrations.langchain.run_tree import RunTree
from rlm_integrations.langchain.structured_output import StructuredOutput
from rlm_integrations.langchain.tools import as_functions

T = TypeVar("T")

BATCH_CONCURRENCY = 8
"""Runs that `abatch` has open at once where the config sets no `max_concurrency`: each has a process of its own."""


class RLMRunnable(EngineArguments, RunnableSerializable[RLMInput, AIMessage]):
    """Answers questions over a corpus of any length; it stands where a RAG chain or a chat model stood.

        chain = prompt | RLMRunnable(llm=ChatOpenAI(model="gpt-5"))
        RLMRunnable(llm=llm, context=documents).invoke("Which contracts end in 2027?").content

    The input is a str, a prompt's value, messages, `{"question": ..., "context": ...}` as a RAG chain
    passes it ("input" and "query" name the question too), or `{"messages": [...]}`. A message over
    `limits.message_chars` becomes a document of the corpus, so a prompt with a stuffed `{context}` works at
    any size. What a call brings as context goes before the constructor's.

    The output is an AIMessage: `.content` the answer, `.usage_metadata` the sum over all model calls, and
    `.response_metadata["rlm"]` the trace, the stop reason and the citations as plain JSON.

    Raises InvalidArgumentError for a wrong argument, from the constructor or the call, and the errors of
    `rlm_integrations.core.errors.RunError` when a run fails.
    """

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    if TYPE_CHECKING:  # said of each class, since checkers make up a signature from the fields of one that has none

        def __init__(self, *, llm: LanguageModelLike | str, **options: Unpack[EngineOptions]) -> None: ...

    @model_validator(mode="after")
    def _check_engine(self) -> RLMRunnable:
        self._engine(RunTree({}), self.limits, None, sync=True)
        return self

    def invoke(self, input: RLMInput, config: RunnableConfig | None = None, **kwargs: Any) -> AIMessage:
        """Answer, in sync code: the models' sync methods are called, in threads of the run."""
        options, asked = self._asked(input, kwargs)

        def run(_view: Any, run_manager: CallbackManagerForChainRun, config: RunnableConfig) -> Any:
            return self._run(asked, options, run_manager.run_id, config).whole()

        return self._call_with_config(run, cast(RLMInput, asked.view()), config)

    async def ainvoke(self, input: RLMInput, config: RunnableConfig | None = None, **kwargs: Any) -> AIMessage:
        """Answer, on the caller's event loop: the models' async methods are called."""
        options, asked = await self._aasked(input, kwargs)

        async def run(_view: Any, run_manager: AsyncCallbackManagerForChainRun, config: RunnableConfig) -> Any:
            return (await self._arun(asked, options, run_manager.run_id, config)).whole()

        return await self._acall_with_config(run, cast(RLMInput, asked.view()), config)

    def stream(self, input: RLMInput, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[AIMessageChunk]:
        """The answer in pieces, when the run is over; `rlm_iteration` events tell of it while it goes on."""
        options, asked = self._asked(input, kwargs)

        def run(_views: Any, run_manager: CallbackManagerForChainRun, config: RunnableConfig) -> Iterator[Any]:
            yield from self._run(asked, options, run_manager.run_id, config).pieces()

        pieces = self._transform_stream_with_config(iter([cast(RLMInput, asked.view())]), run, config)
        yield from cast(Iterator[AIMessageChunk], pieces)

    async def astream(
        self, input: RLMInput, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[AIMessageChunk]:
        """As `stream`. A run whose consumer is cancelled ends at once."""
        options, asked = await self._aasked(input, kwargs)

        async def views() -> AsyncIterator[RLMInput]:
            yield cast(RLMInput, asked.view())

        async def run(
            _views: Any, run_manager: AsyncCallbackManagerForChainRun, config: RunnableConfig
        ) -> AsyncIterator[Any]:
            for piece in (await self._arun(asked, options, run_manager.run_id, config)).pieces():
                yield piece

        async for piece in self._atransform_stream_with_config(views(), run, config):
            yield cast(AIMessageChunk, piece)

    async def abatch(
        self,
        inputs: list[RLMInput],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[AIMessage]:
        """Answer all, in order, at most `max_concurrency` of the config at once, or 8."""
        if not inputs:
            return []
        configs = get_config_list(config, len(inputs))

        async def answer(input: RLMInput, config: RunnableConfig) -> Any:
            try:
                return await self.ainvoke(input, config, **kwargs)
            except Exception as error:
                if return_exceptions:
                    return error
                raise

        at_once = configs[0].get("max_concurrency") or BATCH_CONCURRENCY
        return await gather_with_concurrency(at_once, *map(answer, inputs, configs))

    @overload
    def with_structured_output(
        self, schema: type[T], *, include_raw: Literal[False] = False
    ) -> Runnable[RLMInput, T]: ...

    @overload
    def with_structured_output(
        self, schema: dict[str, Any], *, include_raw: bool = False
    ) -> Runnable[RLMInput, dict[str, Any]]: ...

    @overload
    def with_structured_output(
        self, schema: object, *, include_raw: Literal[True]
    ) -> Runnable[RLMInput, dict[str, Any]]: ...

    @overload
    def with_structured_output(self, schema: object, *, include_raw: bool = False) -> Runnable[RLMInput, Any]: ...

    def with_structured_output(self, schema: Any, *, include_raw: bool = False) -> Runnable[RLMInput, Any]:
        """A runnable whose output is a validated `schema`: a pydantic model, a dataclass, a TypedDict, `list[str]`, ...

        A JSON schema gives a dict. With `include_raw` it is `{"raw": AIMessage, "parsed": ..., "parsing_error": None}`,
        as chat models give it: a run that ends at a limit without an answer that fits gives its draft as "raw", None as
        "parsed" and the LimitReachedError as "parsing_error". Without, it raises that.
        """
        output = StructuredOutput.of(schema)
        self._engine(RunTree({}), self.limits, output.answer_type, sync=True)  # told of here if it cannot be one
        bound = self.bind(answer_type=output.answer_type, include_raw=include_raw)
        if include_raw:
            return cast("Runnable[RLMInput, dict[str, Any]]", bound) | output.made_beside_raw()
        return bound | output.parser(include_raw=False)

    def as_tool(
        self,
        args_schema: type[BaseModel] | None = None,
        *,
        name: str | None = None,
        description: str | None = None,
        arg_types: dict[str, type] | None = None,
    ) -> BaseTool:
        """A tool for agents: it takes `question: str`, its content is the answer and its artifact the AIMessage.

        `name` is "ask_corpus" without one; the description tells of the context. The arguments' schema is fixed.
        """
        if args_schema is not None or arg_types is not None:
            given = "arg_types" if args_schema is None else "args_schema"
            raise InvalidArgumentError(f"{given}: the tool takes one argument, question: str; leave it out")
        context = cast(PreparedContext, self.context)
        return question_tool(self, name or TOOL_NAME, description or tool_description(context.describe()))

    def with_sources(self) -> Runnable[RLMInput, dict[str, Any]]:
        """A runnable whose output is `{"answer": str, "context": [...], "message": AIMessage}`.

        `context` holds the user's own Documents that the answer rests on: cited ones first, then those that
        went to sub-calls, then those that the root LM printed.
        """
        return cast(Runnable[RLMInput, dict[str, Any]], self.bind(with_sources=True))

    def as_node(self) -> Runnable[Any, dict[str, Any]]:
        """A node for a LangGraph graph with messages in its state: `graph.add_node("rlm", rlm.as_node())`.

        The last human message is the question, the others are its history; a `context` in the state counts as that of
        a call. What it adds is `{"messages": [AIMessage]}`. That message is bounded, for checkpoints keep it for good:
        it carries no trace (see `collect_rlm_traces`), and the citations as far as they fit 8 KB. With
        `stream_mode="custom"` each iteration writes `{"rlm_iteration": {...}}`.
        """
        return cast(Runnable[Any, dict[str, Any]], self.bind(as_node=True))

    def _asked(self, value: object, keywords: Mapping[str, Any]) -> tuple[CallOptions, Asked]:
        options = CallOptions.of(keywords)
        return options, read_asked(read_state(value) if options.as_node else value, self.context)

    async def _aasked(self, value: object, keywords: Mapping[str, Any]) -> tuple[CallOptions, Asked]:
        if isinstance(value, (str, Sequence, PromptValue)):
            return self._asked(cast(object, value), keywords)
        # It may bring a context: a loader or a folder may block for long, and many documents take a while.
        return await run_in_executor(None, self._asked, value, keywords)

    def _run(self, asked: Asked, options: CallOptions, run_id: UUID, config: RunnableConfig) -> Answer:
        context = RunContext(asked.context)
        engine = self._engine(self._tree(config, options), self._limits(config), options.answer_type, sync=True)
        try:
            return self._answer(engine.run(asked.question, context.corpus), context, options, run_id)
        except LimitReachedError as error:
            return self._unparsed(error, options, run_id)

    async def _arun(self, asked: Asked, options: CallOptions, run_id: UUID, config: RunnableConfig) -> Answer:
        context = RunContext(asked.context)
        engine = self._engine(self._tree(config, options), self._limits(config), options.answer_type, sync=False)
        try:
            result = await engine.arun(asked.question, context.corpus)
            if options.with_sources:
                await result.evidence.find_async()
            return self._answer(result, context, options, run_id)
        except LimitReachedError as error:
            return self._unparsed(error, options, run_id)

    def _tree(self, config: RunnableConfig, options: CallOptions) -> RunTree:
        return RunTree(config, self.on_event, progress_writer() if options.as_node else None)

    def _answer(self, result: RLMResult[Any], context: RunContext, options: CallOptions, run_id: UUID) -> Answer:
        message = to_message(result, run_id, self.trace, typed=options.answer_type is not None)
        if options.as_node:
            return Answer(message, instead=state_update(message, result))
        if options.include_raw:
            parsed = message.additional_kwargs["parsed"]
            return Answer(message, instead={"raw": message, "parsed": parsed, "parsing_error": None})
        return Answer(message, context.originals(result.sources) if options.with_sources else None)

    def _unparsed(self, error: LimitReachedError, options: CallOptions, run_id: UUID) -> Answer:
        """The draft of a run that ended without an answer that fits, where it is asked for. Else raises the error."""
        draft = error.result
        # A model that failed in the last call, or a result that `on_limit` raised, is no misfit.
        if not options.include_raw or draft is None or draft.trace.error is None or error.__cause__ is not None:
            raise error
        message = to_message(draft, run_id, self.trace, typed=False)
        return Answer(message, instead={"raw": message, "parsed": None, "parsing_error": error})

    def _engine(self, tree: RunTree, limits: RLMLimits, answer_type: Any, *, sync: bool) -> RLMEngine[Any]:
        return RLMEngine(
            LangChainModel(self.llm, "root"),
            sub_llm=LangChainModel(self.sub_llm or self.llm, "sub"),
            limits=limits,
            sandbox=self.sandbox,
            tools=cast(Sequence[Callable[..., Any]], as_functions(self.tools, sync=sync)),
            answer_type=answer_type,
            system_prompt=self.system_prompt,
            instructions=self.instructions,
            on_event=tree.handle,
            on_limit=self.on_limit,
            around_step=tree.around_step,
        )

    def _limits(self, config: RunnableConfig) -> RLMLimits:
        at_once = config.get("max_concurrency")
        if not at_once or at_once >= self.limits.max_concurrency:
            return self.limits
        return self.limits.model_copy(update={"max_concurrency": at_once})
