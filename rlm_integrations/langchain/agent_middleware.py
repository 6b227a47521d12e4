"""RLMMiddleware: a corpus for an agent of `create_agent`, as a tool that reads all of it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from threading import Lock
from typing import TYPE_CHECKING, Any, NotRequired, cast

from langchain_core.language_models import LanguageModelLike
from langchain_core.messages import AIMessage, BaseMessage, SystemMessage
from langchain_core.runnables import RunnableLambda
from typing_extensions import Unpack

from rlm_integrations.core.errors import InvalidArgumentError, MissingExtraError
from rlm_integrations.core.prompts.texts import fill
from rlm_integrations.core.run.arguments import check_texts
from rlm_integrations.langchain.arguments import EngineOptions
from rlm_integrations.langchain.question_tool import QuestionTool, tool_name_of
from rlm_integrations.langchain.question_tool import tool_description as describe_tool
from rlm_integrations.langchain.runnable import RLMRunnable

try:
    from langchain.agents.middleware import AgentMiddleware, AgentState, ModelRequest, ModelResponse
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] != "langchain":
        raise
    raise MissingExtraError(
        "RLMMiddleware is for create_agent of the langchain package, which is missing or older than 1.0; run: "
        'pip install "langchain>=1"'
    ) from error

_OF_STATE = "the documents of this conversation"
_NO_DOCUMENTS = (
    "there are no documents to read: the state of this conversation has neither `context` nor `files`; answer without "
    "this tool, or ask for the documents"
)
_MOST_CALLS = 1_000
"""Tool calls whose model is remembered."""


class CorpusState(AgentState[Any]):
    """The state of an agent that brings its own documents."""

    context: NotRequired[Any]
    """What RLMRunnable takes as context."""


if TYPE_CHECKING:
    _Middleware = AgentMiddleware[Any, Any, Any]
else:
    _Middleware = AgentMiddleware  # it took two parameters before langchain 1.2


class RLMMiddleware(_Middleware):
    """Gives an agent a tool that answers questions over a corpus of any length.

        agent = create_agent("openai:gpt-5", middleware=[RLMMiddleware(documents)])

    The corpus is what is given here, or else what the agent's state brings: its `context`
    (`agent.invoke({"messages": [...], "context": documents})`), or the `files` that other middleware keeps there. Where
    the state brings none, the agent is not offered the tool.

    The tool is that of `RLMRunnable.as_tool`: `RLMTrace.of` finds the trace in its ToolMessage, `stream_mode="custom"`
    shows the progress, and an agent survives a run that fails.

    Args:
        context: What RLMRunnable takes as context: documents, texts, paths, a loader or a retriever. Read once, here.
        llm: The root LM. None: the agent's own model, as it was when it called the tool.
        tool_name: What the agent calls the tool; without one, it is made of the option `name`: "ask_letters" of
            "letters", "ask_corpus" without that. Several corpora of one agent need several names.
        tool_description: What the agent is told of the tool; without one, it tells of the context.
        agent_prompt: Added to the agent's system prompt; without one, a few lines on when to call the tool. "": none.
        **options: The other arguments of RLMRunnable: `sub_llm`, `limits`, `tools` and so on. Its `system_prompt` and
            `instructions` are those of the root LM.

    Raises:
        InvalidArgumentError: An argument is wrong.
        MissingExtraError: A package is not installed that an argument needs.
        SandboxUnavailableError: Nothing here can confine the REPL.
    """

    def __init__(
        self,
        context: object = None,
        *,
        llm: LanguageModelLike | str | None = None,
        tool_name: str | None = None,
        tool_description: str | None = None,
        agent_prompt: str | None = None,
        **options: Unpack[EngineOptions],
    ) -> None:
        super().__init__()
        name = options.get("name")
        check_texts(tool_name=tool_name, tool_description=tool_description, agent_prompt=agent_prompt, name=name)
        tool_name = tool_name or tool_name_of(name)
        self._own_model = llm is None
        self._rlm = RLMRunnable(llm=RunnableLambda(_unknown_model) if llm is None else llm, context=context, **options)
        self._of_state = context is None
        if self._of_state:
            self.state_schema = CorpusState
        corpus = _OF_STATE if self._of_state else self._rlm.context.describe()
        self._tool = _tool(self._rlm, tool_name, tool_description or describe_tool(corpus))
        self.tools = [self._tool]
        prompt = fill("agent_tool", tool=tool_name, corpus=_OF_STATE if self._of_state else f"a corpus ({corpus})")
        self._prompt = prompt if agent_prompt is None else agent_prompt
        self._models: OrderedDict[str, LanguageModelLike] = OrderedDict()
        """By the id of the tool call that they made, the latest last."""
        self._lock = Lock()

    def __getstate__(self) -> dict[str, Any]:
        """Without the lock, and without the calls that are open here."""
        return {**self.__dict__, "_models": OrderedDict(), "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=Lock())

    @property
    def name(self) -> str:
        """One for each tool, since LangChain takes two of one name for the same twice."""
        return f"{type(self).__name__}({self._tool.name})"

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ModelResponse[Any]:
        """Tell the model of the tool, if there is a corpus."""
        reply = handler(self._offer(request))
        self._remember(request, reply)
        return reply

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]
    ) -> ModelResponse[Any]:
        """As `wrap_model_call`."""
        reply = await handler(self._offer(request))
        self._remember(request, reply)
        return reply

    def wrap_tool_call(self, request: Any, handler: Callable[[Any], Any]) -> Any:
        """Run the tool over the corpus, with the model."""
        return handler(self._equip(request))

    async def awrap_tool_call(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        """As `wrap_tool_call`."""
        return await handler(self._equip(request))

    def _offer(self, request: ModelRequest[Any]) -> ModelRequest[Any]:
        if self._of_state and _state_context(request.state) is None:
            return request.override(tools=[tool for tool in request.tools if tool is not self._tool])
        if not self._prompt:
            return request
        before = request.system_message.content_blocks if request.system_message is not None else []
        added = {"type": "text", "text": f"\n\n{self._prompt}" if before else self._prompt}
        return request.override(system_message=SystemMessage(content=cast(Any, [*before, added])))

    def _remember(self, request: ModelRequest[Any], reply: Any) -> None:
        """Which model made which call: middleware may choose another one for each."""
        messages: list[BaseMessage] = [reply] if isinstance(reply, BaseMessage) else getattr(reply, "result", [])
        ids = [
            call["id"]
            for message in messages
            if isinstance(message, AIMessage)
            for call in message.tool_calls
            if call["name"] == self._tool.name and call["id"] is not None
        ]
        with self._lock:
            for each in ids:
                self._models[each] = request.model
                self._models.move_to_end(each)
            while len(self._models) > _MOST_CALLS:
                self._models.popitem(last=False)

    def _equip(self, request: Any) -> Any:
        if request.tool_call["name"] != self._tool.name:
            return request
        brought = _state_context(request.state) if self._of_state else None
        if self._of_state and brought is None:  # called all the same, though it was not offered
            return request.override(tool=self._tool.model_copy(update={"refusal": _NO_DOCUMENTS}))
        rlm = self._rlm
        if self._own_model:
            rlm = rlm.model_copy(update={"llm": self._model(request.tool_call["id"])})
        tool = _tool(rlm, self._tool.name, self._tool.description)
        settings = {"handle_tool_error": self._tool.handle_tool_error, "brought": brought}
        return request.override(tool=tool.model_copy(update=settings))

    def _model(self, call_id: str | None) -> LanguageModelLike:
        """The one that made the call. Of one that another process made, the one that was last seen here."""
        with self._lock:
            latest = next(reversed(self._models.values()), None)
            model = self._models.get(call_id or "", latest)
        if model is None:
            raise InvalidArgumentError(
                "llm: the agent's model is not known, since it made this call in another process; pass "
                "RLMMiddleware(llm=...)"
            )
        return model


def _tool(rlm: RLMRunnable, name: str, description: str) -> QuestionTool:
    return cast(QuestionTool, rlm.as_tool(name=name, description=description))


def _unknown_model(_: object) -> Any:
    raise InvalidArgumentError("llm: none given, and no agent called the tool; pass RLMMiddleware(llm=...)")


def _state_context(state: Any) -> object | None:
    """What a state brings as context: its `context`, or its `files` as texts by name. None where there is nothing."""
    entries = cast("Mapping[str, Any]", state if isinstance(state, Mapping) else vars(state))
    context: object = entries.get("context")
    if context is not None and not (isinstance(context, (str, list, tuple, Mapping)) and not context):
        return cast(object, context)
    files = entries.get("files")
    if not isinstance(files, Mapping) or not files:
        return None
    return {name: _file_text(file) for name, file in cast("Mapping[str, Any]", files).items()}


def _file_text(file: Any) -> Any:
    """A file of a state: its text, or its lines or text under "content"."""
    content: Any = cast("Mapping[str, Any]", file).get("content") if isinstance(file, Mapping) else file
    return "\n".join(cast("list[str]", content)) if isinstance(content, list) else content
