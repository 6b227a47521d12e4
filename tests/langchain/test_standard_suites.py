"""langchain-tests, the suites that LangChain has for integrations, on ChatRLM and on the tool of an RLMRunnable."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.tools import BaseTool
from langchain_tests.integration_tests import ChatModelIntegrationTests, ToolsIntegrationTests, chat_models
from langchain_tests.unit_tests import ChatModelUnitTests, ToolsUnitTests

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.language_model import Message
from rlm_integrations.core.usage import Usage
from rlm_integrations.langchain import ChatRLM, RLMRunnable
from rlm_integrations.testing.langchain import ScriptedChatModel

pytestmark = pytest.mark.filterwarnings("ignore::langchain_core._api.beta_decorator.LangChainBetaWarning")


def _reply(messages: Sequence[Message]) -> str:
    """A root LM that answers in a step, with a sub-call; where the answer has a schema, with its two properties."""
    prompt = "\n".join(message.content for message in messages)
    names = re.findall(r'"(setup|punchline)":', prompt)
    value = repr(dict.fromkeys(names, "a cat")) if names else "llm_query('Hello') + ', hello'"
    return f"```repl\nanswer['content'] = {value}\nanswer['ready'] = True\n```"


class _Suite:
    chat_model_class = ChatRLM
    standard_chat_model_params: dict[str, Any] = {}  # noqa: RUF012 - temperature and its like are set on `llm`
    has_tool_calling = False  # bind_tools is refused: tools are the constructor's
    has_structured_output = True
    supports_model_override = False  # the models are objects of the user's

    @property
    def chat_model_params(self) -> dict[str, Any]:
        usage = Usage(input_tokens=10, output_tokens=5)
        sub = ScriptedChatModel(always=lambda messages: "Hi", usage=usage)
        return {"llm": ScriptedChatModel(always=_reply, usage=usage), "sub_llm": sub, "context": "x" * 9_000}


class TestChatRLMUnit(_Suite, ChatModelUnitTests):
    @pytest.mark.xfail(
        reason="It passes max_tokens=10 to the constructor, which is for the root LM", raises=InvalidArgumentError
    )
    def test_standard_params(self, model: BaseChatModel) -> None:
        super().test_standard_params(model)


class TestChatRLMIntegration(_Suite, ChatModelIntegrationTests):
    @pytest.fixture
    def vcr(self) -> None:
        """A cassette: pytest-recording's, for the one test that is skipped without one."""

    @pytest.fixture(autouse=True)
    def count_outer_calls(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The suite counts the model calls that a handler is told of, and the inner ones are told of too."""

        class OuterCalls(chat_models._TestCallbackHandler):
            def on_chat_model_start(self, *args: Any, tags: list[str] | None = None, **kwargs: Any) -> None:
                if "rlm:root" not in (tags or ()) and "rlm:sub" not in (tags or ()):
                    super().on_chat_model_start(*args, **kwargs)

        monkeypatch.setattr(chat_models, "_TestCallbackHandler", OuterCalls)


class _ToolSuite:
    tool_invoke_params_example = {"question": "Who?"}  # noqa: RUF012

    @property
    def tool_constructor(self) -> BaseTool:
        return RLMRunnable(llm=ScriptedChatModel(always=_reply), context="x" * 9_000).as_tool()


class TestToolUnit(_ToolSuite, ToolsUnitTests):
    pass


class TestToolIntegration(_ToolSuite, ToolsIntegrationTests):
    pass
