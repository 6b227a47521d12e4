"""What wraps a model or the runnable: bind, retries, fallbacks, graphs."""

from __future__ import annotations

import pytest
from langchain_core.prompts import ChatPromptTemplate

from rlm_integrations.core.errors import RootModelError
from rlm_integrations.langchain import RLMRunnable
from rlm_integrations.testing.langchain import ScriptedChatModel


def test_models_with_bind_retry_and_fallbacks(root_model):
    class FlakyError(RuntimeError):
        pass

    flaky = ScriptedChatModel([FlakyError("first"), "retried"])
    retrying = flaky.with_retry(retry_if_exception_type=(FlakyError,), wait_exponential_jitter=False)
    assert RLMRunnable(llm=retrying).invoke("q").content == "retried"
    falling = ScriptedChatModel([FlakyError("down")]).with_fallbacks([root_model("say:fallback")])
    assert RLMRunnable(llm=falling).invoke("q").content == "fallback"
    assert RLMRunnable(llm=root_model("say:bound").bind(stop=["x"])).invoke("q").content == "bound"


def test_the_runnable_itself_falls_back(root_model):
    broken = RLMRunnable(llm=ScriptedChatModel([RuntimeError("down")]))
    with pytest.raises(RootModelError):
        broken.invoke("q")
    broken = RLMRunnable(llm=ScriptedChatModel([RuntimeError("down")]))
    assert broken.with_fallbacks([RLMRunnable(llm=root_model("say:up"))]).invoke("q").content == "up"


def test_graphs_and_schemas_can_be_had(root_model):
    chain = ChatPromptTemplate.from_template("{q}") | RLMRunnable(llm=root_model("say:x"))
    assert "RLMRunnable" in chain.get_graph().draw_mermaid()
    assert chain.last.get_output_schema().model_json_schema()
    assert chain.last.get_input_schema().model_json_schema()
