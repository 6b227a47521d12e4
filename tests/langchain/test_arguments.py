"""What the constructor and a call take, and what they refuse."""

from __future__ import annotations

from typing import Any

import pytest

import rlm_integrations
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.limits import RLMLimits
from rlm_integrations.core.trace.run_errors import LimitReachedError
from rlm_integrations.langchain import ChatRLM, RLMRunnable
from rlm_integrations.testing.langchain import ScriptedChatModel


def test_a_misspelt_argument_names_the_close_one(root_model):
    with pytest.raises(InvalidArgumentError, match="sub_lm: unknown argument; did you mean 'sub_llm'"):
        RLMRunnable(llm=root_model("say:x"), sub_lm=root_model("say:y"))


@pytest.mark.parametrize("kind", [RLMRunnable, ChatRLM])
@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"max_iterations": 5}, 'max_iterations: unknown argument; it is a limit: limits={"max_iterations": 5}'),
        ({"max_steps": 5}, 'max_steps: unknown argument; it is a limit: limits={"max_iterations": 5}'),
        ({"timeout": 30}, 'timeout: unknown argument; it is a limit: limits={"timeout_s": 30}'),
        ({"input_price": 9}, 'unknown argument; pass prices={"llm": {"input_price": ..., "output_price": ...}}'),
        ({"prices": {"gpt-5": {}}}, 'prices: unknown name \'gpt-5\'; prices are those of "llm" or "sub_llm"'),
        ({"max_token": 9}, "max_token: unknown argument; the arguments are"),
        ({"max_tokens": 9}, "max_tokens: unknown argument; a reply's are the model's"),
        ({"documents": ["a"]}, "documents: unknown argument; pass it as context: context=documents"),
        ({"docs": ["a"]}, "docs: unknown argument; pass it as context: context=docs"),
        ({"retriever": None}, "retriever: unknown argument; pass it as context: context=retriever"),
        ({"model": "gpt-5"}, "model: unknown argument; the root LM is llm=..."),
        ({"output_cls": int}, "for a typed answer: RLMRunnable(...).with_structured_output(...)"),
        (
            {"memory": 1},
            "memory: unknown argument; what was said before goes with each call, as chat_history, or stays",
        ),
        ({"session_id": "7"}, 'of RLMRunnable: rlm.invoke(question, {"configurable": {"session_id": ...}})'),
        ({"llm": "nobody-1"}, "llm: 'nobody-1' cannot be used: ValueError: Unable to infer model provider"),
        ({"sub_llm": "nobody-1"}, "; name its provider, as 'openai:gpt-5', or pass a model object"),
        ({"response_format": int}, "for a typed answer: RLMRunnable(...).with_structured_output(...)"),
        ({"limits": {"max_steps": 5}}, "limits: unknown name 'max_steps'; did you mean 'max_iterations'?"),
        ({"limits": {"timeout": 5}}, "limits: unknown name 'timeout'; did you mean 'timeout_s'?"),
        ({"limits": {"colour": 5}}, "limits: unknown name 'colour'; the limits are max_iterations"),
    ],
)
def test_a_guessed_argument_is_told_what_to_write(kind, given, says, root_model):
    with pytest.raises(InvalidArgumentError) as caught:
        kind(**{"llm": root_model("say:x"), **given})
    assert says in str(caught.value)


def test_verbose_is_an_argument_of_chat_models_alone(root_model):
    assert ChatRLM(llm=root_model("say:x"), verbose=True).verbose
    with pytest.raises(InvalidArgumentError, match="verbose: unknown argument; to see a run go on: on_event=Console"):
        RLMRunnable(llm=root_model("say:x"), verbose=True)


@pytest.mark.parametrize("kind", [RLMRunnable, ChatRLM])
def test_arguments_without_a_name_are_told_theirs(kind, root_model):
    says = rf"llm: arguments have names, and RootModel was given without one; pass {kind.__name__}\(llm=\.\.\.\)"
    with pytest.raises(InvalidArgumentError, match=says):
        kind(root_model("say:x"), ["a text"])


def test_a_face_that_is_looked_for_at_the_top_is_told_where_it_is():
    for name in ("RLMRunnable", "ChatRLM"):
        with pytest.raises(AttributeError, match=f"from rlm_integrations.langchain import {name}"):
            getattr(rlm_integrations, name)


def test_no_model_names_llm():
    with pytest.raises(InvalidArgumentError, match="llm: no model given"):
        RLMRunnable(context="x")
    with pytest.raises(InvalidArgumentError, match="llm: NoneType is not a LangChain model"):
        RLMRunnable(llm=None)


WRONG: dict[str, list[tuple[Any, str]]] = {
    "llm": [(5, "llm: int is not a LangChain model; pass one"), (ScriptedChatModel, "llm: the class Scripted")],
    "sub_llm": [(5, "sub_llm: int is not a LangChain model; pass one")],
    "context": [
        (5, "context: int is not a corpus; pass"),
        (b"a text", "context: bytes is not a corpus; decode it"),
        ([], "context: is empty"),
    ],
    "limits": [
        (5, "limits: int given; pass RLMLimits"),
        ({"max_iteration": 3}, "did you mean 'max_iterations'"),
        ({"max_iterations": "many"}, "limits: max_iterations='many'"),
    ],
    "prices": [
        (5, "prices: int given; pass prices={"),
        ({"llm": {"input_price": "free", "output_price": 1}}, "prices: llm: input_price: 'free' is no price"),
    ],
    "sandbox": [(5, "sandbox: 5 is not one; pass"), (None, "sandbox: None"), ("dockr", "sandbox: ")],
    "sub_tools": [
        (5, "sub_tools: int given; pass a list"),
        ("search", "sub_tools: str given; pass a list"),
        ([5], "sub_tools: item 1 is int; pass functions"),
    ],
    "tools": [
        (5, "tools: int given; pass a list"),
        (None, "tools: NoneType given; pass a list"),
        ("search", "tools: str given; pass a list"),
        (["search"], "tools: item 1 is str; pass functions"),
        ({"search": print}, "tools: item 1 is str; pass functions"),
        (len, "tools: builtin_function_or_method given; pass a list"),
    ],
    "system_prompt": [(5, "system_prompt=5: pass a str"), (["Be brief."], "system_prompt=['Be brief.']: pass a str")],
    "instructions": [(5, "instructions=5: pass a str")],
    "trace": [(5, "trace=5: pass 'none', 'summary' or 'full'"), ("all", "trace='all': pass 'none'")],
    "on_event": [(5, "on_event: int given; pass a function"), ("print", "on_event: str given; pass a function")],
    "route": [("direct", "route='direct': pass 'rlm' or 'auto'")],
    "protocol": [(5, "protocol=5: pass 'fence' or 'tool'"), ("json", "protocol='json': pass 'fence' or 'tool'")],
    "on_limit": [(5, "on_limit=5: pass 'answer' or 'raise'"), ("stop", "on_limit='stop': pass 'answer'")],
    "verify": [
        (5, "verify: 5 is no function; pass a function"),
        ("upper", "verify: 'upper' is no function; pass a function"),
        (len, "verify: len does not take (answer, result); pass a function"),
    ],
    "journal": [(5, "journal: int given; pass the name of a file")],
    "session_by": [(5, "session_by=5: pass a str")],
    "name": [(5, "name=5: pass a str")],
    "stop": [(5, "stop=5: pass a list"), ("END", "stop='END': pass a list")],
    "streaming": [("often", "streaming='often': pass True or False")],
    "cache": [(5, "cache: the corpus is no part"), (True, "cache: the corpus is no part")],
    "callbacks": [(5, "callbacks=5: pass a list or an instance of BaseCallbackManager")],
    "tags": [(5, "tags=5: pass a list"), ([5], "tags=5: pass a str")],
    "metadata": [(5, "metadata=5: pass a dict")],
    "verbose": [("very", "verbose='very': pass True or False")],
    "output_version": [(5, "output_version=5: pass a str")],
    "disable_streaming": [("never", "disable_streaming='never': pass True or False or 'tool_calling'")],
    "rate_limiter": [(5, "rate_limiter=5: pass an instance of BaseRateLimiter")],
    "custom_get_token_ids": [(5, "custom_get_token_ids=5: pass a function")],
    "profile": [(5, "profile=5: pass a dict")],
}
TABLE = [
    (kind, name, value, says)
    for kind in (RLMRunnable, ChatRLM)
    for name, rows in WRONG.items()
    if name in kind.model_fields
    for value, says in rows
]


@pytest.mark.parametrize(("kind", "name", "value", "says"), TABLE, ids=lambda value: str(value)[:30])
def test_a_wrong_argument_is_named_by_the_constructor_with_what_to_pass(kind, name, value, says, root_model):
    with pytest.raises(InvalidArgumentError) as caught:
        kind(**{"llm": root_model("say:x"), name: value})
    assert says in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("kind", [RLMRunnable, ChatRLM])
def test_no_argument_is_left_out_of_that_table(kind):
    assert set(kind.model_fields) <= set(WRONG)


def test_every_wrong_argument_of_a_call_of_the_constructor_is_named(root_model):
    with pytest.raises(InvalidArgumentError) as caught:
        RLMRunnable(llm=root_model("say:x"), tools=5, trace="all", sub_lm=1)
    said = str(caught.value)
    assert [word in said for word in ("tools: int", "trace='all'", "sub_lm: unknown")] == [True] * 3


def test_a_keyword_meant_for_the_model_is_refused_and_not_lost(root_model):
    with pytest.raises(InvalidArgumentError, match=r"llm\.bind\(stop="):
        RLMRunnable(llm=root_model("say:x")).invoke("q", stop=["\n"])


def test_a_chain_that_binds_no_stop_sequences_to_it_is_let(root_model):
    assert RLMRunnable(llm=root_model("say:x")).bind(stop=None).invoke("q").content == "x"


@pytest.mark.parametrize(
    ("keywords", "says"),
    [
        ({"with_sources": True}, "with_sources: a call takes no such keyword; use RLMRunnable(...).with_sources()"),
        (
            {"context": ["a"]},
            'context: a call takes no such keyword; it goes into the input: {"question": ..., "context"',
        ),
        ({"tools": [len]}, "tools: a call takes no such keyword; it is the constructor's: RLMRunnable(tools=...)"),
        ({"callbacks": []}, 'it goes into the config: rlm.invoke(question, {"callbacks": ...})'),
        ({"session_id": "7"}, 'rlm.invoke(question, {"configurable": {"session_id": ...}})'),
        ({"max_iterations": 3}, 'RLMRunnable(limits={"max_iterations": ...})'),
        ({"answer_type": int}, "use RLMRunnable(...).with_structured_output(...)"),
        ({"output": "sources"}, "output: 'sources' is none; use a method of RLMRunnable: with_structured_output(...)"),
    ],
)
def test_a_keyword_that_means_a_method_names_it(root_model, keywords, says):
    with pytest.raises(InvalidArgumentError) as caught:
        RLMRunnable(llm=root_model("say:x")).invoke("q", **keywords)
    assert says in str(caught.value)


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


WITHOUT = {
    "langchain_core": "import rlm_integrations.langchain",
    "jsonschema": """
from rlm_integrations.langchain import RLMRunnable
from rlm_integrations.testing.langchain import ScriptedChatModel
RLMRunnable(llm=ScriptedChatModel([])).with_structured_output({"type": "object"})
""",
}


@pytest.mark.parametrize("missing", WITHOUT)
def test_without_a_package_of_the_extra_the_extra_is_named(missing, run_program_without):
    ended = run_program_without(missing, WITHOUT[missing])
    assert 'pip install "rlm-integrations[langchain]"' in ended.stderr.splitlines()[-1]
