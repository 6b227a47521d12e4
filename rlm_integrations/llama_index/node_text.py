"""What of a node is the corpus: its text, and the metadata that the model may see."""

from __future__ import annotations

from typing import Any

from llama_index.core.schema import BaseNode, ImageNode, MetadataMode, Node

from rlm_integrations.core.corpus import forms
from rlm_integrations.core.corpus.document import Document


def text_of_node(node: BaseNode) -> str:
    return node.get_content(metadata_mode=MetadataMode.NONE)


def has_media(node: BaseNode) -> bool:
    if isinstance(node, Node):
        return any((node.image_resource, node.audio_resource, node.video_resource))
    return isinstance(node, ImageNode)


def visible_metadata(node: BaseNode) -> dict[str, Any]:
    """The node's metadata as plain JSON, without what `excluded_llm_metadata_keys` keeps from the model."""
    return forms.visible_metadata(node.metadata, list(node.excluded_llm_metadata_keys), node.node_id)


def document_of_node(node: BaseNode) -> Document:
    """The node as a document of its own."""
    return Document(node.node_id, text_of_node(node), visible_metadata(node))
