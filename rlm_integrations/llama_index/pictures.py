"""Pictures in LlamaIndex's messages, as the core has them and back. Nothing is fetched: neither paths nor URLs."""

from __future__ import annotations

from collections.abc import Sequence
from io import IOBase
from typing import Any, cast

from llama_index.core.base.llms.types import ChatMessage, ImageBlock, MessageRole, TextBlock
from llama_index.core.schema import QueryBundle

from rlm_integrations.core.corpus.image_blocks import image_or_why, named
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.image import Image
from rlm_integrations.core.language_model import Message


def images_of_message(message: ChatMessage, argument: str) -> tuple[Image, ...]:
    """Its pictures. Raises InvalidArgumentError, naming the argument, for one that cannot be taken."""
    images: list[Image] = []
    for block in cast("Sequence[object]", message.blocks):
        if isinstance(block, ImageBlock):
            found, why = image_or_why(_data(block.image), block.image_mimetype, block.url, block.path)
            if not found:
                problem = why or "image: an ImageBlock holds no data; pass its bytes"
                raise InvalidArgumentError(f"{argument}: a message holds a picture that cannot be taken: {problem}")
            images += found
    return named(images)


def question_in(query: QueryBundle) -> str:
    """What is asked. Raises InvalidArgumentError where a picture at a path goes with it, which is not read."""
    if query.image_path:
        raise InvalidArgumentError(
            f"query: its image_path {query.image_path!r:.200} is not read; pass the picture in an ImageDocument of the "
            "corpus, image=<base64>"
        )
    return query.query_str


def chat_message(role: MessageRole, message: Message) -> ChatMessage:
    """The message as an LLM takes it; pictures stand before the text, as providers advise."""
    if not message.images:
        return ChatMessage(role=role, content=message.content)
    blocks: list[Any] = [ImageBlock(image=image.data, image_mimetype=image.mime_type) for image in message.images]
    return ChatMessage(role=role, blocks=[*blocks, *([TextBlock(text=message.content)] if message.content else [])])


def _data(given: bytes | IOBase | None) -> bytes | None:
    """In base64, as LlamaIndex keeps bytes; what is read out of a file object is not."""
    if isinstance(given, IOBase):
        given.seek(0)
        return Image(given.read()).base64.encode()
    return given
