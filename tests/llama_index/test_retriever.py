"""A retriever as the context: it starts the run, and the root can ask it for more."""

from __future__ import annotations

import threading

import pytest
from llama_index.core import Document, SummaryIndex, VectorStoreIndex
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.postprocessor import SimilarityPostprocessor
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import NodeWithScore, TextNode

from rlm_integrations.core.trace.run_errors import RunError
from rlm_integrations.llama_index import RLMQueryEngine

PETS = {
    "cats": TextNode(
        id_="cats",
        text="Cats sleep for sixteen hours a day.",
        metadata={"secret": 1, "page": 2},
        excluded_llm_metadata_keys=["secret"],
    ),
    "dogs": TextNode(id_="dogs", text="Dogs sleep for twelve hours a day."),
    "newts": TextNode(id_="newts", text="Nobody knows how long newts sleep."),
}


class PetRetriever(BaseRetriever):
    """Finds the animals that the query names. Only its sync method is written, as in most users' retrievers."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, str]] = []

    def _retrieve(self, query_bundle):
        self.asked.append((query_bundle.query_str, threading.current_thread().name))
        named = [node for key, node in PETS.items() if key in query_bundle.query_str]
        return [NodeWithScore(node=node, score=0.9 - 0.3 * place) for place, node in enumerate(named)]


MORE = """```repl
first = [d["id"] for d in context]
retrieve("dogs")
cite("twelve hours", "dogs")
answer["content"] = f"{first} {[d['id'] for d in context]}"
answer["ready"] = True
```"""


@pytest.mark.parametrize("path", ["sync", "async"])
async def test_hits_for_the_question_then_more(path, scripted):
    retriever = PetRetriever()
    engine = RLMQueryEngine.from_retriever(retriever, llm=scripted([MORE]))
    question = "How long do cats and newts sleep?"
    response = engine.query(question) if path == "sync" else await engine.aquery(question)
    assert response.response == "['cats', 'newts'] ['cats', 'newts', 'dogs']"
    assert [query for query, _ in retriever.asked] == [question, "dogs"]
    assert all(thread != threading.current_thread().name for _, thread in retriever.asked)
    assert [(source.node, source.score) for source in response.source_nodes] == [
        (PETS["dogs"], 0.9),
        (PETS["cats"], 0.9),
        (PETS["newts"], pytest.approx(0.6)),
    ]


async def test_an_async_method_that_calls_the_sync_one_is_kept_off_the_loop(scripted):
    class Postponed(PetRetriever):
        async def _aretrieve(self, query_bundle):
            return self._retrieve(query_bundle)

    retriever = Postponed()
    await RLMQueryEngine.from_retriever(retriever, llm=scripted([MORE])).aquery("cats")
    assert len(retriever.asked) == 2
    assert all(thread != threading.current_thread().name for _, thread in retriever.asked)


def test_a_retriever_that_fails_in_the_run_is_an_error_of_the_step_and_the_run_goes_on(scripted):
    class Failing(PetRetriever):
        def _retrieve(self, query_bundle):
            if query_bundle.query_str == "dogs":
                raise ConnectionError("the store is down")
            return super()._retrieve(query_bundle)

    after = "```repl\nanswer['content'] = first\nanswer['ready'] = True\n```"
    llm = scripted([MORE, after])
    response = RLMQueryEngine.from_retriever(Failing(), llm=llm).query("cats and newts")
    assert response.response == '["cats", "newts"]'
    assert "the store is down" in llm.requests[1][-1].content


def test_a_question_without_hits_begins_with_an_empty_context(scripted):
    response = RLMQueryEngine.from_retriever(PetRetriever(), llm=scripted([MORE])).query("Which pet sleeps most?")
    assert response.response == "[] ['dogs']"
    assert [source.node_id for source in response.source_nodes] == ["dogs"]


def test_one_run_does_not_see_what_another_found(scripted):
    engine = RLMQueryEngine.from_retriever(
        PetRetriever(), llm=scripted([MORE, MORE.replace("retrieve(", "print(").replace("cite(", "print(")])
    )
    engine.query("cats")
    assert [source.node_id for source in engine.query("newts").source_nodes] == ["newts"]


def test_postprocessors_are_applied_to_every_retrieval(scripted):
    cutoff = SimilarityPostprocessor(similarity_cutoff=0.8)
    engine = RLMQueryEngine.from_retriever(PetRetriever(), llm=scripted([MORE]), node_postprocessors=[cutoff])
    assert engine.query("cats and newts").response == "['cats'] ['cats', 'dogs']"


async def test_postprocessors_are_applied_on_the_async_path_too(scripted):
    cutoff = SimilarityPostprocessor(similarity_cutoff=0.8)
    engine = RLMQueryEngine.from_retriever(PetRetriever(), llm=scripted([MORE]), node_postprocessors=[cutoff])
    assert (await engine.aquery("cats and newts")).response == "['cats'] ['cats', 'dogs']"


def test_what_a_postprocessor_makes_of_a_node_for_another_query_is_read_and_cited_as_that(scripted):
    class OnlyRelevant(BaseNodePostprocessor):
        def _postprocess_nodes(self, nodes, query_bundle=None):
            assert query_bundle is not None
            return [
                NodeWithScore(node=TextNode(id_="lease", text=f"The {query_bundle.query_str} is in here."), score=0.5)
                for _ in nodes
            ]

    class Leases(BaseRetriever):
        def _retrieve(self, query_bundle):
            return [NodeWithScore(node=TextNode(id_="lease", text="The rent and the deposit are in here."), score=1.0)]

    code = """```repl
found = [d["text"] for d in retrieve("deposit") + retrieve("rent") + retrieve("deposit")]
cite("The deposit")
answer = {"content": str(found), "ready": True}
```"""
    engine = RLMQueryEngine.from_retriever(Leases(), llm=scripted([code]), node_postprocessors=[OnlyRelevant()])
    response = engine.query("rent")
    rent, deposit = "The rent is in here.", "The deposit is in here."
    assert response.response == str([deposit, rent, deposit])
    assert [(source.node_id, source.text) for source in response.source_nodes] == [
        ("lease#2", deposit),
        ("lease", rent),
    ]
    (citation,) = response.metadata["rlm"]["citations"]
    assert [place["node_id"] for place in citation["nodes"]] == ["lease#2"]


def test_metadata_kept_from_the_model(scripted):
    code = "```repl\nanswer['content'] = str(context[0]['metadata'])\nanswer['ready'] = True\n```"
    assert RLMQueryEngine.from_retriever(PetRetriever(), llm=scripted([code])).query("cats").response == "{'page': 2}"


async def test_an_index_retriever_on_both_paths(documents, scripted):
    code = "```repl\nanswer['content'] = len(context)\nanswer['ready'] = True\n```"
    retriever = VectorStoreIndex.from_documents(documents).as_retriever(similarity_top_k=3)
    engine = RLMQueryEngine.from_retriever(retriever, llm=scripted([code, code]))
    sync, asynchronous = engine.query("Alice?"), await engine.aquery("Alice?")
    assert (sync.response, asynchronous.response) == ("3", "3")
    assert len(sync.source_nodes) == 3
    assert all(source.score is not None for source in sync.source_nodes)


def test_a_retriever_that_fails_is_a_run_error(scripted):
    class Broken(PetRetriever):
        def _retrieve(self, query_bundle):
            raise ConnectionError("the store is down")

    with pytest.raises(RunError, match="the store is down"):
        RLMQueryEngine.from_retriever(Broken(), llm=scripted([])).query("cats")


def test_empty_and_repeated_hits_are_dropped(scripted):
    class Repeating(PetRetriever):
        def _retrieve(self, query_bundle):
            return [NodeWithScore(node=node) for node in (PETS["cats"], TextNode(text=""), PETS["cats"])]

    code = "```repl\nanswer['content'] = len(context)\nanswer['ready'] = True\n```"
    assert RLMQueryEngine.from_retriever(Repeating(), llm=scripted([code])).query("cats").response == "1"


def test_from_retriever_over_documents_of_a_summary_index(documents, scripted):
    retriever = SummaryIndex.from_documents([*documents, Document(text="last", doc_id="z")]).as_retriever()
    code = "```repl\nanswer['content'] = context[-1]['text']\nanswer['ready'] = True\n```"
    assert RLMQueryEngine.from_retriever(retriever, llm=scripted([code])).query("q?").response == "last"
