"""Corpora, and traces of runs that read them."""

from __future__ import annotations

from collections.abc import Sequence

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.limits import RLMLimits
from rlm_integrations.core.trace.call_records import ModelCall
from rlm_integrations.core.trace.citations import Citation
from rlm_integrations.core.trace.evidence import find_evidence
from rlm_integrations.core.trace.records import CodeExecution, Iteration, RLMTrace, SubCall


def trace(
    *, printed: str = "", prompts: Sequence[str] = (), cited: tuple[str, ...] = (), question: str = "q"
) -> RLMTrace:
    sub_calls = [SubCall(number=number, prompt=prompt) for number, prompt in enumerate(prompts, 1)]
    execution = CodeExecution(blocks=["x"], output=printed, sub_calls=sub_calls)
    iteration = Iteration(number=1, call=ModelCall(prompt_chars=1), reply="r", execution=execution)
    citations = [Citation(cited_text="c", start_index=0, end_index=1, document_id=name) for name in cited]
    return RLMTrace(question=question, context="c", limits=RLMLimits(), iterations=[iteration], citations=citations)


def source_ids(seen: RLMTrace, corpus: Corpus, retrieved: Sequence[Document] = ()) -> tuple[str, ...]:
    return find_evidence(seen, corpus, retrieved).sources


def note(number: int, about: str = "kilns") -> str:
    return f"Note {number} tells at some length of {about}, and of how often they were lit in the year {number}."


def form(number: int, length: int = 40) -> str:
    """A contract that is like all others but for its number."""
    clause = "The parties agree that all notices under this contract are to be given in writing, and signed. "
    return (
        f"CONTRACT between the city and the builder\n{clause * (length // 2)}\nNo. {number}\n{clause * (length // 2)}"
    )
