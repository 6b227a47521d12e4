"""`index.as_query_engine(engine="rlm")`, and that nothing else changes."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import subprocess
import sys
import threading

import pytest
from llama_index.core import ComposableGraph, Settings, SummaryIndex, VectorStoreIndex, indices
from llama_index.core.data_structs.data_structs import IndexDict
from llama_index.core.indices import EmptyIndex, MultiModalVectorStoreIndex
from llama_index.core.indices.base import BaseIndex
from llama_index.core.indices.managed.base import BaseManagedIndex
from llama_index.core.llms import MockLLM
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.schema import ImageNode, TextNode

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.llama_index import RLMQueryEngine, install, is_installed, uninstall


def test_every_kind_of_index_gives_an_rlm_engine(index_kind, build_index, documents):
    assert isinstance(build_index(index_kind, documents).as_query_engine(engine="rlm"), RLMQueryEngine)


def test_every_index_class_of_the_core_is_hooked_once():
    for module in pkgutil.walk_packages(indices.__path__, "llama_index.core.indices."):
        importlib.import_module(module.name)
    classes, found = [BaseIndex, ComposableGraph], set()
    while classes:
        cls = classes.pop()
        classes += type.__subclasses__(cls)
        if "as_query_engine" in vars(cls) and cls.__module__.startswith("llama_index.core."):
            found.add(cls.__name__)
            assert hasattr(cls.as_query_engine, "__rlm_hook__"), cls
            assert not hasattr(cls.as_query_engine.__wrapped__, "__rlm_hook__"), cls
    assert found == {
        "BaseIndex",
        "ComposableGraph",
        "EmptyIndex",
        "MultiModalVectorStoreIndex",
        "SQLStructStoreIndex",
    }


def test_a_multi_modal_index_gives_its_texts_captions_and_pictures():
    try:
        from llama_index.core.embeddings import MockMultiModalEmbedding
    except ImportError:
        pytest.skip("this LlamaIndex has no such double yet")
    captioned = ImageNode(id_="cat", image=PIXEL, text="A cat on a sofa.")
    embedding = MockMultiModalEmbedding(embed_dim=4)
    nodes = [TextNode(text="Of pets."), captioned, ImageNode(id_="mute", image=PIXEL)]
    index = MultiModalVectorStoreIndex(nodes, image_embed_model=embedding)
    engine = index.as_query_engine(engine="rlm")
    found = [(document.text, len(document.images)) for document in engine._context.core_context.documents]
    assert found == [("Of pets.", 0), ("A cat on a sofa.", 1)]  # LlamaIndex drops the one without text


AGAIN = "How many documents are there, again?"
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


class HostedIndex(BaseManagedIndex):
    """An index whose documents are elsewhere, with a query engine of its own: as LlamaCloud's."""

    def as_retriever(self, **kwargs):
        return SummaryIndex([TextNode(text="Kept elsewhere.")]).as_retriever()

    def as_query_engine(self, **kwargs):
        return "hosted"

    def _insert(self, nodes, **kwargs): ...

    def delete_ref_doc(self, ref_doc_id, delete_from_docstore=False, **kwargs): ...

    def update_ref_doc(self, document, **kwargs): ...


def test_a_managed_index_answers_from_its_retriever(scripted):
    index = HostedIndex(index_struct=IndexDict())
    assert index.as_query_engine() == "hosted"
    with pytest.raises(InvalidArgumentError, match=r'this HostedIndex: it holds no nodes;.*corpus="retriever"'):
        index.as_query_engine(engine="rlm")
    code = "```repl\nanswer['content'] = context[0]['text']\nanswer['ready'] = True\n```"
    engine = index.as_query_engine(engine="rlm", corpus="retriever", llm=scripted([code]))
    assert engine.query("What is there?").response == "Kept elsewhere."


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
    ("name", "hint"),
    [
        ("rml", "did you mean 'rlm'"),
        ("RLM", "did you mean 'rlm'"),
        ("graph", "'rlm'"),
        (5, "engine=5 is unknown.* is 'rlm'"),
        (RLMQueryEngine, "engine=<class .* is unknown"),
    ],
)
def test_an_unknown_engine_warns(documents, name, hint):
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


def test_a_misspelt_engine_name_warns_in_a_chat_too(documents):
    index = SummaryIndex.from_documents(documents)
    memory = ChatMemoryBuffer.from_defaults()
    with pytest.warns(UserWarning, match="engine='rml' is unknown.*did you mean 'rlm'") as caught:
        index.as_chat_engine(chat_mode="condense_question", engine="rml", memory=memory)
    assert [warning.filename for warning in caught] == [__file__]


def test_a_chat_keeps_its_history_and_asks_the_engine(documents, scripted):
    Settings.llm = scripted([])
    code = "```repl\nanswer['content'] = len(context)\nanswer['ready'] = True\n```"
    index = VectorStoreIndex.from_documents(documents)
    llm = scripted(always=lambda messages: AGAIN if "Chat History" in messages[-1].content else code)
    memory = ChatMemoryBuffer.from_defaults()
    with pytest.warns(UserWarning, match="does not use memory"):
        chat = index.as_chat_engine(chat_mode="condense_question", engine="rlm", llm=llm, memory=memory)
    assert [chat.chat("How many documents are there?").response for _ in range(2)] == ["5", "5"]
    assert [message.content for message in chat.chat_history[1::2]] == ["5", "5"]
    assert AGAIN in llm.requests[-1][-1].content
    assert not Settings.llm.requests


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
def test_importing_installs_unless_the_environment_says_no(value, installed, run_program):
    """In a process that has imported LlamaIndex, and nothing of ours for it."""
    code = f"""
import os, sys
assert "llama_index.core" in sys.modules and "rlm_integrations.llama_index" not in sys.modules
os.environ["RLM_INTEGRATIONS_NO_INSTALL"] = {value!r}
from rlm_integrations.llama_index import is_installed
print(is_installed())
"""
    done = run_program(code, everything=True, warnings=None)
    assert (done.stdout.strip(), done.stderr) == (str(installed), "")


def test_without_llama_index_the_error_names_the_extra():
    code = "import sys; sys.modules['llama_index.core'] = None\nimport rlm_integrations.llama_index"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    remedy = 'rlm_integrations.llama_index needs llama-index-core; run: pip install "rlm-integrations[llama-index]"'
    assert f"MissingExtraError: {remedy}" in done.stderr
