"""A source node for what no node says: what the code of a run computed over them."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

from llama_index.core.schema import MetadataMode, NodeWithScore, TextNode

from rlm_integrations.core.trace.computation import computation_of
from rlm_integrations.core.trace.result import RLMResult
from rlm_integrations.llama_index.source_nodes import SOURCE_NODES, Evidence

_METADATA = {"rlm": "computation"}


def with_computation(evidence: Evidence, result: RLMResult[Any]) -> Evidence:
    """With a last source node for a count and the like, whose id begins with "rlm-computation-".

    It holds the code that read the corpus, and what came of it. There is none where the root LM cited what its answer
    rests on, nor where the sources are all that there was to read: they say as much.
    """
    if evidence.complete or result.citations:
        return evidence
    texts = [source.node.get_content(metadata_mode=MetadataMode.ALL) for source in evidence.sources]
    text = computation_of(result.trace, texts)
    if text is None:
        return evidence
    digest = hashlib.sha256(text.encode(errors="replace")).hexdigest()[:16]
    node = TextNode(id_=f"rlm-computation-{digest}", text=text, metadata=_METADATA)
    kept = evidence.sources[: SOURCE_NODES - 1]
    more = evidence.more_sources or len(kept) < len(evidence.sources)
    return replace(evidence, sources=[*kept, NodeWithScore(node=node)], more_sources=more)
