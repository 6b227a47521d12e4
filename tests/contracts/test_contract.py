"""What every sandbox keeps of the contract in `core/sandbox.py`."""

from __future__ import annotations

import asyncio

import pytest

from rlm_integrations.core.document import Document
from rlm_integrations.core.sandbox import HostCall, ReplLost, StepDone

ODD = "CRLF\r\nNUL\0 astral 😀 中文 é\x85\u2028 end"


async def test_state_lasts_over_steps_and_errors(open_session):
    session = await open_session()
    done = await session.run(
        "def double(n): return 2 * n\nkept = [1]", "kept.append(double(4))\n1 / 0\nkept.append(3)", "9"
    )
    assert isinstance(done, StepDone)
    assert done.error is not None
    assert (done.error.block, done.error.line, done.error.source) == (2, 2, "1 / 0")
    assert (done.error.kind, done.error.message) == ("raised", "ZeroDivisionError: division by zero")
    assert done.blocks_run == 2
    assert await session.value("kept") == "[1, 8]"


LINES = {
    "raised in a function of an earlier step": (
        "def fail(n):\n    return {}[n]",
        "x = 1\nfail('a')",
        2,
        "KeyError: 'a'",
    ),
    "in the shown value": ("", "x = 1\n\n(x +\n 'a')", 3, "TypeError: unsupported operand type(s) for +"),
    "asked of a function of ours": ("", "\nsearch('(')", 2, "error: missing ), unterminated subpattern"),
    "told by an assert": ("", "x = 2\nassert x == 3, 'no'", 2, "AssertionError: no"),
}


@pytest.mark.parametrize("case", LINES)
async def test_an_error_names_the_line_of_the_models_own_code(open_session, case):
    before, code, line, message = LINES[case]
    session = await open_session("text")
    done = await session.run(before)
    done = await session.run(code)
    assert isinstance(done, StepDone)
    assert done.error is not None
    assert done.error.line == line
    assert done.error.message.startswith(message)


async def test_code_that_does_not_compile_runs_not_at_all(open_session):
    session = await open_session()
    done = await session.run("print('begun')\nx = = 2")
    assert isinstance(done, StepDone)
    assert done.error is not None
    assert (done.error.kind, done.error.line, done.output.empty) == ("syntax", 2, True)
    assert done.error.message.startswith("SyntaxError: ")


async def test_output_keeps_head_and_tail(open_session):
    session = await open_session(max_output_chars=1_000)
    done = await session.run("for n in range(1_000): print(n)")
    assert isinstance(done, StepDone)
    whole = "".join(f"{n}\n" for n in range(1_000))
    assert done.output.head + done.output.tail == whole[:600] + whole[-400:]
    assert done.output.cut_chars == len(whole) - 1_000


SHOWN = {
    "1; 2": "2",
    "'a text'": "a text",
    "None": "",
    "x = 5": "",
    "['a', {'b': (1,)}, None]": "['a', {'b': (1,)}, None]",
    "print('out')\nprint('more', 2, sep='-')\n7": "out\nmore-2\n7",
    "context[:4]  # a comment": "text",
    "import sys\nprint('said', file=sys.stderr)": "said",
    "x = 3\nf'{x:>4}|'": "   3|",
}


@pytest.mark.parametrize("code", SHOWN)
async def test_what_is_printed_and_the_last_value_are_shown(open_session, code):
    session = await open_session("text of the corpus")
    assert await session.value(code) == SHOWN[code].strip()


async def test_a_giant_value_is_shown_in_part(open_session):
    session = await open_session(max_output_chars=500)
    assert (await session.value("[1] * 100_000")).endswith("(list of 100,000 items)")
    assert (await session.value("'x' * 100_000 + '|', 2")).endswith("… (tuple of 2 items)")


ANSWERS = {
    "a text": ("answer['content'] = 'done'\nanswer['ready'] = True", ("done", False)),
    "FINAL": ("FINAL('done')", ("done", False)),
    "FINAL_VAR": ("found = ['a', 1]\nFINAL_VAR('found')", ('["a", 1]', True)),
    "other keys": ("FINAL({1: {2}, 'b': (None,)})", ('{"1": [2], "b": [null]}', True)),
}


@pytest.mark.parametrize("case", ANSWERS)
async def test_an_answer_ends_the_step(open_session, case):
    code, expected = ANSWERS[case]
    session = await open_session()
    done = await session.run(code, "print('not reached')")
    assert isinstance(done, StepDone)
    assert (done.answer.ready, done.answer.refused, done.blocks_run) == (True, None, 1)
    assert (done.answer.content, done.answer.is_json) == expected


REFUSED = {
    "empty": ("answer['ready'] = True", "is empty"),
    "raised": ("FINAL('x')\n1 / 0", "the block raised"),
    "replaced by a text": ("answer = 'done'", "`answer` was replaced by a str; it is now"),
    "replaced by something else": ("answer = len", "it is an empty dict again"),
    "holding itself": ("loop = []\nloop.append(loop)\nFINAL(loop)", "cannot be written as JSON"),
    "a failed sub-call": ("FINAL(llm_query_batched(['fail'])[0])", "is a sub-call that failed (no luck)"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_an_answer_that_cannot_be_taken_is_refused(open_session, case):
    code, reason = REFUSED[case]
    session = await open_session(answer=lambda call: 1 if call.name == "reserve" else None)
    outcome = None
    async for event in session.repl.step([code]):
        if not isinstance(event, HostCall):
            outcome = event
        elif event.name == "reserve":
            session.repl.reply(event.id, 1)
        else:
            session.repl.refuse(event.id, "failed", "no luck")
    assert isinstance(outcome, StepDone)
    assert not outcome.answer.ready
    assert reason in (outcome.answer.refused or "")
    done = await session.run("answer['content'] = 'now'", "answer['ready'] = True")
    assert isinstance(done, StepDone)
    assert (done.answer.ready, done.answer.content) == (True, "now")


async def test_new_and_changed_variables_are_told(open_session):
    session = await open_session("text")
    done = await session.run(
        "import re\nfrom collections import Counter\ndef helper(): pass\nfor i in range(3): pass\n"
        "names = ['a', 'b']\ncounts = {'a': 1}\ntext = 'xyz'\nn, half, no, _hidden = 3, 0.5, None, 1"
    )
    assert isinstance(done, StepDone)
    assert sorted(done.variables) == sorted(
        [
            *("helper: function", "names: list[str] 2", "counts: dict 1", "text: str 3 chars", "n: int 3"),
            *("half: float 0.5", "no: None"),
        ]
    )
    done = await session.run("names.append('c')\nn = 3")
    assert isinstance(done, StepDone)
    assert done.variables == ("names: list[str] 3",)
    assert "counts: dict 1" in await session.value("print(SHOW_VARS())")
    assert "search" not in await session.value("print(SHOW_VARS())")


async def test_names_of_builtins_may_be_taken(open_session):
    session = await open_session(["a b", "b c"])
    names = "id list str type dict repr sorted iter max min len isinstance range set tuple".split()  # noqa: SIM905
    await session.value("\n".join(f"{name} = 5" for name in names))
    assert (
        await session.value("hits = search('b')\nprint(hits)\nx = [1]")
        == "doc-1@2: a b\ndoc-2@0: b c\n(2 matches in 2 of 2 documents)"
    )
    assert (await session.value("print(SHOW_VARS())")).count("int 5") == len(names)


async def test_calls_are_answered_by_id(open_session):
    session = await open_session(answer=lambda call: 7 if call.name == "reserve" else call.payload["prompt"].upper())
    assert await session.value("[llm_query('one', 'part'), *llm_query_batched(['two', 'three'])]") == (
        "['ONE\\n\\nPART', 'TWO', 'THREE']"
    )
    sent = [(call.name, call.payload) for call in session.calls]
    assert sent == [
        ("llm_query", {"prompt": "one\n\npart", "batch": None, "index": None}),
        ("reserve", {"n": 2}),
        ("llm_query", {"prompt": "two", "batch": 7, "index": 0}),
        ("llm_query", {"prompt": "three", "batch": 7, "index": 1}),
    ]


async def test_a_batch_is_open_all_at_once_and_keeps_its_order(open_session):
    session = await open_session()
    open_: list[HostCall] = []
    async for event in session.repl.step(["print(llm_query_batched([str(n) for n in range(50)]))"]):
        if isinstance(event, StepDone):
            assert event.output.head == f"{[str(n) for n in range(50)]}\n"
        elif event.name == "reserve":
            session.repl.reply(event.id, 1)
        else:
            open_.append(event)
            if len(open_) == 50:
                for call in reversed(open_):
                    session.repl.reply(call.id, call.payload["prompt"])
    assert len(open_) == 50


async def test_a_failed_call_of_a_batch_stands_in_its_place(open_session):
    session = await open_session()
    code = "replies = llm_query_batched(['a', 'b'])\nprint(replies)\n[isinstance(r, FailedSubCall) for r in replies]"
    async for event in session.repl.step([code]):
        if isinstance(event, StepDone):
            assert event.output.head == "['a', '[sub-call failed: no luck]']\n[False, True]\n"
        elif event.payload.get("prompt") == "b":
            session.repl.refuse(event.id, "failed", "no luck")
        else:
            session.repl.reply(event.id, event.payload.get("prompt", 1))


async def test_more_than_a_thousand_calls(open_session):
    session = await open_session()
    assert await session.value("sum([int(llm_query(str(n))) for n in range(1_500)])") == str(sum(range(1_500)))
    assert await session.value("sum(map(int, llm_query_batched([str(n) for n in range(2_500)])))") == str(
        sum(range(2_500))
    )


async def test_refusals_raise_in_the_code(open_session):
    session = await open_session(tools=("look_up",))
    kinds = iter(("type", "value", "budget", "failed"))
    code = (
        "for _ in range(4):\n    try: look_up('x', k={'y': [1]})\n"
        "    except (TypeError, ValueError, RuntimeError) as e: print(e)"
    )
    async for event in session.repl.step([code]):
        if isinstance(event, HostCall):
            assert event.payload == {"name": "look_up", "args": ["x"], "kwargs": {"k": {"y": [1]}}}
            kind = next(kinds)
            session.repl.refuse(event.id, kind, f"no: {kind}")
        else:
            assert isinstance(event, StepDone)
            assert event.output.head.split("\n") == ["no: type", "no: value", "no: budget", "no: failed", ""]


BAD_CALLS = {
    "llm_query(5)": "TypeError: prompt is int, not str; nothing was sent",
    "llm_query(' ')": "ValueError: prompt is empty; nothing was sent",
    "llm_query_batched('one')": "TypeError: prompts is str, not a list of str; nothing was sent",
    "llm_query_batched(['a', None])": "TypeError: prompt 1 is NoneType, not str; nothing was sent",
    "llm_map('say', [3])": "TypeError: item 0 is int, not a str, a document or a match; nothing was sent",
    "search(3)": "TypeError: pattern: int is not a str or a compiled pattern",
    "search('a', docs=3)": "TypeError: docs: int is not an id, a document, a match or a list of these",
    "search('a', docs='doc-x')": "KeyError: ",
    "search('a', limit=-1)": "ValueError: limit: -1 is negative",
    "chunks(size=0)": "ValueError: size: 0 is less than one character",
    "cite('not there')": "ValueError: quote 'not there' does not stand in the corpus",
    "cite(3)": "TypeError: quote: int is not a str",
    "FINAL_VAR('nothing')": "NameError: FINAL_VAR: no variable 'nothing'; SHOW_VARS() lists them",
    "look_up({1, 2})": "TypeError: look_up: arguments must be plain values, lists and dicts",
    "exit(3)": "SystemExit: 3",
}


@pytest.mark.parametrize("code", BAD_CALLS)
async def test_a_bad_call_is_an_error_that_says_so(open_session, code):
    session = await open_session(["one text", "another"], tools=("look_up",), answer=lambda call: None)
    assert (await session.error(code)).startswith(BAD_CALLS[code])
    assert session.calls == []


NO_FILES = " (this session has no files, network or other processes: all there is stands in its variables)"
NO_COMMANDS = " (this is plain Python: it has no ! or % commands, and nothing can be installed)"
NOT_HERE = {
    "open('notes.txt')": NO_FILES,
    "import os\nos.listdir('.')": NO_FILES,
    "from pathlib import Path\nPath('notes.txt').read_text()": NO_FILES,
    "!pip install numpy": NO_COMMANDS,
    "x = 1\n%timeit x": NO_COMMANDS,
}


@pytest.mark.parametrize("code", NOT_HERE)
async def test_what_a_session_has_not_is_refused_in_words(open_session, code):
    assert NOT_HERE[code] in await (await open_session()).error(code)


async def test_a_call_with_too_much_text_for_the_host_is_refused_in_words(open_session):
    session = await open_session(memory_mb=1024, sub_call_chars=100_000_000, answer=lambda call: None)
    error = await session.error("text = 'x' * 68_000_000\nllm_query(text)")
    assert error == "ValueError: too much to be passed to the host: more than 64 MB of text; pass less"
    assert await session.value("len(text)") == "68000000"


async def test_citations_are_made_with_their_place(open_session):
    session = await open_session(["Rent is\n 40 marks.", "é Rent is 55."], answer=lambda call: True)
    assert await session.value("hit = search('55')[0]\nprint(cite('Rent is 40 marks'), cite('55', hit))") == (
        "cited doc-1[0:17] cited doc-2[10:12]"
    )
    assert [call.payload for call in session.calls] == [
        {"document_id": "doc-1", "start": 0, "end": 17, "text": "Rent is\n 40 marks"},
        {"document_id": "doc-2", "start": 10, "end": 12, "text": "55"},
    ]


async def test_a_citation_from_a_text_with_lone_surrogates_is_of_the_original(open_session):
    session = await open_session([{"id": "odd\udcff", "text": "ab \ud800 cd"}], answer=lambda call: True)
    await session.value("cite(context[0]['text'][3:8])")
    assert session.calls[0].payload == {"document_id": "odd\udcff", "start": 3, "end": 7, "text": "\ud800 cd"}


CORPORA = {
    "nothing": (None, "context is None", "True"),
    "a text": (ODD, f"context == {ODD!r}", "True"),
    "a long text": (ODD + "x" * 9_000_000, "len(context), context[-1]", f"({len(ODD) + 9_000_000}, 'x')"),
    "documents": (
        {"a": ODD, "b": ""},
        "context",
        repr([{"id": "a", "text": ODD, "metadata": {}}, {"id": "b", "text": "", "metadata": {}}]),
    ),
    "a long document": (
        {"a": "1", "b": "y" * 9_000_000, "c": "3"},
        "[len(d['text']) for d in context]",
        "[1, 9000000, 1]",
    ),
    "metadata": (
        [{"text": "x", "metadata": {"n": [1, 2.5, None, True, "é"], "d": {"k": "v"}}}],
        "context[0]['metadata']",
        "{'n': [1, 2.5, None, True, 'é'], 'd': {'k': 'v'}}",
    ),
    "lone surrogates": ("a\ud800b", "len(context), context[0], context[2]", "(3, 'a', 'b')"),
}


@pytest.mark.parametrize("kind", CORPORA)
async def test_the_corpus_arrives(open_session, kind):
    context, code, shown = CORPORA[kind]
    assert await (await open_session(context)).value(code) == shown


async def test_retrieved_documents_stand_behind_the_corpus(open_session):
    session = await open_session({"a": "1"}, retrieved=(Document("hit", "9", {"s": 1}),))
    assert await session.value("[d['id'] for d in context], context[-1]['metadata']") == "(['a', 'hit'], {'s': 1})"


async def test_retrieve_appends_what_is_new(open_session):
    found = [{"id": "new", "text": "fresh \ud800 text", "metadata": {}}, {"id": "a", "text": "1", "metadata": {}}]
    session = await open_session(
        {"a": "1"}, retriever=True, answer=lambda call: found if call.name == "retrieve" else True
    )
    assert await session.value(
        "print([d['id'] for d in retrieve('q')], len(context), len(retrieve('q')), len(context))"
    ) == ("['new', 'a'] 2 2 2")
    assert await session.value("print(search('fresh')[0].id, cite('fresh', 'new'))") == "new cited new[0:5]"


async def test_only_a_run_with_sub_calls_has_them(open_session):
    session = await open_session("text", depth=0)
    assert (await session.error("llm_query('x')")).startswith("NameError: name 'llm_query' is not defined")
    assert (await session.error("retrieve('x')")).startswith("NameError: name 'retrieve' is not defined")


ENDLESS = {
    "a loop": "while True: pass",
    "a regular expression of ours": "search('(a+)+$', 'a' * 50 + 'b')",
}


def _how_it_was_ended(outcome, limit, remedy=""):
    """Whether the limit is named in the words of a sandbox that interrupts, or of one that can only kill."""
    if isinstance(outcome, ReplLost):
        return outcome.reason == f"{limit}, and it could not be interrupted{remedy}"
    return (outcome.error.kind, outcome.error.message) == ("interrupted", f"stopped: {limit}{remedy}")


@pytest.mark.parametrize("kind", ENDLESS)
async def test_code_that_does_not_end_is_ended(open_session, kind):
    session = await open_session(step_timeout_s=0.3)
    outcome = await session.run("print('begun')", ENDLESS[kind])
    assert outcome.output.head == "begun\n"
    limit = "it ran for 0.3 s, the limit of a step (waiting for calls not counted)"
    assert _how_it_was_ended(outcome, limit, "; do less in one step, or in a faster way")


async def test_variables_last_after_a_step_over_its_time(open_session):
    session = await open_session(step_timeout_s=0.2)
    await session.run("kept = 42")
    await session.run("kept += 1\nwhile True: pass")
    assert await session.value("kept") == "43"


async def test_the_clock_stands_still_while_a_call_is_open(open_session):
    session = await open_session(step_timeout_s=0.5, answer=lambda call: None)
    async for event in session.repl.step(["print([llm_query('x') for _ in range(2)])"]):
        if isinstance(event, HostCall):
            await asyncio.sleep(0.4)
            session.repl.reply(event.id, "late")
        else:
            assert isinstance(event, StepDone)
            assert event.output.head == "['late', 'late']\n"


async def test_the_time_of_the_run_ends_a_step_that_waits_for_a_call(open_session):
    session = await open_session(answer=lambda call: None)
    outcome = await session.run("llm_query('never answered')", seconds_left=0.2)
    assert _how_it_was_ended(outcome, "the time of the whole run was over")


MEMORY_EATERS = {
    "one text": "eaten = 'a' * (3 << 30)",
    "many small ones": "eaten = []\nwhile True: eaten.append('a' * 100_000 + str(len(eaten)))",
    "tiny objects": "eaten = {}\nn = 0\nwhile True:\n    eaten[n] = [n]\n    n += 1",
}


@pytest.mark.parametrize("kind", MEMORY_EATERS)
async def test_too_much_memory_raises_and_the_session_survives(open_session, kind):
    session = await open_session(memory_mb=128)
    await session.run("kept = 42")
    assert (await session.error(MEMORY_EATERS[kind])).startswith("MemoryError")
    await session.run("eaten = None")
    assert await session.value("kept, len('b' * (64 << 20))") == f"(42, {64 << 20})"


async def test_close_is_possible_at_any_time_and_twice(open_session):
    session = await open_session()
    await session.repl.close()
    await session.repl.close()
    assert await session.death("1") == "it was closed"
    running = await open_session()
    step = asyncio.ensure_future(running.run("while True: pass"))
    await asyncio.sleep(0)
    await running.repl.close()
    assert (await step).reason == "it was closed"


async def test_leaving_a_step_early_loses_the_session(open_session):
    session = await open_session()
    step = session.repl.step(["print(llm_query('x'))\nwhile True: pass"])
    assert isinstance(await anext(step), HostCall)
    await step.aclose()
    assert await session.death("1") == "the step was abandoned"


async def test_cancelling_the_task_loses_the_session(open_session, until):
    session = await open_session(answer=lambda call: None)
    task = asyncio.ensure_future(session.run("llm_query('never answered')"))
    await until(lambda: len(session.calls) == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await session.death("1") == "the step was abandoned"


async def test_steps_do_not_overlap(open_session):
    session = await open_session(answer=lambda call: None)
    first = session.repl.step(["llm_query('x')"])
    await anext(first)
    with pytest.raises(RuntimeError, match="steps never overlap"):
        await anext(session.repl.step(["1"]))
    await first.aclose()


async def test_replies_that_nobody_waits_for_do_no_harm(open_session):
    session = await open_session(answer=lambda call: object(), tools=("look_up",))
    session.repl.reply(12345, "x")
    session.repl.refuse(12345, "failed", "x")
    assert "object is not a JSON value" in await session.error("look_up()")
    assert await session.value("1 + 1") == "2"
