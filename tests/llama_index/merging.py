"""Chunks put together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from llama_index.core.schema import BaseNode

from rlm_integrations.llama_index.documents import MergedDocument, merged_documents, read_all


def merge_nodes(nodes: Iterable[BaseNode], ancestors: Mapping[str, BaseNode] | None = None) -> list[MergedDocument]:
    return [*merged_documents(read_all(nodes, ancestors))]
