"""Documents that a chain put into a text as Python shows them, where their texts belong."""

from __future__ import annotations

import re

from rlm_integrations.core.corpus.corpus import Corpus
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
    texts = [("question", question.text)]
    texts += [("question", message.content) for message in question.before if message.role != "assistant"]
    texts += [("question", document.text) for document in question.documents]
    if corpus.kind == "str":
        texts.append(("context", corpus.documents[0].text))
    for name, text in texts:
        begins = _beginning_of_reprs(text)
        if begins is not None:
            return (
                f"{name}: holds documents as Python shows them (“{one_line(begins)}…”): a list was put where a text "
                "belongs, so line breaks are written \\n, and no document is known by its id; join their texts, as "
                '"\\n\\n".join(d.page_content for d in documents), or better pass the objects themselves as the context'
            )
    return None


def _beginning_of_reprs(text: str) -> str | None:
    head = text[:_LOOKED_AT_CHARS]
    found = _repr_of_list.search(head)
    if found is not None:
        return head[found.start() : found.start() + _SHOWN_CHARS]
    start = head.find("page_content=")
    if start >= 0 and _str_of_document.search(head, start):
        return head[start : start + _SHOWN_CHARS]
    return None
