"""Top-k retrieval, then one call: by BM25, or by the user's retriever."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from rlm_integrations.compare.asking import Asker, Models
from rlm_integrations.compare.attempt import Answered
from rlm_integrations.compare.pieces import PASSAGE_CHARS, passages
from rlm_integrations.compare.reading import answered, direct_messages
from rlm_integrations.core.calls.threads import in_thread
from rlm_integrations.core.corpus.corpus import Corpus, once_per_corpus
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.extras import needed
from rlm_integrations.core.run.arguments import check_counts

_WORD = re.compile(r"\w++")
Retrieve = Callable[[str, int], Any]
"""(question, k) -> texts or documents, best first; sync or async."""


@dataclass(frozen=True)
class TopK:
    """The `k` passages that fit the question best, in one call of the root LM.

    `retriever`: a function (question, k), or a retriever of LangChain (`invoke`) or LlamaIndex (`retrieve`), of whose
    hits the first `k` are taken. None: BM25 over passages of 1,000 characters.
    """

    k: int
    retriever: Any = None

    def __post_init__(self) -> None:
        check_counts(k=self.k)
        if self.retriever is None:
            _bm25()
        else:
            _function_of(self.retriever)

    @property
    def name(self) -> str:
        return f"{'BM25' if self.retriever is None else 'retriever'} top-{self.k}"

    async def answer(self, question: str, corpus: Corpus, models: Models, asker: Asker) -> Answered:
        """Raises what the retriever raises, and what `Asker.ask` raises."""
        if self.retriever is None:
            found = await in_thread(_best, corpus, question, self.k)
        else:
            hits = await _called(_function_of(self.retriever), question, self.k)
            found = list((await in_thread(Corpus.of, hits[: self.k])).documents) if hits else []
        messages = await in_thread(direct_messages, question, Corpus(found))
        return await answered(await asker.ask(messages), corpus)

    def estimated(self, corpus: Corpus, models: Models) -> tuple[int, int]:
        """About how many calls and input tokens a question takes."""
        return 1, self.k * PASSAGE_CHARS // 4


def _best(corpus: Corpus, question: str, k: int) -> list[Document]:
    texts, index = _index_of(corpus)
    scores: Sequence[float] = index.get_scores(_words(question))
    best = sorted(range(len(texts)), key=lambda place: (-scores[place], place))[:k]
    return [texts[place] for place in best]


@once_per_corpus
def _index_of(corpus: Corpus) -> tuple[list[Document], Any]:
    texts = passages(corpus)
    return texts, _bm25()([_words(document.text) for document in texts])


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _bm25() -> Any:
    with needed("rank_bm25", "rank-bm25", extra="compare", what="methods: BM25", instead="pass a retriever"):
        from rank_bm25 import BM25Okapi  # pyright: ignore[reportMissingTypeStubs]
    return BM25Okapi


def _function_of(retriever: Any) -> Retrieve:
    """What is called for its hits. Raises InvalidArgumentError for what is no retriever."""
    for name in ("ainvoke", "aretrieve", "invoke", "retrieve"):
        method = getattr(retriever, name, None)
        if callable(method):
            return lambda question, _k: cast("Callable[[str], Any]", method)(question)
    if callable(retriever):
        return cast(Retrieve, retriever)
    raise InvalidArgumentError(
        f"retriever: {type(retriever).__name__} given; pass a function(question, k), or a retriever of LangChain or "
        "LlamaIndex"
    )


async def _called(function: Retrieve, question: str, k: int) -> list[Any]:
    hits = await in_thread(function, question, k)
    if inspect.isawaitable(hits):
        hits = await cast("Awaitable[Iterable[Any]]", hits)
    return [getattr(hit, "node", hit) for hit in cast("Iterable[Any]", hits)]
