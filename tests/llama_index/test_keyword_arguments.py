from __future__ import annotations

import inspect

import pandas
import pytest
from llama_index.core import (
    DocumentSummaryIndex,
    KnowledgeGraphIndex,
    PropertyGraphIndex,
    SimpleKeywordTableIndex,
    SummaryIndex,
    TreeIndex,
    VectorStoreIndex,
)
from llama_index.core.chat_engine import CondensePlusContextChatEngine, CondenseQuestionChatEngine, ContextChatEngine
from llama_index.core.indices import MultiModalVectorStoreIndex
from llama_index.core.indices.document_summary.retrievers import DocumentSummaryIndexLLMRetriever
from llama_index.core.indices.vector_store.retrievers import VectorIndexRetriever
from llama_index.core.prompts import PromptTemplate
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.response_synthesizers import get_response_synthesizer

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.llama_index import RLMQueryEngine
from rlm_integrations.llama_index.arguments import QueryEngineOptions
from rlm_integrations.llama_index.keyword_arguments import IGNORED, REFUSED, read_keyword_arguments

ANY_TEMPLATE = PromptTemplate("{context_str}")


def test_rag_arguments_are_ignored_with_one_warning_that_names_them(documents):
    index = VectorStoreIndex.from_documents(documents)
    with pytest.warns(UserWarning, match="similarity_top_k, response_mode") as caught:
        engine = index.as_query_engine(engine="rlm", similarity_top_k=5, response_mode="refine")
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert isinstance(engine, RLMQueryEngine)


def test_chat_arguments_are_ignored_with_a_warning(documents):
    index = SummaryIndex.from_documents(documents)
    with pytest.warns(UserWarning, match="chat_history"):
        index.as_query_engine(engine="rlm", chat_history=[])


@pytest.mark.parametrize(
    "function",
    [
        *(
            cls.as_retriever
            for cls in (VectorStoreIndex, SummaryIndex, TreeIndex, PropertyGraphIndex, KnowledgeGraphIndex)
        ),
        *(cls.as_retriever for cls in (DocumentSummaryIndex, SimpleKeywordTableIndex, MultiModalVectorStoreIndex)),
        *(retriever.__init__ for retriever in (VectorIndexRetriever, DocumentSummaryIndexLLMRetriever)),
        RetrieverQueryEngine.from_args,
        get_response_synthesizer,
        CondenseQuestionChatEngine.from_defaults,
        CondensePlusContextChatEngine.from_defaults,
        ContextChatEngine.from_defaults,
    ],
    ids=lambda function: function.__qualname__,
)
def test_every_argument_of_llama_indexs_own_engines_is_known(function):
    parameters = inspect.signature(function).parameters.values()
    names = {each.name for each in parameters if each.kind not in (each.VAR_KEYWORD, each.VAR_POSITIONAL)}
    names -= {"self", "index", "retriever", "query_engine"}  # what the engine is made of, not how
    kept, ignored = read_keyword_arguments(dict.fromkeys(names), QueryEngineOptions.__annotations__)
    assert names - set(kept) - set(ignored) <= set(REFUSED)


@pytest.mark.parametrize(
    ("wrong", "close"),
    [
        ("corpsu", "corpus"),
        ("retreiver", "retriever"),
        ("limit", "limits"),
        ("top_k_similarity", "similarity_top_k"),
        ("sub_lm", "sub_llm"),
    ],
)
def test_an_unknown_argument_is_a_type_error_with_the_close_name(documents, wrong, close):
    index = SummaryIndex.from_documents(documents)
    with pytest.raises(TypeError, match=f"no argument '{wrong}'; did you mean '{close}'"):
        index.as_query_engine(engine="rlm", **{wrong: 1})


@pytest.mark.parametrize(
    ("wrong", "value", "hint"),
    [
        ("max_iterations", 3, 'pass it in limits: limits={"max_iterations": 3}'),
        ("max_depth", 0, 'pass it in limits: limits={"max_depth": 0}'),
        ("depth", 0, 'pass it in limits: limits={"max_depth": 0}'),
        ("max_sub_calls", 7, 'pass it in limits: limits={"max_sub_calls": 7}'),
        ("timeout", 60, 'pass it in limits: limits={"timeout_s": 60}'),
        ("model", "m", "did you mean 'llm'?"),
        ("sub_model", "m", "did you mean 'sub_llm'?"),
        ("answer_type", str, "did you mean 'output_cls'?"),
        ("top_k", 5, "did you mean 'similarity_top_k'?"),
    ],
)
@pytest.mark.parametrize(
    "build",
    [
        lambda documents, **options: SummaryIndex.from_documents(documents).as_query_engine(engine="rlm", **options),
        lambda documents, **options: RLMQueryEngine.from_index(SummaryIndex.from_documents(documents), **options),
        RLMQueryEngine.from_documents,
    ],
)
def test_the_error_says_where_what_was_meant_goes(documents, build, wrong, value, hint):
    with pytest.raises(TypeError) as caught:
        build(documents, **{wrong: value})
    assert str(caught.value) == f"the RLM query engine has no argument {wrong!r}; {hint}"


def test_an_index_is_not_given_another(documents):
    index = SummaryIndex.from_documents(documents)
    with pytest.raises(TypeError, match="takes no index: it reads the one it is called on"):
        index.as_query_engine(engine="rlm", index=index)


@pytest.mark.parametrize(
    ("wrong", "value", "given"),
    [
        ("instructions", ["a"], "list"),
        ("system_prompt", 3, "int"),
        ("on_event", 3, "int"),
        ("callback_manager", 3, "int"),
        ("limits", 3, "int"),
        ("tools", 3, "int"),
        ("sub_tools", 3, "int"),
    ],
)
def test_a_value_of_another_type_is_refused_by_name(documents, wrong, value, given):
    with pytest.raises(InvalidArgumentError, match=rf"^{wrong}: {given} given; pass "):
        RLMQueryEngine.from_documents(documents, **{wrong: value})


def test_a_template_that_is_dropped_is_one_for_instructions(documents):
    index = SummaryIndex.from_documents(documents)
    template = PromptTemplate("Answer in German. {context_str} {query_str}")
    with pytest.warns(UserWarning, match="what text_qa_template said of the answer goes into instructions="):
        index.as_query_engine(engine="rlm", text_qa_template=template, similarity_top_k=3)


def test_who_asks_for_more_words_is_told_what_has_them(documents):
    index = SummaryIndex.from_documents(documents)
    with pytest.warns(UserWarning, match=r"to see a run go on: on_event=ConsoleProgress\(\) of"):
        index.as_query_engine(engine="rlm", verbose=True)


@pytest.mark.parametrize("wrong", ["corpus", "trace", "sandbox", "route", "protocol", "on_limit"])
@pytest.mark.parametrize("value", [["a document\n" * 1_000] * 100, pandas.DataFrame({"text": ["a", "b"]})], ids=type)
def test_what_is_no_choice_at_all_is_refused_in_a_line(documents, wrong, value):
    index = SummaryIndex.from_documents(documents)
    with pytest.raises(InvalidArgumentError, match=f"^{wrong}: ") as caught:
        index.as_query_engine(engine="rlm", **{wrong: value})
    assert len(str(caught.value)) < 300


def test_prompts_that_there_are_not_are_refused_with_those_that_there_are(documents):
    engine = RLMQueryEngine.from_documents(documents)
    before = engine.get_prompts()
    with pytest.raises(
        InvalidArgumentError, match=r"no response_synthesizer:text_qa_template; .*instructions"
    ) as caught:
        engine.update_prompts(
            {"instructions": PromptTemplate("a"), "response_synthesizer:text_qa_template": ANY_TEMPLATE}
        )
    assert all(name in str(caught.value) for name in before)
    assert engine.get_prompts() == before


def test_an_argument_that_resembles_none_gets_the_list():
    with pytest.raises(TypeError, match="those it takes are limits, llm"):
        read_keyword_arguments({"zzzz": 1}, ["llm", "limits"])


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_may_keep_tenants_apart_is_never_passed_over(documents, name):
    index = VectorStoreIndex.from_documents(documents)
    with pytest.raises(InvalidArgumentError, match=f"{name}: cannot be honoured.*retriever="):
        index.as_query_engine(engine="rlm", **{name: {"namespace": "ann"}})
    assert read_keyword_arguments({name: None}, []) == ({}, ())


def test_postprocessors_over_a_whole_corpus_are_refused(documents):
    from llama_index.core.postprocessor import SimilarityPostprocessor

    index = VectorStoreIndex.from_documents(documents)
    with pytest.raises(InvalidArgumentError, match="node_postprocessors: work on the hits of a retriever"):
        index.as_query_engine(engine="rlm", node_postprocessors=[SimilarityPostprocessor(similarity_cutoff=0.5)])
    index.as_query_engine(engine="rlm", node_postprocessors=[])


def test_no_name_is_both_ignored_and_honoured():
    assert not set(QueryEngineOptions.__annotations__) & (IGNORED | set(REFUSED))
    assert not IGNORED & set(REFUSED)
