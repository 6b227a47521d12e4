"""What of a node is the corpus: its text, its pictures, and the metadata that the model may see."""

from __future__ import annotations

from typing import Any

from llama_index.core.schema import BaseNode, ImageNode, IndexNode, MetadataMode, Node, TextNode

from rlm_integrations.core.corpus import forms
from rlm_integrations.core.corpus.image_blocks import images_of_node, named
from rlm_integrations.core.image import Image

WITHOUT_PICTURES = frozenset({TextNode, IndexNode})
"""Types of nodes that have no place for one. To ask each such node for it took two fifths of reading it."""


def text_of_node(node: BaseNode) -> str:
    return node.get_content(metadata_mode=MetadataMode.NONE)


def has_media(node: BaseNode) -> bool:
    if isinstance(node, Node):
        return any((node.image_resource, node.audio_resource, node.video_resource))
    return isinstance(node, ImageNode)


def beside_text(node: BaseNode) -> tuple[dict[str, Any], tuple[Image, ...], str]:
    """The node's metadata as plain JSON, without what `excluded_llm_metadata_keys` keeps from the model; its pictures;
    and, where it has one that is not taken, why not.
    """
    own, untaken = ((), "") if type(node) in WITHOUT_PICTURES else images_of_node(node)
    metadata, images = forms.read_metadata(node.metadata, node.excluded_llm_metadata_keys, node.node_id)
    return metadata, named([*own, *images]), untaken
