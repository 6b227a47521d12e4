"""`rlm_query`: a question for a child RLM, which has a REPL of its own over what it is given to read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from rlm_integrations.repl.awaitable_replies import Awaiting
from rlm_integrations.repl.corpus_view import CorpusView
from rlm_integrations.repl.host_calls import SubCallError, ask
from rlm_integrations.repl.host_port import HostPort, HostRefusalError
from rlm_integrations.repl.images import named_images
from rlm_integrations.repl.matches import Match
from rlm_integrations.repl.sub_calls import check_prompt, failed, listed, pairs
from rlm_integrations.wire.calls import MAX_CHILD_CHARS, Reserve, RlmQuery, WrongCallError
from rlm_integrations.wire.child_context import ChildContext, OwnText, Reference, write_child_context
from rlm_integrations.wire.images import IMAGES

_SOUGHT_CHARS = 200
"""A shorter text is sent as it is: finding where it stands in the corpus would save nothing."""


class Rlms:
    """Holds what the functions that the model calls need. They may be called from several threads at once."""

    def __init__(self, host: HostPort, corpus: CorpusView, max_chars: int, awaiting: Awaiting | None = None) -> None:
        """`max_chars` is the longest prompt of a child."""
        self._host = host
        self._max_chars = max_chars
        self._awaiting = awaiting or Awaiting()
        self._corpus = corpus

    def rlm_query(self, prompt: str, context: Any = None) -> str:
        """The answer of a child RLM: a language model with a session like this one, where `context` is what it gets.

        `context` is a text, an id, a document or a match (its whole document), or a list of these; None for a question
        that needs none. Raises SubCallError when the child fails, SubCallLimitError when the budget is spent,
        ValueError and TypeError before anything is sent.
        """
        return self._awaiting.given(ask(self._host, self._call("prompt", prompt, context), SubCallError))

    def rlm_query_batched(self, prompts: Iterable[Any]) -> list[str]:
        """The answers to many prompts, or pairs (prompt, context), asked side by side, in order.

        A child that failed is a FailedSubCall in its place.
        """
        calls = [self._call(f"prompt {index}", *pair) for index, pair in enumerate(pairs(listed("prompts", prompts)))]
        return self._awaiting.given(self._send(calls))

    def _send(self, calls: list[RlmQuery]) -> list[str]:
        if not calls:
            return []
        batch = ask(self._host, Reserve(len(calls)), SubCallError)
        sent = [RlmQuery(call.prompt, call.context, batch, index) for index, call in enumerate(calls)]
        answers = self._host.call_all(sent)
        return [failed(answer) if isinstance(answer, HostRefusalError) else answer for answer in answers]

    def _call(self, name: str, prompt: Any, context: Any) -> RlmQuery:
        check_prompt(name, prompt, self._max_chars, "pass the text as context")
        sent = None if context is None else self._written(name, context)
        if len(sent or "") > MAX_CHILD_CHARS:
            raise ValueError(
                f"{name}: its context has {len(sent or ''):,} characters; a child takes at most {MAX_CHILD_CHARS:,} "
                "besides documents of the corpus, passed as they are or by their ids; nothing was sent"
            )
        return RlmQuery(str.__str__(prompt), sent)

    def _written(self, name: str, context: Any) -> str:
        if isinstance(context, str) and self._corpus.document(context) is None:
            whole = ChildContext((self._text(context),), as_text=True)
        else:
            items: list[Any] = [context] if isinstance(context, (str, dict, Match)) else _items(name, context)
            whole = ChildContext(tuple(self._piece(name, item) for item in items))
        try:
            return write_child_context(whole)
        except WrongCallError as error:
            raise ValueError(f"{name}: {error}; nothing was sent") from None
        except (TypeError, ValueError) as error:
            problem = f"{name}: the metadata of its context must be plain values, lists and dicts ({error})"
            raise TypeError(f"{problem}; nothing was sent") from None

    def _text(self, text: str) -> Reference | OwnText:
        """A text by where it stands, if the corpus is one text and it is of it."""
        corpus = self._corpus.one_text
        start = corpus.find(text) if corpus is not None and len(text) >= _SOUGHT_CHARS else -1
        return OwnText(str.__str__(text)) if start < 0 else Reference("", start, start + len(text))

    def _piece(self, name: str, item: Any) -> Reference | OwnText:
        if isinstance(item, str):
            return self._text(item) if self._corpus.document(item) is None else Reference(str.__str__(item))
        if isinstance(item, Match):
            item = {"id": item.passage.id, "text": item.passage.text, "metadata": item.passage.metadata}
        if not isinstance(item, dict) or not isinstance(item.get("text"), str):  # pyright: ignore[reportUnknownMemberType]
            kind = type(item).__name__  # pyright: ignore[reportUnknownArgumentType]
            raise TypeError(
                f"{name}: its context holds {kind}, which is not a text, a document or a match; nothing was sent"
            )
        document = cast("dict[str, Any]", item)
        id_, text = document.get("id", ""), document["text"]
        metadata: dict[str, Any] = dict(document.get("metadata") or {})
        known = self._corpus.document(id_)
        if known is not None and known["text"] is text:
            return Reference(id_)
        images = named_images(f"{name}: image", document.get(IMAGES), self._corpus)
        return OwnText(str.__str__(text), str(id_), metadata, tuple((one, of) for one, of in images))


def _items(name: str, context: Any) -> list[Any]:
    if not isinstance(context, Iterable):
        kind = type(context).__name__
        raise TypeError(
            f"{name}: its context is {kind}, not a text, a document, a match or a list of these; nothing was sent"
        )
    items = list(context)  # pyright: ignore[reportUnknownArgumentType,reportUnknownVariableType]
    if not items:
        raise ValueError(f"{name}: its context is empty; nothing was sent")
    return items  # pyright: ignore[reportUnknownVariableType]
