"""Documents that a chain put into a text as Python shows them, where their texts belong."""

from __future__ import annotations

import re

from rlm_integrations.core.corpus.corpus import Corpus, once_per_corpus
from rlm_integrations.core.corpus.question import Question
from rlm_integrations.core.wording import one_line

_LOOKED_AT_CHARS = 100_000
"""Of each text, so that a huge one holds nothing up. A template's own words are shorter."""
_SHOWN_CHARS = 60

_repr_of_list = re.compile(
    r"[\[(](?:(?:Document|TextNode)\((?:id_?+='|metadata=\{|page_content=['\"])|NodeWithScore\()"
)
_str_of_document = re.compile(r"['\"] metadata=\{")


def stuffed_reprs_warning(question: Question, corpus: Corpus) -> str | None:
    """What is to be said of a prompt, or a context that is one text, which holds documents so; else None."""
    prompts = [question.text]
    prompts += [message.content for message in question.before if message.role != "assistant"]
    prompts += [document.text for document in question.documents]
    found = [("question", _beginning_of_reprs(prompt)) for prompt in prompts]
    if corpus.kind == "str":
        found.append(("context", beginning_in_context(corpus)))
    for name, begins in found:
        if begins:
            return (
                f"{name}: holds documents as Python shows them (“{one_line(begins)}…”): a list was put where a text "
                "belongs, so line breaks are written \\n, and no document is known by its id; join their texts, as "
                '"\\n\\n".join(d.page_content for d in documents), or better pass the objects themselves as the context'
            )
    return None


@once_per_corpus
def beginning_in_context(corpus: Corpus) -> str:
    """Where the one text of a corpus holds documents so, the first of them; else ""."""
    return _beginning_of_reprs(corpus.text)


def _beginning_of_reprs(text: str) -> str:
    head = text[:_LOOKED_AT_CHARS]
    # to look for the names takes a third of the pattern's time, and mostly there are none
    named = "Document(" in head or "TextNode(" in head or "NodeWithScore(" in head
    if named and (found := _repr_of_list.search(head)) is not None:
        return head[found.start() : found.start() + _SHOWN_CHARS]
    start = head.find("page_content=")
    if start >= 0 and _str_of_document.search(head, start):
        return head[start : start + _SHOWN_CHARS]
    return ""
