"""The question of a run, out of one str or a whole conversation.

A message that is too long for the root LM becomes a document of the corpus, and the root sees its head
and tail and where the rest is. So a prompt with a stuffed `{context}` works unchanged at any size.
A shorter message the root sees whole; where there is no other corpus it is one as well, to search and to cite.
A message with pictures is a document too, which has them: the root LM sees its text alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import cast

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.image import Image
from rlm_integrations.core.language_model import Message
from rlm_integrations.core.prompts.texts import fill
from rlm_integrations.core.wording import number, plural
from rlm_integrations.frozen import frozen

_SHOWN_CHARS = 2_000
"""Characters of an overlong message that the root sees of its head, and as many of its tail."""

_CITABLE_CHARS = 200
"""A shorter message is a question, or an instruction: it holds no text to search or cite."""

_id = attrgetter("id")


@frozen
class Question:
    """What is asked. `before` and `after` are the other messages, in their roles and places."""

    text: str
    query: str
    """What a retriever is asked: the question, or the end of an overlong one, where the question mostly stands."""
    before: tuple[Message, ...] = ()
    after: tuple[Message, ...] = ()
    documents: tuple[Document, ...] = ()
    """The overlong messages, whole, and those with pictures."""
    shown: tuple[Document, ...] = ()
    """The other messages of the user and the system that may hold a corpus, as a prompt's `{context}`."""
    cut: tuple[str, ...] = ()
    """The overlong messages, as the root LM sees them."""


def read_question(
    question: str | Sequence[Message],
    message_chars: int,
    *,
    prefix: str = "message",
    known: Mapping[str, str] | None = None,
    context: object = None,
) -> Question:
    """The last user message is the question; the others keep their roles and places.

    Args:
        question: A text, or messages.
        message_chars: Of the longest message that is shown whole.
        prefix: Of the ids of overlong messages; their places follow.
        known: Messages that are documents of the corpus already, by `message_key`, with their ids.
        context: What was passed as such: where a message `becomes_document`, as a Corpus, for to the ids in it those of
            messages give way.

    Raises:
        InvalidArgumentError: Nothing is asked, or it is something else than a str or Messages.
    """
    if isinstance(question, str) and len(question) < _CITABLE_CHARS and question.strip():
        return Question(question, question)  # as most are
    messages = _messages(question)
    asked = len(messages) - 1
    while asked >= 0 and messages[asked].role != "user":
        asked -= 1
    if asked < 0:
        raise InvalidArgumentError("question: holds no user message; pass a str, or messages with a user message last")
    query = messages[asked].content
    if not query or query.isspace():  # not strip, which copies a prompt that holds a corpus
        raise InvalidArgumentError("question: is empty; pass what is to be answered")
    documents: list[Document] = []
    shown: list[Document] = []
    cut: list[str] = []
    for place, message in enumerate(messages):
        is_short = _is_short(message, message_chars)
        if is_short and not message.images and (message.role == "assistant" or len(message.content) < _CITABLE_CHARS):
            continue
        known_id = known.get(message_key(message.content, message.images)) if known else None
        doc_id = known_id or _free_id(f"{prefix}-{place + 1}", context)
        document = Document(doc_id, message.content, {"role": message.role}, message.images)
        if is_short and not message.images:
            shown.append(document)
            continue
        documents += [document] * (known_id is None)
        told = message.content if is_short else _shortened(document)
        cut += [told] * (not is_short)
        if message.images:
            told = "\n\n".join(filter(None, (told, _pictures_told(document))))
        messages[place] = Message(message.role, told)
    return Question(
        text=messages[asked].content,
        query=query if len(query) <= message_chars else query[-_SHOWN_CHARS:],
        before=tuple(messages[:asked]),
        after=tuple(messages[asked + 1 :]),
        documents=tuple(documents),
        shown=tuple(shown),
        cut=tuple(cut),
    )


def becomes_document(question: str | Sequence[Message], message_chars: int) -> bool:
    """Whether a message is too long to be shown whole, or has pictures. Raises InvalidArgumentError as above."""
    return any(message.images or not _is_short(message, message_chars) for message in _messages(question))


def _is_short(message: Message, message_chars: int) -> bool:
    return len(message.content) <= message_chars


def _free_id(name: str, context: object) -> str:
    if not isinstance(context, Corpus):
        return name
    free, count = name, 1
    while free in map(_id, context.documents):  # all of it in C: an event loop waits, and `by_id` takes far longer
        count += 1
        free = f"{name}#{count}"
    return free


def message_key(text: str, images: Sequence[Image]) -> str:
    """Equal for messages that say and show the same."""
    return "\0".join([text, *(image.id for image in images)])


def _messages(question: object) -> list[Message]:
    if isinstance(question, str):
        return [Message("user", question)]
    if not isinstance(question, Sequence):
        raise InvalidArgumentError(f"question: {type(question).__name__} given; pass a str, or a list of Messages")
    messages: list[Message] = []
    for place, message in enumerate(cast("Sequence[object]", question), 1):
        if not isinstance(message, Message):
            got = type(message).__name__
            raise InvalidArgumentError(
                f"question: item {place} is {got}; pass a str, or Message(role, content) objects"
            )
        messages.append(message)
    return messages


def _pictures_told(document: Document) -> str:
    return fill("message_images", images=plural(len(document.images), "picture"), doc_id=repr(document.id))


def _shortened(document: Document) -> str:
    content = document.text
    return fill(
        "long_message",
        chars=number(len(content)),
        doc_id=repr(document.id),
        n_head=number(_SHOWN_CHARS),
        n_tail=number(_SHOWN_CHARS),
        n_cut=number(len(content) - 2 * _SHOWN_CHARS),
        head=content[:_SHOWN_CHARS],
        tail=content[-_SHOWN_CHARS:],
    )
