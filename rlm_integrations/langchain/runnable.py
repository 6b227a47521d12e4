"""RLMRunnable: a Recursive Language Model as a LangChain Runnable."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from functools import partial
from inspect import currentframe
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast, overload
from uuid import UUID

from langchain_core.callbacks import AsyncCallbackManagerForChainRun, CallbackManagerForChainRun
from langchain_core.language_models import LanguageModelLike
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.prompt_values import PromptValue
from langchain_core.runnables import RunnableConfig, RunnableSerializable
from langchain_core.runnables.config import run_in_executor, set_config_context
from pydantic import ConfigDict, model_validator
from typing_extensions import Unpack

from rlm_integrations.core.calls.foreign_code import carrying_interrupts, delivering_interrupts
from rlm_integrations.core.calls.threads import in_thread
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.limits import RLMLimits
from rlm_integrations.core.trace.kept_result import KeptResult
from rlm_integrations.core.trace.result import RLMResult
from rlm_integrations.core.trace.run_errors import LimitReachedError
from rlm_integrations.engine import RLMEngine
from rlm_integrations.langchain.arguments import EngineArguments, SessionOptions
from rlm_integrations.langchain.batches import BoundedBatches
from rlm_integrations.langchain.documents import RunContext
from rlm_integrations.langchain.events import RunCallbacks
from rlm_integrations.langchain.graph_node import warn_of_lost_answer
from rlm_integrations.langchain.handler_errors import ends_run
from rlm_integrations.langchain.handlers import in_callers_thread
from rlm_integrations.langchain.injected_arguments import check_within_graph
from rlm_integrations.langchain.inputs import RLMInput
from rlm_integrations.langchain.language_model import LangChainModel
from rlm_integrations.langchain.listeners import hearing_whole
from rlm_integrations.langchain.named_runs import run_name
from rlm_integrations.langchain.outputs import EndedRun, MessageOutput, Output, SourcesOutput, read_output
from rlm_integrations.langchain.response import to_message
from rlm_integrations.langchain.run_input import RunInput, holds_blocks, read_run_input
from rlm_integrations.langchain.sessions import Session, session_id
from rlm_integrations.langchain.structured_output import StructuredOutput, refuse_unknown
from rlm_integrations.langchain.sub_tools import as_sub_tools
from rlm_integrations.langchain.tools import as_functions
from rlm_integrations.langchain.wrapped import KeepsMethods, gives_runnable

if TYPE_CHECKING:
    from rlm_integrations.langchain.chained_outputs import RLMWithSources, TypedRLM

T = TypeVar("T")


class RLMRunnable(
    BoundedBatches[RLMInput, AIMessage],
    KeepsMethods[RLMInput, AIMessage],
    EngineArguments,
    RunnableSerializable[RLMInput, AIMessage],
):
    """Answers questions over a corpus of any length; it stands where a RAG chain or a chat model stood.

        chain = prompt | RLMRunnable(llm=ChatOpenAI(model="gpt-5"))
        RLMRunnable(llm=llm, context=documents).invoke("Which contracts end in 2027?").content

    The input is a str, a prompt's value, messages, `{"question": ..., "context": ...}` as a RAG chain
    passes it ("input" and "query" name the question too), or `{"messages": [...]}`. A message over
    `limits.message_chars` becomes a document of the corpus, so a prompt with a stuffed `{context}` works at
    any size. What a call brings as context goes before the constructor's.

    The output is an AIMessage: `.content` the answer, `.usage_metadata` the sum over all model calls, and
    `.response_metadata["rlm"]` the trace, the stop reason and the citations as plain JSON.

    Args:
        llm: The root LM: a LangChain chat model or LLM, also with .bind, .with_retry or .with_fallbacks. A str is
            looked up by `init_chat_model` of the langchain package.
        sub_llm: What `llm_query` calls. None: `llm`.
        context: Documents, texts, paths, a loader or a retriever: read once, and shared by all runs. Here, or, where an
            event loop runs, which must not wait for what takes long, at the first run: in a thread, if that is async.
        limits: An RLMLimits or a dict of some of its fields. `max_concurrency` of a call's config lowers the one here.
        prices: What tokens cost, which `max_cost_usd` needs: `{"llm": {"input_price": 1.25, "output_price": 10.0}}` in
            US dollars per million tokens, "sub_llm" likewise, or "reported" for a model, as of RLMEngine.
        sandbox: "auto", "process", "wasi", "unconfined" or a Sandbox, as of RLMEngine.
        tools: Functions and LangChain tools that the code in the REPL may call. They run outside of the sandbox. Those
            that a LangGraph run gives something (`ToolRuntime`, `InjectedState`, `InjectedStore`) need to be in one.
        sub_tools: The same, for the sub-LMs alone, which call them natively (`bind_tools`); the root LM sees replies.
        protocol: "fence", or "tool": the root LM's code comes by native calls of one tool (`bind_tools`).
        route: "rlm", or "auto": what is short is answered by one call of `llm`, without code, as of RLMEngine.
        system_prompt, instructions: In place of the root LM's own system prompt, and added to it.
        trace: How much of the trace the message carries: "summary" (at most 16 KB), "full" or "none".
        on_event: Called with each event of a run, in order; may be async. `invoke`, `stream` and `batch` call it in
            the thread that they were called in, and callback handlers too: all but tracers, async ones and those with
            `run_inline`. What a model's own `callbacks` hold is called in that model's thread.
        on_limit: What a run that meets a limit does: "answer" gives its best answer, "raise" raises
            LimitReachedError, which carries it.
        verify: Checks of answers, functions (answer, result) that return None or say why not, as of RLMEngine: what
            they say goes back to the root LM. `answer` is a str, or with a structured output its validated value.
        session_by: Which entry of `config["configurable"]` names a session: calls with the same one go on in one REPL,
            whose variables stay, one after another, and what they asked and answered is told to the next where the
            input brings no history. "thread_id" for the threads of LangGraph. None: each call is for itself.
        journal: A file, or a Journal, in which runs keep what they paid for before they use it: the same call, made
            again after a kill, goes on where it was, those of a `batch` too. `config["configurable"]["rlm_run_id"]`
            names a run in it. Not for sessions.
        name: What tracers call it.

    Raises:
        InvalidArgumentError: An argument is wrong, of the constructor or of a call.
        MissingExtraError: A package is not installed that an argument needs.
        SandboxUnavailableError: Nothing here can confine the REPL.
        RunError: A run failed. It carries what there is, as does whatever else ends `invoke` early: the
            KeyboardInterrupt of Ctrl-C, or what a signal handler raises.
    """

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    session_by: str | None = "session_id"

    if TYPE_CHECKING:  # said of each class, since checkers make up a signature from the fields of one that has none

        def __init__(self, *, llm: LanguageModelLike | str, **options: Unpack[SessionOptions]) -> None: ...

    @model_validator(mode="after")
    def _check_engine(self) -> RLMRunnable:
        self._engine(RunCallbacks({}, sync=True), self.limits, None, sync=True)
        return self

    def invoke(self, input: RLMInput, config: RunnableConfig | None = None, **kwargs: Any) -> AIMessage:
        """Answer, in sync code: the models' sync methods are called, in threads of the run."""
        output, given = self._read(input, kwargs)
        if isinstance(output, MessageOutput):
            warn_of_lost_answer(input, currentframe())

        def run(_view: Any, run_manager: CallbackManagerForChainRun, config: RunnableConfig) -> Any:
            return output.whole(self._run(given, output, run_manager.run_id, config, kept))

        view, config = self._recorded(given, config)
        with KeptResult() as kept:
            return self._call_with_config(run, view, config)

    async def ainvoke(self, input: RLMInput, config: RunnableConfig | None = None, **kwargs: Any) -> AIMessage:
        """Answer, on the caller's event loop: the models' async methods are called."""
        output, given = await self._aread(input, kwargs)

        async def run(_view: Any, run_manager: AsyncCallbackManagerForChainRun, config: RunnableConfig) -> Any:
            with carrying_interrupts():  # out of a task of LangChain's
                return await self._arun(given, output, output.whole, run_manager.run_id, config, kept)

        view, config = self._recorded(given, config)
        with KeptResult() as kept, delivering_interrupts():
            return await self._acall_with_config(run, view, config)

    def stream(self, input: RLMInput, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[AIMessageChunk]:
        """The answer in pieces, when the run is over; `rlm_iteration` events tell of it while it goes on."""
        output, given = self._read(input, kwargs)

        def run(_views: Any, run_manager: CallbackManagerForChainRun, config: RunnableConfig) -> Iterator[Any]:
            yield from output.pieces(self._run(given, output, run_manager.run_id, config, kept))

        view, config = self._recorded(given, config)
        with KeptResult() as kept:
            pieces = self._transform_stream_with_config(iter([view]), run, config)
            yield from cast(Iterator[AIMessageChunk], pieces)

    async def astream(
        self, input: RLMInput, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[AIMessageChunk]:
        """As `stream`. A run whose consumer is cancelled ends at once."""
        output, given = await self._aread(input, kwargs)
        view, config = self._recorded(given, config)

        async def views() -> AsyncIterator[RLMInput]:
            yield view

        async def run(
            _views: Any, run_manager: AsyncCallbackManagerForChainRun, config: RunnableConfig
        ) -> AsyncIterator[Any]:
            def made(ended: EndedRun) -> list[Any]:
                return [*output.pieces(ended)]

            with carrying_interrupts():  # out of a task of LangChain's
                pieces = await self._arun(given, output, made, run_manager.run_id, config, kept)
            for piece in pieces:
                yield piece

        with KeptResult() as kept, delivering_interrupts():
            async for piece in self._atransform_stream_with_config(views(), run, config):
                yield cast(AIMessageChunk, piece)

    @overload
    def with_structured_output(
        self, schema: type[T], *, include_raw: Literal[False] = False, **kwargs: Any
    ) -> TypedRLM[T]: ...

    @overload
    def with_structured_output(
        self, schema: dict[str, Any], *, include_raw: bool = False, **kwargs: Any
    ) -> TypedRLM[dict[str, Any]]: ...

    @overload
    def with_structured_output(
        self, schema: object, *, include_raw: Literal[True], **kwargs: Any
    ) -> TypedRLM[dict[str, Any]]: ...

    @overload
    def with_structured_output(self, schema: object, *, include_raw: bool = False, **kwargs: Any) -> TypedRLM[Any]: ...

    @gives_runnable
    def with_structured_output(self, schema: Any, *, include_raw: bool = False, **kwargs: Any) -> TypedRLM[Any]:
        """A runnable whose output is a validated value; its own `with_sources` gives documents beside it.

        Args:
            schema: A pydantic model, a dataclass, a TypedDict, `list[str]` and so on, or a JSON schema, whose values
                are dicts. It is checked as draft 2020-12, or as its `$schema` says.
            include_raw: The output is `{"raw": AIMessage, "parsed": ..., "parsing_error": None}`, as chat models give
                it: a run that ends at a limit without an answer that fits gives its draft as "raw", None as "parsed"
                and the LimitReachedError as "parsing_error". Without, it raises that.
            **kwargs: `method` and `strict` are allowed, and make no difference: answers are always validated.

        Raises:
            InvalidArgumentError: The schema is none, or there is another keyword.
        """
        refuse_unknown(kwargs)
        structured = StructuredOutput.of(schema)
        # refuses a type that cannot be one, now
        self._engine(RunCallbacks({}, sync=True), self.limits, structured.answer_type, sync=True)
        from rlm_integrations.langchain.chained_outputs import TypedRLM

        return TypedRLM(self, structured, include_raw)

    @gives_runnable
    def with_sources(self) -> RLMWithSources:
        """A runnable that gives the user's own documents beside the answer.

        Returns:
            A runnable whose output is `{"answer": str, "context": [...], "message": AIMessage}`. `context` holds the
            Documents that the answer rests on: cited ones first, then those that went to sub-calls, then those that
            the root LM printed. Its `with_structured_output` makes the answer a validated value.
        """
        from rlm_integrations.langchain.chained_outputs import RLMWithSources

        return RLMWithSources.of(self, SourcesOutput())

    def _read(self, value: object, keywords: Mapping[str, Any]) -> tuple[Output, RunInput]:
        output = read_output(keywords)
        return output, read_run_input(output.read(value), self.context.read())

    async def _aread(self, value: object, keywords: Mapping[str, Any]) -> tuple[Output, RunInput]:
        await self.context.aread()
        if isinstance(value, (str, Sequence, PromptValue)) and not holds_blocks(cast(object, value)):
            return self._read(cast(object, value), keywords)
        # It may bring a context: a loader or a folder may block for long; many documents, and pictures, take a while.
        return await run_in_executor(None, self._read, cast(object, value), keywords)

    def _recorded(self, given: RunInput, config: RunnableConfig | None) -> tuple[RLMInput, RunnableConfig | None]:
        """The input as tracers are to see it, and the config with listeners that hear it whole."""
        view = given.view(self.limits.message_chars)
        return view, hearing_whole(config, view, given.whole())

    def _run(self, given: RunInput, output: Output, run_id: UUID, config: RunnableConfig, kept: KeptResult) -> EndedRun:
        session = self._session(given, config)
        context: RunContext = session.context
        check_within_graph((*self.tools, *self.sub_tools))
        config = in_callers_thread(config)
        callbacks = self._callbacks(config, output, sync=True)
        engine = self._engine(callbacks, self._limits(config), output.answer_type, sync=True)
        ask = partial(engine.ask_in, run_id=self._run_id(config))
        try:
            with kept.run(), set_config_context(config) as within:
                kept.result = result = within.run(ask, session.memory, given.question, context.corpus)
        except LimitReachedError as error:
            return self._unfit(error, context, output, run_id)
        return self._ended(result, context, output, run_id)

    async def _arun(
        self,
        given: RunInput,
        output: Output,
        made: Callable[[EndedRun], T],
        run_id: UUID,
        config: RunnableConfig,
        kept: KeptResult,
    ) -> T:
        """What is made of the run, in one thread: each that is started takes 50 µs."""
        waits = session_id(config, self.session_by) is not None  # for others, and compares documents
        session = await in_thread(self._session, given, config) if waits else self._session(given, config)
        context: RunContext = session.context
        check_within_graph((*self.tools, *self.sub_tools))
        callbacks = self._callbacks(config, output, sync=False)
        engine = self._engine(callbacks, self._limits(config), output.answer_type, sync=False)
        try:
            name = self._run_id(config)
            with kept.run():
                kept.result = await engine.aask_in(session.memory, given.question, context.corpus, run_id=name)
            end = partial(self._ended, kept.result)
        except LimitReachedError as error:
            end = partial(self._unfit, error)
        return await in_thread(lambda: made(end(context, output, run_id)))  # what it cited and recorded may be large

    def _session(self, given: RunInput, config: RunnableConfig) -> Session:
        sessions = self.context.read().sessions
        named = session_id(config, self.session_by)
        if named is not None and self.journal is not None:
            raise InvalidArgumentError(
                f'journal: it keeps single calls, and config["configurable"][{self.session_by!r}] makes this one part '
                "of a session; pass session_by=None, or leave the journal out"
            )
        return sessions.of(named, given.context, RunContext, self.limits.max_sessions)

    def _run_id(self, config: RunnableConfig) -> str | None:
        return run_name(config, journal=self.journal is not None)

    def _callbacks(self, config: RunnableConfig, output: Output, *, sync: bool) -> RunCallbacks:
        return RunCallbacks(config, self.on_event, output.progress_writer(), sync=sync)

    def _ended(self, result: RLMResult[Any], context: RunContext, output: Output, run_id: UUID) -> EndedRun:
        message = to_message(result, run_id, self.trace, typed=output.answer_type is not None)
        return EndedRun(result, message, context)

    def _unfit(self, error: LimitReachedError, context: RunContext, output: Output, run_id: UUID) -> EndedRun:
        """The run with its draft, where that will do. Else raises the error."""
        draft = error.result
        # A model that failed in the last call, or a result that `on_limit` raised, is no misfit.
        if draft is None or draft.trace.error is None or error.__cause__ is not None:
            raise error
        output.let_pass(error)
        return EndedRun(draft, to_message(draft, run_id, self.trace, typed=False), context, error)

    def _engine(self, callbacks: RunCallbacks, limits: RLMLimits, answer_type: Any, *, sync: bool) -> RLMEngine[Any]:
        return RLMEngine(
            LangChainModel(self.llm, "root"),
            sub_llm=LangChainModel(self.sub_llm or self.llm, "sub"),
            limits=limits,
            prices=self.prices,
            sandbox=self.sandbox,
            tools=cast(Sequence[Callable[..., Any]], as_functions(self.tools, sync=sync)),
            sub_tools=as_sub_tools(self.sub_tools, sync=sync),
            protocol=self.protocol,
            route=self.route,
            answer_type=answer_type,
            system_prompt=self.system_prompt,
            instructions=self.instructions,
            on_event=callbacks.handle,
            on_limit=self.on_limit,
            verify=self.verify,
            around_step=callbacks.around_step,
            around_child=callbacks.around_child,
            around_sub_call=callbacks.around_sub_call,
            ends_run=ends_run,
            journal=self.journal,
        )

    def _limits(self, config: RunnableConfig) -> RLMLimits:
        at_once = config.get("max_concurrency")
        if not at_once or at_once >= self.limits.max_concurrency:
            return self.limits
        return self.limits.model_copy(update={"max_concurrency": at_once})
