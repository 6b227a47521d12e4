"""What the constructor and a call take, and what they refuse."""

from __future__ import annotations

import subprocess
import sys

import pytest

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.limits import RLMLimits
from rlm_integrations.core.trace.run_errors import LimitReachedError
from rlm_integrations.langchain import RLMRunnable


def test_a_misspelt_argument_names_the_close_one(root_model):
    with pytest.raises(InvalidArgumentError, match="sub_lm: unknown argument; did you mean 'sub_llm'"):
        RLMRunnable(llm=root_model("say:x"), sub_lm=root_model("say:y"))


def test_no_model_names_llm():
    with pytest.raises(InvalidArgumentError, match="llm: no model given"):
        RLMRunnable(context="x")
    with pytest.raises(InvalidArgumentError, match="llm: NoneType is not a LangChain model"):
        RLMRunnable(llm=None)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"limits": {"max_iteration": 3}}, "did you mean 'max_iterations'"),
        ({"limits": 3}, "limits: int given"),
        ({"trace": "all"}, "trace='all': input should be"),
        ({"on_limit": "stop"}, "on_limit='stop': input should be"),
        ({"context": []}, "context: is empty"),
        ({"tools": ["search"]}, "tools: item 0 is str"),
        ({"sandbox": "dockr"}, "sandbox: "),
        ({"sub_llm": 5}, "sub_llm: int is not a LangChain model"),
    ],
)
def test_a_wrong_argument_is_told_of_by_the_constructor(root_model, arguments, says):
    with pytest.raises(InvalidArgumentError) as caught:
        RLMRunnable(llm=root_model("say:x"), **arguments)
    assert says in str(caught.value)


def test_a_keyword_meant_for_the_model_is_refused_and_not_lost(root_model):
    with pytest.raises(InvalidArgumentError, match=r"llm\.bind\(stop="):
        RLMRunnable(llm=root_model("say:x")).invoke("q", stop=["\n"])


def test_limits_may_be_a_dict(root_model):
    assert RLMRunnable(llm=root_model("say:x"), limits={"max_iterations": 3}).limits == RLMLimits(max_iterations=3)


def test_a_limit_ends_the_run_with_its_best_answer_or_raises_with_it(root_model):
    def runnable(**options: str) -> RLMRunnable:
        llm = root_model("answer['content'] = 'so far'", "say:the best I have")
        return RLMRunnable(llm=llm, context="x" * 9_000, limits={"max_iterations": 1}, **options)

    message = runnable().invoke("Where?")
    assert (message.content, message.response_metadata["rlm"]["stop_reason"]) == ("the best I have", "max_iterations")
    with pytest.raises(LimitReachedError) as caught:
        runnable(on_limit="raise").invoke("Where?")
    assert caught.value.result is not None
    assert (caught.value.result.text, caught.value.result.stop_reason) == ("the best I have", "max_iterations")


def test_without_langchain_core_the_extra_is_named():
    code = "import sys; sys.modules['langchain_core'] = None\nimport rlm_integrations.langchain"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert 'pip install "rlm-integrations[langchain]"' in ended.stderr.splitlines()[-1]
