"""Which documents an answer rests on: what was cited, and what was really sent to sub-calls or printed."""

from __future__ import annotations

import copy
import pickle
import re
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.limits import RLMLimits
from rlm_integrations.core.trace.call_records import ModelCall, TraceMessage
from rlm_integrations.core.trace.evidence import Evidence, Found, find_evidence
from rlm_integrations.core.trace.own_text import STRETCH_CHARS, Place
from rlm_integrations.core.trace.records import Iteration, RLMTrace
from rlm_integrations.core.trace.result import RLMResult
from rlm_integrations.repl.matches import Match, Matches, Passage

from .readings import form, note, source_ids, trace

KILN = "The kiln was lit on Monday at nine, and nobody had told the baker about it."
OVEN = "  — An oven, unlike a kiln, is seldom hot enough to melt the glaze of a pot.\n"
SHORT = "Too short."
CORPUS = Corpus.of({"kiln": KILN, "oven": OVEN, "short": SHORT, "a@b.org [1]": "Nothing of interest stands in this."})


# -- the order, and what counts


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


def test_a_call_that_failed_without_a_reply_tells_of_nothing() -> None:
    seen = trace(prompts=(KILN, OVEN))
    failed, cut = seen.executions[0].sub_calls
    failed.error = "ConnectionError: nobody is there"
    cut.error, cut.reply = "the reply was cut at its limit", "An oven is"
    assert source_ids(seen, CORPUS) == ("oven",)


def test_what_stood_in_a_first_message_was_read_where_a_reply_came() -> None:
    seen = trace()
    seen.route, seen.shown_whole, seen.opening = (
        "direct",
        True,
        [TraceMessage(role="user", content=f"[document kiln]\n{KILN}\nq")],
    )
    assert source_ids(seen, CORPUS) == ("kiln",)
    seen.iterations[0].call.error = "ConnectionError: nobody is there"
    assert source_ids(seen, CORPUS) == ()


def test_each_document_is_named_once() -> None:
    seen = trace(printed=KILN * 3, prompts=(KILN, KILN), cited=("kiln", "kiln"))
    assert source_ids(seen, CORPUS) == ("kiln",)


def test_a_short_document_counts_where_all_of_it_stands_below_its_own_head() -> None:
    assert source_ids(trace(prompts=("Do it.\n\n[document short]\nToo short.\n\n[document x]\n",)), CORPUS) == (
        "short",
    )
    assert source_ids(trace(prompts=("[document short | page: 1]\nToo short.",)), CORPUS) == ("short",)
    for prompt in ("[document short]\nToo", "[document short]\nToo short.s", "see [document short]\nToo short.", SHORT):
        assert source_ids(trace(prompts=(prompt,)), CORPUS) == ()


def test_a_head_alone_names_nothing() -> None:
    forged = (
        "[document kiln]\n[document short]\n\n[document oven]\nNothing of the kind stands in the oven's document.\n"
    )
    assert (
        source_ids(trace(prompts=(forged,), printed="kiln@4, 9: The oven\noven@7:\n  lines\nkiln@9999: it"), CORPUS)
        == ()
    )


def test_documents_are_known_by_the_lines_that_search_prints() -> None:
    printed = f"kiln@4, 9: {KILN[:STRETCH_CHARS]} …\n"
    printed += "a@b.org [1]@17:\n  Nothing of interest stands in this.\nno@5: x\n(3 matches)"
    found = find_evidence(trace(printed=printed), CORPUS)
    assert found.sources == ("kiln", "a@b.org [1]")
    assert found.places == (Place("kiln", 0, STRETCH_CHARS), Place("a@b.org [1]", 0, 35))
    assert source_ids(trace(printed="Match(short@4: Too short.)\n"), CORPUS) == ("short",)
    assert source_ids(trace(printed=f"@4: {KILN}\n"), Corpus.of(KILN)) == ("",)
    code = Corpus.of({"code": "def f():\n    return g(1)\n\treturn g(2)\n", "other": KILN})
    assert source_ids(trace(printed="Match(code@13: return g(1))\n"), code) == ("code",)
    assert source_ids(trace(printed="code@30:\n  return g(2)\n"), code) == ("code",)


@pytest.mark.parametrize("line", ["The", "The kiln was lit", "The kiln was …", "… about it.", "…the baker…", "."])
def test_a_few_words_that_any_text_may_guess_name_no_document(line: str) -> None:
    """What a hostile document holds in a line of its own, and the code prints alone."""
    for printed in (f"kiln@0: {line}\n", f"Match(kiln@0: {line})\n", f"kiln@70:\n  {line}\n"):
        assert source_ids(trace(printed=printed), CORPUS) == ()


SEARCHED = st.lists(
    st.sampled_from(["a kiln ", "k", "x" * 90, "\n", "\r\n", "\n  ", "(it)", "…", " … "]), max_size=20
).map("".join)


@given(SEARCHED, st.sampled_from(["k", "kiln", "x+", "n k", "a[^z]*k"]), st.sampled_from([0, 60, 200]), st.booleans())
def test_what_search_prints_names_its_document_at_that_place(text: str, sought: str, around: int, alone: bool) -> None:
    found = next(re.finditer(sought, text), None)
    if found is None:
        return
    match = Match(Passage("d", text), found, around)
    printed = Matches.of([match], 8_000)
    corpus = Corpus.of({"d": text, "other": KILN})
    evidence = find_evidence(trace(printed=repr(match) if alone else repr(printed)), corpus)
    assert evidence.sources in (("d",), ())
    if "…" not in text and "…" not in match.line and "\n" not in match.line.strip():
        assert evidence.sources == ("d",)


def test_a_text_is_known_by_a_stretch_of_it_and_not_by_a_few_words() -> None:
    assert source_ids(trace(printed="The kiln was lit on Monday at noon"), CORPUS) == ()
    assert source_ids(trace(printed=KILN[: STRETCH_CHARS - 4]), CORPUS) == ()
    assert source_ids(trace(printed=f"x{KILN[10:]}"), CORPUS) == ("kiln",)
    assert source_ids(trace(printed=f"['{KILN}', '{SHORT}']"), CORPUS) == ("kiln",)


def test_a_part_from_the_middle_is_found_with_its_place() -> None:
    text = "".join(f"sentence number {n}; " for n in range(5_000))
    corpus = Corpus.of({"long": text, "other": text.replace("sentence", "phrase")})
    found = find_evidence(trace(prompts=(f"Read this:\n{text[40_003:60_001]}\nWhat is it?", text[:100])), corpus)
    assert found.places == (Place("long", 40_003, 60_001), Place("long", 0, 100))


def test_what_the_question_says_tells_nothing_of_what_was_read() -> None:
    asked = f"Who said this: {KILN}"
    assert source_ids(trace(prompts=(asked,), question=asked), CORPUS) == ()
    assert source_ids(trace(prompts=(f"{asked}\n[document kiln]\n{KILN}",), question=asked), CORPUS) == ("kiln",)


# -- texts that are alike


def test_of_many_documents_with_one_letterhead_that_one_was_read_that_was() -> None:
    head = "The Ministry of Kilns, 12 High Street. " * 8
    letters = {f"l{n}": f"{head}\nDear Sir, we write of kiln {n}, which is not as it should be." for n in range(100)}
    corpus = Corpus.of(letters)
    assert source_ids(trace(printed=letters["l42"]), corpus) == ("l42",)
    assert source_ids(trace(printed=letters["l42"][:300]), corpus) == ()
    assert source_ids(trace(prompts=(f"[document l7]\n{letters['l42'][:300]}",)), corpus) == ("l7",)


def test_equal_documents_are_told_apart_by_their_heads_alone() -> None:
    twins = Corpus.of({"a": form(1), "b": form(1), "c": form(2)})
    assert source_ids(trace(printed=form(1)), twins) == ()
    assert source_ids(trace(printed=f"[document b]\n{form(1)}"), twins) == ("b",)
    cut = len(form(1)) // 2
    parts = (f"[document b | year: 1]\n{form(1)[:cut]}", f"[document b | year: 1]\n{form(1)[cut:]}")
    found = find_evidence(trace(prompts=parts), twins)
    assert found.places == (Place("b", 0, cut), Place("b", cut, len(form(1))))


def test_a_document_that_quotes_another_does_not_name_it() -> None:
    quoting = (
        f"He wrote to us in May:\n[document kiln]\n{KILN}\nThat was all that he had to say of it.\nkiln@4: The kiln"
    )
    corpus = Corpus.of({"kiln": KILN, "letter": quoting})
    assert source_ids(trace(printed=quoting), corpus) == ("letter",)
    assert source_ids(trace(prompts=(f"[document letter]\n{quoting}",)), corpus) == ("letter",)
    assert source_ids(trace(printed=KILN), corpus) == ()
    assert source_ids(trace(printed=f"[document kiln]\n{KILN}"), corpus) == ("kiln",)
    ends_with_it = quoting[: quoting.index("\nThat was all")]
    corpus = Corpus.of({"kiln": KILN, "letter": ends_with_it})
    assert source_ids(trace(prompts=(f"[document letter]\n{ends_with_it}",)), corpus) == ("letter",)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "\n\nQuestion: what is it?"),
        ("Summarise this:\n", ""),
        ("Read:\n\n", "\nIs it as it should be?"),
        ("", "\n"),
    ],
)
def test_a_document_that_quotes_another_is_not_named_for_the_few_words_around_the_other(
    before: str, after: str
) -> None:
    report = " ".join((KILN, KILN.replace("Monday", "Friday"), KILN.replace("nine", "noon")))
    quoting = {
        "mail": f"As promised, this is what a baker wrote to us in the spring:\n{report}\n\nQuite a year, is it not?",
        "letter": f"It was of no use. All I had of him was this, before we met:\n\n{report}\nIs it true, do you think?",
        "file": f"Whatever is said of it elsewhere, this is all of what was sent:\n{report}\n",
    }
    corpus = Corpus.of({"report": report, **quoting})
    assert source_ids(trace(prompts=(f"{before}{report}{after}",)), corpus) == ()
    for name, text in quoting.items():
        assert source_ids(trace(prompts=(f"{before}{text}{after}",)), corpus) == (name,)


def test_a_part_of_one_form_is_told_apart_by_what_stands_well_within_it_or_at_an_end_of_the_document() -> None:
    corpus = Corpus.of(
        {
            f"c{number}": f"Item {number}. {form(number)} So much of item {number}, and that is all."
            for number in range(100, 200)
        }
    )
    text = corpus.by_id["c142"].text
    assert source_ids(trace(printed=text[500:-500]), corpus) == ("c142",)
    assert source_ids(trace(printed=text[:300]), corpus) == ("c142",)
    assert source_ids(trace(printed=text[-300:]), corpus) == ("c142",)
    assert source_ids(trace(printed=text[100:500]), corpus) == ()


def test_text_of_the_corpus_that_was_retrieved_or_brought_as_well_is_of_neither() -> None:
    found = [Document("found", f"{KILN} That is what they say, and nobody knows who they are.")]
    assert source_ids(trace(printed=KILN), CORPUS, found) == ()
    assert source_ids(trace(printed=found[0].text), CORPUS, found) == ("found",)
    assert source_ids(trace(printed=KILN), CORPUS.preceded_by(found)) == ()


def test_a_passage_that_a_document_holds_twice_has_no_place() -> None:
    refrain = "And the kiln was lit again, and again nobody had told the baker about any of it. "
    corpus = Corpus.of({"song": f"{refrain}One. {refrain}Two. {refrain}Three, and no more.", "kiln": KILN})
    assert find_evidence(trace(printed=refrain), corpus).places == (Place("song", 0, 0),)
    second = f"{refrain}Two. {refrain}"
    (place,) = find_evidence(trace(printed=second), corpus).places
    assert corpus.by_id["song"].text[place.start : place.end] == second


def test_documents_without_words_are_never_found_in_a_text() -> None:
    assert source_ids(trace(printed="— … —" * 20), Corpus.of(["— … —" * 20, "-" * 200, ""])) == ()
    assert source_ids(trace(printed="-" * 80), Corpus.of(["a" + "-" * 200, KILN])) == ()


def test_what_was_retrieved_counts() -> None:
    found = [Document("found", note(1))]
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


# -- when it is found


def test_evidence_is_found_when_it_is_asked_for_once_and_lets_the_corpus_go() -> None:
    seen = trace(printed=KILN)
    evidence = Evidence(seen, CORPUS)
    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(evidence.find())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seen.iterations.clear()  # what was found stays
    assert evidence.sources == ("kiln",)
    assert all(each is found[0] for each in found)


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))])
def test_a_copy_holds_what_was_found(again) -> None:
    evidence = again(Evidence(trace(printed=KILN), CORPUS))
    assert (evidence.sources, evidence.places) == (("kiln",), (Place("kiln", 0, len(KILN)),))


def test_a_result_can_be_pickled() -> None:
    seen = trace(printed=KILN)
    result = pickle.loads(pickle.dumps(RLMResult("a", "a", (), Evidence(seen, CORPUS), "answer", seen)))
    assert (result.answer, result.sources, result.trace) == ("a", ("kiln",), seen)


async def test_an_event_loop_waits_in_a_thread_where_much_was_read() -> None:
    class Noted(Evidence):
        def find(self) -> Found:
            threads.append(threading.current_thread())
            return super().find()

    for texts in ([KILN], [KILN * 2_000]):
        threads = list[threading.Thread]()
        evidence = Noted(trace(prompts=texts), CORPUS)
        assert evidence.quick is (len(texts[0]) < 1_000)
        assert threads == []
        assert (await evidence.find_async()).sources == ("kiln",)
        assert (threads == [threading.current_thread()]) is (len(texts[0]) < 1_000)
        assert evidence.quick
