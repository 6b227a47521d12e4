from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_integrations.repl.corpus_view import CorpusView
from rlm_integrations.repl.host_port import HostRefusalError
from rlm_integrations.repl.llm_reduce import PAGE_CHARS, LlmReduce

TASK = "List each colour."
NOTES = re.compile(r"\nNotes:\n(.*)", re.DOTALL)


def joins(prompt: str) -> bool:
    return NOTES.search(prompt) is not None


@given(st.lists(st.text("ab \n", max_size=900), max_size=12), st.integers(2_200, 6_000), st.integers(0, 3_000))
def test_every_character_is_read_once_and_no_prompt_is_too_long(texts, max_chars, note_chars):
    prompts: list[str] = []

    def ask_all(batch: list[str]) -> list[str]:
        prompts.extend(batch)
        return ["short" if joins(prompt) else "x" * note_chars for prompt in batch]

    documents = [{"id": f"d{n}", "text": text, "metadata": {}} for n, text in enumerate(texts)]
    reduce = LlmReduce(ask_all, CorpusView(documents), chunk_chars=900, max_chars=max_chars).llm_reduce
    found = reduce(TASK)

    assert all(len(prompt) <= max_chars for prompt in prompts)
    read = [prompt.partition("of it: none.\n\n")[2] for prompt in prompts if not joins(prompt)]
    body = "".join(re.sub(r"^\[document d\d+\]\n", "", part, flags=re.MULTILINE) for part in read)
    assert re.sub(r"\s", "", body) == re.sub(r"\s", "", "".join(texts))
    joined = [prompt for prompt in prompts if joins(prompt)]
    assert bool(joined) == (len(read) * (note_chars + 1) - 1 > PAGE_CHARS and max_chars > note_chars + 1_000)
    assert found == "short" or not joined


def test_a_short_result_takes_one_call_for_each_part(library, host):
    host.answers["llm_query"] = lambda payload: "grass is green"
    assert library.value(f"print(llm_reduce({TASK!r}))") == "grass is green"
    [asked] = host.asked("llm_query")
    assert asked["prompt"].startswith(
        f"{TASK}\n\nReply with the result alone. If the text below holds nothing of it: none.\n\n[document lease-1 | y"
    )
    assert "Plot 7 was lost to the river." in asked["prompt"]


def test_it_reads_the_documents_it_is_given(library, host):
    host.answers["llm_query"] = lambda payload: "None."
    assert library.value(f"print(llm_reduce({TASK!r}, search('river')))") == ""
    [asked] = host.asked("llm_query")
    assert asked["prompt"].endswith("[document note]\nPlot 7 was lost to the river.")


def test_long_notes_are_joined_by_one_more_call(open_repl, host):
    repl = open_repl("the text\n" * 4_000)
    host.answers["llm_query"] = lambda payload: "joined" if joins(payload["prompt"]) else "a note\n" * 200
    assert repl.value(f"print(llm_reduce({TASK!r}))") == "joined"
    *read, join = [asked["prompt"] for asked in host.asked("llm_query")]
    assert len(read) > 2
    assert TASK in join
    assert f"at most {PAGE_CHARS:,} characters" in join
    notes = NOTES.search(join)
    assert notes is not None
    assert notes[1].count("a note") == 200 * len(read)


def test_notes_for_several_calls_are_joined_level_by_level(open_repl, host):
    repl = open_repl("the text\n" * 9_000, sub_call_chars=6_000)
    host.answers["llm_query"] = lambda payload: "joined " * 140 if joins(payload["prompt"]) else "a note\n" * 200
    shown = repl.value(f"print(llm_reduce({TASK!r}))")
    joining = [asked["prompt"] for asked in host.asked("llm_query") if joins(asked["prompt"])]
    assert shown == ("joined " * 140).strip()
    assert len(joining) > 2
    assert [prompt.count("joined ") > 140 for prompt in joining] == [False] * (len(joining) - 1) + [True]


def test_a_part_that_was_not_read_is_named(open_repl, host):
    repl = open_repl("a" * 7_000 + "\n" + "b" * 7_000)

    host.answers["llm_query"] = lambda payload: (
        HostRefusalError("failed", "no reply within 600 s") if "b" * 100 in payload["prompt"] else "a colour"
    )
    assert repl.value(f"print(llm_reduce({TASK!r}))") == "a colour\n[part 2 of 2 was not read: no reply within 600 s]"


def test_notes_that_cannot_be_joined_stay_as_they_are(open_repl, host):
    repl = open_repl("the text\n" * 4_000)
    host.answers["llm_query"] = lambda payload: (
        HostRefusalError("failed", "gone") if joins(payload["prompt"]) else "a note\n" * 300
    )
    kept = int(repl.value(f"llm_reduce({TASK!r}).count('a note')"))
    reads = [asked for asked in host.asked("llm_query") if not joins(asked["prompt"])]
    assert kept == 300 * len(reads) > 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            "llm_reduce([], 'x')",
            "TypeError: instruction: list is not a str; it is the first argument; nothing was sent",
        ),
        ("llm_reduce('')", "TypeError: instruction: pass a str that is not empty; nothing was sent"),
        ("llm_reduce('x', 'no-such-id')", "KeyError: 'no document has the id"),
        (
            "llm_reduce('x' * 9_700)",
            "ValueError: instruction has 9,700 characters, and a sub-call takes 10,000 with the text; nothing was "
            "sent; pass the text as docs",
        ),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_sent(library, host, call, message):
    assert library.failure(call).replace('"', "'").startswith(message)
    assert host.asked("llm_query") == []


def test_where_no_part_was_read_it_raises(library, host):
    host.answers["llm_query"] = lambda payload: HostRefusalError("failed", "gone")
    assert library.failure(f"llm_reduce({TASK!r})") == "SubCallError: llm_reduce: no part was read: gone"
