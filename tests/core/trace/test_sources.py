from __future__ import annotations

from collections.abc import Sequence

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.limits import RLMLimits
from rlm_integrations.core.sources import source_ids
from rlm_integrations.core.trace.citations import Citation
from rlm_integrations.core.trace.records import CodeExecution, Iteration, ModelCall, RLMTrace, SubCall

KILN = "The kiln was lit on Monday at nine, and nobody had told the baker about it."
OVEN = "  — An oven, unlike a kiln, is seldom hot enough to melt the glaze of a pot.\n"
SHORT = "Too short."
CORPUS = Corpus.of({"kiln": KILN, "oven": OVEN, "short": SHORT, "a@b.org [1]": "Nothing of interest stands in this."})


def trace(*, printed: str = "", prompts: Sequence[str] = (), cited: tuple[str, ...] = ()) -> RLMTrace:
    sub_calls = [SubCall(number=number, prompt=prompt) for number, prompt in enumerate(prompts, 1)]
    execution = CodeExecution(blocks=["x"], output=printed, sub_calls=sub_calls)
    iteration = Iteration(number=1, call=ModelCall(prompt_chars=1), reply="r", execution=execution)
    citations = [Citation(cited_text="c", start_index=0, end_index=1, document_id=name) for name in cited]
    return RLMTrace(question="q", context="c", limits=RLMLimits(), iterations=[iteration], citations=citations)


def test_cited_documents_come_first_then_those_sent_then_those_printed() -> None:
    seen = trace(printed=f"kiln: {KILN}", prompts=(f"Summarise:\n{OVEN}",), cited=("short",))
    assert source_ids(seen, CORPUS) == ("short", "oven", "kiln")


def test_of_what_was_sent_that_comes_first_whose_reply_the_answer_draws_on() -> None:
    corpus = Corpus.of({f"d{n}": f"Note {n} tells at some length of things that happened." for n in range(6)})
    replies = ["Nothing is known.", "Nothing.", "Lit in 1891.", None, "Nothing is known.", "Found: 1891, by Ann."]
    seen = trace(prompts=[f"When were kilns lit?\n{document.text}" for document in corpus.documents])
    for call, reply in zip(seen.executions[0].sub_calls, replies, strict=True):
        call.reply = reply
    seen.question, seen.answer = "When were kilns lit?", "They were found lit in 1891. Nothing else stands there."
    assert source_ids(seen, corpus) == ("d5", "d2", "d0", "d1", "d3", "d4")
    seen.answer = "It stands nowhere."
    assert source_ids(seen, corpus) == ("d0", "d1", "d2", "d3", "d4", "d5")


def test_each_document_is_named_once() -> None:
    seen = trace(printed=KILN * 3, prompts=(KILN, KILN), cited=("kiln", "kiln"))
    assert source_ids(seen, CORPUS) == ("kiln",)


def test_documents_are_known_by_the_head_that_chunks_writes() -> None:
    assert source_ids(trace(prompts=("Do it.\n\n[document short]\nToo",)), CORPUS) == ("short",)
    assert source_ids(trace(prompts=("see [document short] and\n[document no]\n",)), CORPUS) == ()


def test_documents_are_known_by_the_matches_that_search_prints() -> None:
    printed = "kiln@4, 9: The kiln was\na@b.org [1]@17:\n  lines\nunknown@5: x\n(3 matches in 2 of 4 documents)"
    assert source_ids(trace(printed=printed), CORPUS) == ("kiln", "a@b.org [1]")


def test_a_text_is_known_by_its_beginning_and_not_by_a_word_of_it() -> None:
    assert source_ids(trace(printed="The kiln was lit on Monday at noon"), CORPUS) == ()
    assert source_ids(trace(printed=f"x{KILN}"), CORPUS) == ()
    assert source_ids(trace(printed=f"'{KILN[:-5]}'"), CORPUS) == ()
    assert source_ids(trace(printed=f"['{KILN}', '{SHORT}']"), CORPUS) == ("kiln",)


def test_a_long_text_is_known_by_its_first_characters() -> None:
    text = "".join(f"sentence number {n}; " for n in range(1_000))
    corpus = Corpus.of({"long": text})
    assert source_ids(trace(printed=text[:200]), corpus) == ("long",)
    assert source_ids(trace(printed=text[:100]), corpus) == ()


def test_documents_without_words_are_never_found_in_a_text() -> None:
    assert source_ids(trace(printed="— … —" * 20), Corpus.of(["— … —" * 20, ""])) == ()


def test_what_was_retrieved_counts() -> None:
    found = [Document("found", KILN.replace("Monday", "Friday"))]
    seen = trace(printed=found[0].text, prompts=("[document found]\n",))
    assert source_ids(seen, CORPUS) == ()
    assert source_ids(seen, CORPUS, found) == ("found",)


def test_a_text_of_a_joined_corpus_has_the_id_that_it_has_there() -> None:
    joined = CORPUS.preceded_by([Document("kiln", "A message of the user that is about kilns alone.")])
    assert source_ids(trace(printed=KILN), joined) == ("kiln#2",)
    assert source_ids(trace(printed="A message of the user that is about kilns alone."), joined) == ("kiln",)
    text = Corpus.of(KILN)
    assert source_ids(trace(printed=KILN), text) == ("",)
    assert source_ids(trace(printed=KILN), text.preceded_by([Document("m", "x")])) == ("context",)


def test_a_run_without_code_or_corpus_has_no_sources() -> None:
    plain = RLMTrace(question="q", context="no corpus", limits=RLMLimits())
    plain.iterations.append(Iteration(number=1, call=ModelCall(prompt_chars=1), reply="plain"))
    assert source_ids(plain, Corpus.of(None)) == ()
