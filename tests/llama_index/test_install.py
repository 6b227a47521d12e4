"""`index.as_query_engine(engine="rlm")`, and that nothing else changes."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
import threading

import pytest
from llama_index.core import ComposableGraph, SummaryIndex, VectorStoreIndex
from llama_index.core.indices import EmptyIndex
from llama_index.core.indices.base import BaseIndex
from llama_index.core.llms import MockLLM
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.query_engine import RetrieverQueryEngine

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.llama_index import RLMQueryEngine, install, is_installed, uninstall


def test_every_kind_of_index_gives_an_rlm_engine(index_kind, build_index, documents):
    assert isinstance(build_index(index_kind, documents).as_query_engine(engine="rlm"), RLMQueryEngine)


def test_other_calls_are_untouched(documents):
    index = VectorStoreIndex.from_documents(documents)
    assert type(index.as_query_engine()) is RetrieverQueryEngine
    assert type(index.as_query_engine(similarity_top_k=3, response_mode="refine")) is RetrieverQueryEngine


def test_uninstall_restores_every_class_exactly():
    uninstall()
    classes = [BaseIndex, VectorStoreIndex, SummaryIndex, EmptyIndex, ComposableGraph]
    before = [dict(cls.__dict__) for cls in classes]
    assert not is_installed()
    install()
    install()
    assert is_installed()
    assert BaseIndex.as_query_engine is not before[0]["as_query_engine"]
    assert inspect.signature(BaseIndex.as_query_engine) == inspect.signature(before[0]["as_query_engine"])
    uninstall()
    uninstall()
    assert [dict(cls.__dict__) for cls in classes] == before


def test_uninstalled_the_argument_means_nothing_again(documents):
    uninstall()
    assert type(SummaryIndex.from_documents(documents).as_query_engine(engine="rlm")) is RetrieverQueryEngine


def test_classes_that_override_the_method_early_or_late(documents):
    uninstall()

    class Early(VectorStoreIndex):
        def as_query_engine(self, llm=None, **kwargs):
            return "early"

    install()

    class Late(VectorStoreIndex):
        def as_query_engine(self, llm=None, **kwargs):
            return "late"

    early, late = Early.from_documents(documents), Late.from_documents(documents)
    assert (early.as_query_engine(), late.as_query_engine()) == ("early", "late")
    assert isinstance(early.as_query_engine(engine="rlm"), RLMQueryEngine)
    assert isinstance(late.as_query_engine(engine="rlm"), RLMQueryEngine)
    uninstall()
    assert late.as_query_engine(engine="rlm") == "late"


def test_a_subclass_with_its_own_init_subclass_hook_keeps_it(documents):
    seen = []

    class Registered(SummaryIndex):
        def __init_subclass__(cls, **kwargs):
            seen.append(cls.__name__)
            super().__init_subclass__(**kwargs)

    class Child(Registered):
        def as_query_engine(self, **kwargs):
            return "child"

    assert seen == ["Child"]
    assert isinstance(Child.from_documents(documents).as_query_engine(engine="rlm"), RLMQueryEngine)


def test_somebody_elses_wrapper_on_top_survives(documents):
    ours = BaseIndex.as_query_engine
    calls = []

    def theirs(self, *args, **kwargs):
        calls.append(kwargs)
        return ours(self, *args, **kwargs)

    BaseIndex.as_query_engine = theirs
    try:
        index = SummaryIndex.from_documents(documents)
        assert isinstance(index.as_query_engine(engine="rlm"), RLMQueryEngine)
        uninstall()
        assert BaseIndex.as_query_engine is theirs
        assert type(index.as_query_engine(engine="rlm")) is RetrieverQueryEngine
        assert len(calls) == 2
    finally:
        BaseIndex.as_query_engine = ours
    uninstall()
    assert not hasattr(BaseIndex.as_query_engine, "__rlm_hook__")


@pytest.mark.parametrize(
    ("name", "hint"), [("rml", "did you mean 'rlm'"), ("RLM", "did you mean 'rlm'"), ("graph", "'rlm'")]
)
def test_a_misspelt_engine_name_warns(documents, name, hint):
    index = SummaryIndex.from_documents(documents)
    with pytest.warns(UserWarning, match=hint):
        assert type(index.as_query_engine(engine=name)) is RetrieverQueryEngine


def test_an_index_class_with_an_engine_argument_of_its_own_is_left_alone(documents):
    class Own(SummaryIndex):
        def as_query_engine(self, engine="fast", **kwargs):
            return engine

    index = Own.from_documents(documents)
    assert index.as_query_engine(engine="slow") == "slow"
    assert isinstance(index.as_query_engine(engine="rlm"), RLMQueryEngine)


def test_the_llm_may_be_positional(documents):
    llm = MockLLM(max_tokens=3)
    engine = SummaryIndex.from_documents(documents).as_query_engine(llm, engine="rlm")
    assert engine._llm.llm is llm
    with pytest.raises(TypeError, match="one positional argument"):
        SummaryIndex.from_documents(documents).as_query_engine(llm, engine="rlm", llm=llm)


def test_an_index_without_nodes_says_so():
    with pytest.raises(InvalidArgumentError, match=r"EmptyIndex.*documents= or nodes="):
        EmptyIndex().as_query_engine(engine="rlm")


def test_chat_modes_that_drop_the_engine_warn(documents):
    index = VectorStoreIndex.from_documents(documents)
    memory = ChatMemoryBuffer.from_defaults()
    ignored = pytest.warns(UserWarning, match="does not use memory")
    with ignored, pytest.warns(UserWarning, match="chat_mode='context' never calls the query engine") as caught:
        index.as_chat_engine(chat_mode="context", engine="rlm", memory=memory)
    assert {warning.filename for warning in caught} == {__file__}
    with pytest.warns(UserWarning, match="does not use memory") as caught:
        chat = index.as_chat_engine(chat_mode="condense_question", engine="rlm", memory=memory)
    assert len(caught) == 1
    assert isinstance(chat._query_engine, RLMQueryEngine)


def test_threads_may_query_while_others_install_and_uninstall(documents):
    index = SummaryIndex.from_documents(documents)
    problems: list[BaseException] = []
    stop = threading.Event()

    def use() -> None:
        while not stop.is_set():
            try:
                assert type(index.as_query_engine()) is RetrieverQueryEngine
                index.as_query_engine(engine="rlm")
            except BaseException as problem:
                problems.append(problem)

    users = [threading.Thread(target=use) for _ in range(3)]
    for user in users:
        user.start()
    for _ in range(50):
        install()
        uninstall()
    stop.set()
    for user in users:
        user.join()
    assert not problems


@pytest.mark.parametrize(("value", "installed"), [("", True), ("1", False)])
def test_importing_installs_unless_the_environment_says_no(value, installed):
    code = "from rlm_integrations.llama_index import is_installed; print(is_installed())"
    env = {**os.environ, "RLM_INTEGRATIONS_NO_INSTALL": value}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(installed)


def test_without_llama_index_the_error_names_the_extra():
    code = "import sys; sys.modules['llama_index.core'] = None\nimport rlm_integrations.llama_index"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    remedy = 'rlm_integrations.llama_index needs llama-index-core; run: pip install "rlm-integrations[llama-index]"'
    assert f"MissingExtraError: {remedy}" in done.stderr
