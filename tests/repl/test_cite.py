from __future__ import annotations

from rlm_integrations.repl.host_port import HostRefusalError


def test_a_quote_is_found_and_its_slice_sent_to_the_host(library, host):
    assert library.value("cite('It ends on 1 March 2010')") == "It ends on\n1 March 2010"
    assert library.value("cite(search('rent')[1].text, 'lease-2')") == "Rent"
    assert host.asked("cite") == [
        {"document_id": "lease-1", "start": 17, "end": 40, "text": "It ends on\n1 March 2010"},
        {"document_id": "lease-2", "start": 40, "end": 44, "text": "Rent"},
    ]


def test_the_document_may_be_an_id_a_document_or_a_match(library, host):
    for doc in ("'lease-2'", "context[1]", "search('plot')[1]"):
        assert library.value(f"cite('plot', {doc})") == "plot"
    assert {payload["document_id"] for payload in host.asked("cite")} == {"lease-2"}


def test_words_of_several_documents_are_cited_from_the_first_unless_one_is_named(open_repl, host):
    leases = open_repl([{"id": name, "text": "A notice of six months.", "metadata": {}} for name in ("a", "b")])
    leases.value("cite('six months')")
    leases.value("cite('six months', 'b')")
    assert [payload["document_id"] for payload in host.asked("cite")] == ["a", "b"]


def test_a_text_corpus_is_cited_under_the_empty_id(open_repl, host):
    assert open_repl("the whole\n text").value("cite('whole text', '')") == "whole\n text"
    assert open_repl("the whole text").value("cite('whole text', 'the corpus')") == "whole text"
    assert [payload["document_id"] for payload in host.asked("cite")] == ["", ""]
    assert host.asked("cite")[0]["text"] == "whole\n text"


def test_quotation_marks_around_a_quote_need_not_stand_in_the_corpus(library, open_repl):
    assert library.value("cite('“lost to the river”', 'note'), cite('\"Rent: 55 marks.\"')") == (
        "('lost to the river', 'Rent: 55 marks.')"
    )
    assert open_repl("He said 'no' once.").value("""cite("'no'")""") == "'no'"
    assert library.failure("cite('\"\"')").startswith("ValueError: quote '\"\"' does not stand in the corpus")


def test_an_unfound_quote_is_an_error_with_the_remedy_and_nothing_is_sent(library, host):
    assert library.failure("cite('plot 8')") == (
        "ValueError: quote 'plot 8' does not stand in the corpus; copy it letter for letter from the text"
    )
    assert library.failure("cite('river', 'lease-1')") == (
        "ValueError: quote 'river' does not stand in 'lease-1'; it stands in 'note'"
    )
    assert "nor elsewhere" in library.failure("cite('sea', 'lease-1')")
    assert "close ones" in library.failure("cite('river', 'lease-9')")
    assert library.failure("cite('  ')") == "ValueError: quote: is empty"
    assert library.failure("cite(3)") == "TypeError: quote: int is not a str"
    assert library.failure("cite('river', 3)") == "TypeError: doc_id: int is not an id, a document or a match"
    assert host.asked("cite") == []


def test_what_the_host_refuses_is_an_error(library, host):
    def refuse(payload):
        return HostRefusalError("value", "the document has changed")

    host.answers["cite"] = refuse
    assert library.failure("cite('river')") == "ValueError: the document has changed"
