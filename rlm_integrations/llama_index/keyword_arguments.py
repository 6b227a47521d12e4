"""Which keyword arguments of LlamaIndex's query engines mean something to an RLM, and which do not. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from rlm_integrations.core.argument_hints import argument_hint
from rlm_integrations.core.errors import InvalidArgumentError

_RETRIEVAL = """
    similarity_top_k sparse_top_k hybrid_top_k alpha mmr_threshold embed_model vector_store_query_mode retriever_mode
    choice_batch_size choice_select_prompt format_node_batch_fn parse_choice_select_answer_fn child_branch_factor
    query_template query_template_multiple max_keywords_per_query num_chunks_per_query query_keyword_extract_template
    keyword_extract_template include_text include_summaries graph_store_query_depth use_global_node_triplets
    max_knowledge_sequence path_depth image_similarity_top_k object_map recursive custom_query_engines
    choice_top_k include_properties include_text_preamble max_keywords num_workers output_parsing_fn similarity_score
    synonym_prompt
"""
RETRIEVAL = frozenset(_RETRIEVAL.split())
"""Arguments of `as_retriever`. They mean nothing over a whole corpus, and all with corpus="retriever"."""
_SYNTHESIS = """
    response_mode response_synthesizer text_qa_template refine_template summary_template simple_template
    chat_content_qa_template chat_content_refine_template multimodal use_async verbose show_progress
    structured_answer_filtering prompt_helper program_factory chat_prompt_helper chat_summary_template
"""
_TEMPLATES = frozenset(name for name in _SYNTHESIS.split() if name.endswith("_template"))
"""They say how to answer, which `instructions` can say as well."""
# `as_chat_engine` hands its own arguments on to the query engine.
_CHAT = """
    chat_mode chat_history memory memory_cls prefix_messages condense_question_prompt condense_prompt skip_condense
    context_prompt context_template context_refine_template context_refine_prompt token_limit tool_retriever
    multi_modal_llm
"""
IGNORED = RETRIEVAL | frozenset(f"{_SYNTHESIS} {_CHAT}".split())
"""They change how a RAG pipeline retrieves and synthesizes, and never what may be seen."""

REFUSED = {
    "vector_store_kwargs": "they are the vector store's own and may hold a filter",
    "sub_retrievers": "they decide what may be seen",
}
"""They may keep tenants apart, so they must not be passed over."""


def read_keyword_arguments(
    given: Mapping[str, Any], honoured: Collection[str], read_before: Collection[str] = ()
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The arguments that are honoured, and the names of those that have no effect.

    Raises InvalidArgumentError for arguments that may narrow what is seen and cannot be honoured (unless they
    are None), and TypeError for unknown names, which may be misspelt ones of `read_before`.
    """
    kept: dict[str, Any] = {}
    ignored: list[str] = []
    for name, value in given.items():
        if name in honoured:
            kept[name] = value
        elif name in REFUSED:
            if value is not None:
                raise InvalidArgumentError(
                    f"{name}: cannot be honoured by an RLM over a whole index, and {REFUSED[name]}; "
                    f"pass retriever=index.as_retriever({name}=...) or the nodes themselves as nodes="
                )
        elif name in IGNORED:
            ignored.append(name)
        else:
            hint = argument_hint(name, value, {*honoured, *read_before}, IGNORED | set(REFUSED))
            raise TypeError(f"the RLM query engine has no argument {name!r}; {hint}")
    return kept, tuple(ignored)


def ignored_warning(ignored: Collection[str]) -> str:
    templates = [name for name in ignored if name in _TEMPLATES]
    remedy = f"; what {' and '.join(templates)} said of the answer goes into instructions=" if templates else ""
    if "verbose" in ignored:
        remedy += "; to see a run go on: on_event=ConsoleProgress() of rlm_integrations.terminal"
    return (
        f"the RLM query engine does not use {', '.join(ignored)}: it neither retrieves by similarity "
        f"nor synthesizes from chunks, its root LM reads the corpus by code{remedy}"
    )
