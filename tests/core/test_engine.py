"""What a run does, end to end: scripted models, the real REPL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from rlm_integrations import Completion, Message, RLMEngine, RLMLimits, Usage
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.trace.events import Event, RunEnded, Warned
from rlm_integrations.core.trace.run_errors import LimitReachedError, RunError
from rlm_integrations.testing import ScriptedModel

NOTES = {"a": "The kiln was lit on Monday.", "b": "The kiln went out on Friday.", "c": "Nothing happened."}
LONG = "".join(f"line {n}: nothing to see\n" for n in range(2_000)) + "the code word is HERON\n"


def repl(code: str) -> str:
    return f"Some thought.\n\n```repl\n{code}\n```"


def finish(expression: str) -> str:
    return repl(f'answer["content"] = {expression}\nanswer["ready"] = True')


def test_the_answer_is_what_the_code_set() -> None:
    with ScriptedModel([repl("hits = search('code word')\nhits"), finish("hits[0].line.split()[-1]")]) as llm:
        result = RLMEngine(llm).run("What is the code word?", LONG)
    assert result.answer == result.text == "HERON"
    assert result.stop_reason == "answer"
    assert [iteration.number for iteration in result.trace.iterations] == [1, 2]


def test_the_root_sees_of_a_long_corpus_what_its_code_printed_and_a_sample() -> None:
    secret = "the code word is HERON"
    documents = [LONG.replace(secret, f"filler {n}") for n in range(30)] + [f"{'x' * 50_000} {secret}"]
    with ScriptedModel([repl("print(len(context))"), finish("'seen'")]) as llm:
        RLMEngine(llm).run("What is the code word?", documents)
    shown = "\n".join(message.content for message in llm.requests[-1])
    assert secret not in shown
    assert sum(len(document) for document in documents) > 1_000_000
    assert len(shown) < 10_000


def test_a_short_corpus_is_shown_whole_and_a_plain_reply_answers() -> None:
    with ScriptedModel(["On Monday."]) as llm:
        result = RLMEngine(llm).run("When was the kiln lit?", NOTES)
    assert (result.answer, result.stop_reason) == ("On Monday.", "plain_reply")
    assert NOTES["b"] in llm.requests[0][-1].content


def test_without_a_corpus_a_plain_reply_answers() -> None:
    with ScriptedModel(["4"]) as llm:
        assert RLMEngine(llm).run("What is 2 + 2?").answer == "4"


def test_a_reply_without_code_is_told_so_once_and_the_second_is_the_answer() -> None:
    with ScriptedModel(["I think HERON.", "HERON"]) as llm, pytest.warns(RuntimeWarning, match="no code ran"):
        result = RLMEngine(llm).run("What is the code word?", LONG)
    assert (result.answer, result.stop_reason) == ("HERON", "plain_reply")
    assert "no code ran" in llm.requests[1][-1].content


@pytest.mark.parametrize("replies", [["I think so.", "yes"], ["FINAL(yes)"]])
def test_an_answer_for_which_nothing_was_read_is_warned_of(replies: list[str]) -> None:
    events: list[Event] = []
    with ScriptedModel(replies) as llm, pytest.warns(RuntimeWarning) as warned:
        result = RLMEngine(llm, on_event=events.append).run("Is there a code word?", LONG)
    assert result.answer == "yes"
    [warning] = [str(each.message) for each in warned]
    assert warning.startswith("no code ran: the root LM answered “Is there a code word?” without reading the corpus")
    assert result.trace.warnings == [warning]
    assert [event.kind for event in events if isinstance(event, Warned)] == ["nothing_read"]


@pytest.mark.parametrize(("context", "limits"), [(None, {}), (NOTES, {}), (LONG, {"inline_chars": len(LONG)})])
def test_of_what_was_shown_whole_a_plain_reply_is_an_answer_like_any_other(
    context: Any, limits: dict[str, int], recwarn: pytest.WarningsRecorder
) -> None:
    with ScriptedModel(["yes"]) as llm:
        assert RLMEngine(llm, limits=limits).run("Is there a code word?", context).answer == "yes"
    assert list(recwarn) == []


def test_a_plain_reply_after_code_that_looked_is_not_warned_of(recwarn: pytest.WarningsRecorder) -> None:
    with ScriptedModel([repl("print(search('code word'))"), "yes", "yes"]) as llm:
        assert RLMEngine(llm).run("Is there a code word?", LONG).answer == "yes"
    assert list(recwarn) == []


def test_sub_calls_see_their_prompt_and_nothing_else() -> None:
    root = ScriptedModel([repl("r = llm_query('Which day?', context[0]['text'])\nprint(r)"), finish("r")])
    sub = ScriptedModel(["Monday"])
    with root, sub:
        result = RLMEngine(root, sub_llm=sub, limits={"inline_chars": 0}).run("When was the kiln lit?", NOTES)
    assert result.answer == "Monday"
    system, asked = sub.requests[0]
    assert (system.role, asked.role) == ("system", "user")
    assert asked.content == "Which day?\n\nThe kiln was lit on Monday."
    [call] = result.trace.executions[0].sub_calls
    assert (call.prompt, call.reply, call.batch) == (asked.content, "Monday", None)


def test_a_batch_keeps_order_and_the_others_when_one_fails() -> None:
    def reply(messages: Sequence[Message]) -> str:
        prompt = messages[-1].content
        if prompt == "p3":
            raise ConnectionError("reset by peer")
        return prompt.upper()

    code = "r = llm_query_batched([f'p{i}' for i in range(6)])\nfailed = [isinstance(x, FailedSubCall) for x in r]"
    with ScriptedModel([repl(code), finish("[r[0], r[5], failed.index(True), sum(failed)]")]) as root:
        result = RLMEngine(root, sub_llm=ScriptedModel(always=reply)).run("?", LONG)
    assert result.text == '["P0", "P5", 3, 1]'
    told = root.requests[1][-1].content
    assert "1 of 6 sub-calls failed, at index 3 (ConnectionError: reset by peer)" in told
    assert result.trace.failed_sub_call_count == 1


def test_usage_is_the_sum_over_the_tree() -> None:
    root = ScriptedModel(
        [repl("r = llm_query_batched(['a', 'b', 'c'])"), finish("'done'")],
        usage=Usage(input_tokens=100, output_tokens=10, cached_tokens=50),
    )
    sub = ScriptedModel(always=lambda messages: Completion("x", Usage(input_tokens=5, output_tokens=1, cost_usd=0.5)))
    result = RLMEngine(root, sub_llm=sub).run("?", LONG)
    assert result.usage == Usage(input_tokens=215, output_tokens=23, cached_tokens=100, cost_usd=1.5)
    assert result.trace.root_usage.input_tokens == 200


def test_citations_are_compared_with_the_hosts_copy() -> None:
    code = (
        "cite('lit on  Monday', 'a')\ntry:\n    cite('lit on Tuesday')\nexcept ValueError as error:\n    print(error)"
    )
    with ScriptedModel([repl(code), finish("'Monday'")]) as llm:
        result = RLMEngine(llm, limits={"inline_chars": 0}).run("When?", NOTES)
    [citation] = result.citations
    assert NOTES["a"][citation.start_index : citation.end_index] == citation.cited_text == "lit on Monday"
    assert citation.document_id == "a"
    assert result.sources[0] == "a"
    assert "letter for letter" in llm.requests[1][-1].content


def test_an_error_shows_the_line_and_keeps_what_ran() -> None:
    with ScriptedModel([repl("x = 41\nprint('before')\ncontext['nothing']"), finish("x + 1")]) as llm:
        result = RLMEngine(llm).run("?", LONG)
    told = llm.requests[1][-1].content
    assert "Error at line 3: TypeError" in told
    assert "context['nothing']" in told
    assert "before" in told
    assert result.text == "42"


def test_an_error_after_ready_takes_it_back() -> None:
    first = 'answer["content"] = "wrong"\nanswer["ready"] = True\nassert False, "checked"'
    with ScriptedModel([repl(first), finish("'right'")]) as llm:
        result = RLMEngine(llm).run("?", LONG)
    assert result.answer == "right"
    assert "ready is False again" in llm.requests[1][-1].content


def test_final_works_in_code_and_as_plain_text() -> None:
    for replies, expected in (
        ([repl("FINAL('one')")], "one"),
        ([repl("x = 'two'\nFINAL_VAR('x')")], "two"),
        ([repl("x = 'three'"), "FINAL_VAR(x)"], "three"),
        (["FINAL(four)"], "four"),
        ([repl("x = 'five'"), "FINAL(x)"], "five"),
        ([repl("x = 'six'") + "\n\nFINAL(x)"], "six"),
    ):
        with ScriptedModel(replies) as llm:
            result = RLMEngine(llm).run("?", LONG)
        assert (result.answer, result.stop_reason) == (expected, "answer")


def test_several_blocks_run_in_order_until_one_sets_ready() -> None:
    reply = repl("x = [1]") + "\nThen:\n```python\nx.append(2)\n```\n" + finish("x") + "\n```py\nx.append(3)\n```"
    with ScriptedModel([reply]) as llm:
        assert RLMEngine(llm).run("?", LONG).text == "[1, 2]"


def test_at_a_limit_the_root_gets_one_last_call() -> None:
    with ScriptedModel([repl("x = 1"), repl("y = 2"), "The best I have."]) as llm:
        result = RLMEngine(llm, limits={"max_iterations": 2}).run("?", LONG)
    assert (result.answer, result.stop_reason) == ("The best I have.", "max_iterations")
    assert "the limit of 2 steps" in llm.requests[-1][-1].content
    assert result.trace.iterations[-1].last_call


def test_the_last_reply_may_be_code_that_answers_from_variables() -> None:
    with ScriptedModel([repl("x = 'kept'"), finish("x")]) as llm:
        result = RLMEngine(llm, limits={"max_iterations": 1}).run("?", LONG)
    assert (result.answer, result.stop_reason) == ("kept", "max_iterations")


def test_on_limit_raise_carries_the_result_and_warns_of_nothing(recwarn: pytest.WarningsRecorder) -> None:
    with (
        ScriptedModel([repl("x = 1"), "Perhaps."]) as llm,
        pytest.raises(LimitReachedError, match="max_iterations") as caught,
    ):
        RLMEngine(llm, limits={"max_iterations": 1}, on_limit="raise").run("?", LONG)
    assert caught.value.result is not None
    assert caught.value.result.answer == "Perhaps."
    assert (list(recwarn), caught.value.result.trace.warnings) == ([], [])


@pytest.mark.parametrize(
    ("code", "last", "limits", "told"),
    [
        (
            "x = 1",
            "Perhaps.",
            {"max_iterations": 1},
            "the limit of 1 step (max_iterations), and its answer is the root",
        ),
        (
            "x = 'Perhaps.'",
            finish("x"),
            {"max_iterations": 1},
            "answer is the root LM's word in one last call; pass on_",
        ),
        ("answer['content'] = 'Perhaps.'", "", {"max_iterations": 1}, "answer is the unfinished draft that stood in"),
        ("answer['content'] = 'Perhaps.'", OSError("down"), {"max_iterations": 1}, "answer is the unfinished draft"),
        ("x = 1", "Perhaps.", {"max_total_tokens": 1}, "reached the limit of 1 tokens (max_total_tokens), and its"),
    ],
)
async def test_an_answer_after_a_limit_is_warned_of_once(
    code: str, last: str | Exception, limits: dict[str, int], told: str
) -> None:
    events: list[Event] = []
    llm = ScriptedModel([repl(code), last], usage=Usage(input_tokens=1))
    engine = RLMEngine(llm, limits=limits, on_event=events.append)
    with pytest.warns(RuntimeWarning) as warned:
        result = await engine.arun("Which\nkiln? " + "x" * 500, LONG)
    assert result.answer == "Perhaps."
    [warning] = [str(each.message) for each in warned]
    assert warning.startswith("a limit was met: the run for “Which kiln? xxx")
    assert told in warning
    assert warning.endswith('pass on_limit="raise" to have LimitReachedError in its place')
    assert len(warning) < 350
    assert result.trace.warnings == [warning]
    assert [event.message for event in events if isinstance(event, Warned)] == [warning]
    assert isinstance(events[-1], RunEnded)


def test_a_run_that_ends_of_itself_warns_of_nothing(recwarn: pytest.WarningsRecorder) -> None:
    result = RLMEngine(ScriptedModel([finish("1")]), limits={"max_iterations": 1}).run("?", LONG)
    assert RLMEngine(ScriptedModel(["Monday."])).run("?", NOTES).stop_reason == "plain_reply"
    assert (list(recwarn), result.trace.warnings) == ([], [])


def test_tokens_are_bounded_over_the_tree() -> None:
    root = ScriptedModel([repl("llm_query('x')"), "Late."], usage=Usage(input_tokens=10))
    sub = ScriptedModel(["y"], usage=Usage(input_tokens=1_000))
    with root, sub:
        result = RLMEngine(root, sub_llm=sub, limits={"max_total_tokens": 500}).run("?", LONG)
    assert (result.answer, result.stop_reason) == ("Late.", "max_total_tokens")


def test_sub_calls_are_exact_and_an_oversized_batch_sends_nothing() -> None:
    code = "try:\n    llm_query_batched(['p'] * 6)\nexcept SubCallLimitError as error:\n    print(error)"
    more = "r = llm_query_batched(['p'] * 5)"
    with ScriptedModel([repl(code), repl(more), repl("llm_query('one more')"), finish("len(r)")]) as root:
        sub = ScriptedModel(always=lambda messages: "ok")
        result = RLMEngine(root, sub_llm=sub, limits={"max_sub_calls": 5}).run("?", LONG)
    assert len(sub.requests) == 5
    assert "6 sub-calls asked for, 5 left; nothing was sent" in root.requests[1][-1].content
    assert (result.text, result.stop_reason) == ("5", "max_sub_calls")


def test_a_cost_limit_needs_a_model_that_reports_cost() -> None:
    with pytest.raises(RunError, match="max_cost_usd") as caught:
        RLMEngine(ScriptedModel([finish("1")]), limits={"max_cost_usd": 1.0}).run("?", LONG)
    assert caught.value.result is not None
    assert caught.value.result.usage.total_tokens > 0
    priced = ScriptedModel([repl("x = 1"), "dear"], usage=Usage(input_tokens=1, cost_usd=2.0))
    result = RLMEngine(priced, limits={"max_cost_usd": 1.0}).run("?", LONG)
    assert (result.answer, result.stop_reason) == ("dear", "max_cost")


def test_depth_0_offers_no_sub_calls() -> None:
    with ScriptedModel([repl("llm_query('x')"), finish("'alone'")]) as llm:
        result = RLMEngine(llm, limits=RLMLimits(max_depth=0)).run("?", LONG)
    assert "llm_query" not in llm.requests[0][0].content
    assert "NameError" in llm.requests[1][-1].content
    assert "sub-calls" not in llm.requests[1][-1].content
    assert result.answer == "alone"


class Found(BaseModel):
    word: str
    line: int


def test_a_typed_answer_is_validated_and_a_misfit_told() -> None:
    with ScriptedModel([finish("{'word': 'HERON'}"), finish("{'word': 'HERON', 'line': 2001}")]) as llm:
        result = RLMEngine(llm, answer_type=Found).run("?", LONG)
    assert result.answer == Found(word="HERON", line=2001)
    assert result.text == '{"word":"HERON","line":2001}'
    assert "line: Field required" in llm.requests[1][-1].content
    assert '"word"' in llm.requests[0][-1].content


def test_tools_run_in_the_host_and_are_described() -> None:
    seen: list[object] = []

    def lookup(name: str, years: list[int]) -> dict[str, object]:
        """Look a name up in the register."""
        seen.append((name, years))
        return {"name": name, "sum": sum(years)}

    async def shout(text: str) -> str:
        """Make it loud."""
        return text.upper()

    with ScriptedModel([repl("a = lookup('Ada', years=[1, 2])\nb = shout('x')"), finish("[a['sum'], b]")]) as llm:
        result = RLMEngine(llm, tools=[lookup, shout]).run("?", LONG)
    assert result.text == '[3, "X"]'
    assert seen == [("Ada", [1, 2])]
    assert "lookup(name: str, years: list[int])" in llm.requests[0][0].content.replace("'", "")
    assert [call.name for call in result.trace.executions[0].host_calls] == ["lookup", "shout"]


def test_a_tool_that_raises_is_told() -> None:
    def broken() -> None:
        """Always fails."""
        raise ZeroDivisionError("no")

    with ScriptedModel([repl("broken()"), finish("'ok'")]) as llm:
        assert RLMEngine(llm, tools=[broken]).run("?", LONG).answer == "ok"
    assert "broken: ZeroDivisionError: no" in llm.requests[1][-1].content


@dataclass
class Shelf:
    """A retriever over a few notes."""

    def found(self, query: str) -> list[Document]:
        return [Document(name, text) for name, text in NOTES.items() if any(word in text for word in query.split())]

    async def retrieve(self, query: str) -> list[Document]:
        return self.found(query)


def test_a_retriever_is_a_sample_and_brings_more() -> None:
    code = "n = len(context)\nmore = retrieve('Friday')\nhits = search('Friday')"
    with ScriptedModel([repl(code), finish("[n, len(more), len(context), hits[0].id]")]) as llm:
        result = RLMEngine(llm).run("What of Monday", Shelf())
    assert result.text == '[1, 1, 2, "b"]'
    assert "sample" in llm.requests[0][-1].content
    assert [call.name for call in result.trace.executions[0].host_calls] == ["retrieve"]


def test_an_overlong_message_becomes_a_document_in_its_place() -> None:
    stuffed = f"Answer from this alone.\n{LONG}"
    question = [Message("system", stuffed), Message("user", "What is the code word?")]
    with ScriptedModel([finish("search('code word')[0].line.split()[-1]")]) as llm:
        result = RLMEngine(llm).run(question)
    assert result.answer == "HERON"
    system, first = llm.requests[0]
    assert (system.role, first.role) == ("system", "user")
    _, mark, before = system.content.partition("\n\n(This message has")
    assert mark
    assert "Answer from this alone." in before
    assert len(before) < 5_000


def test_history_keeps_its_roles_and_places() -> None:
    history = [Message("user", "Hello"), Message("assistant", "Hi"), Message("user", "What is the code word?")]
    with ScriptedModel([finish("'HERON'")]) as llm:
        RLMEngine(llm).run(history, LONG)
    assert [message.role for message in llm.requests[0]] == ["system", "user", "assistant", "user"]
    assert llm.requests[0][1].content == "Hello"


def test_files_and_folders_are_documents_named_by_their_paths(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "one.txt").write_bytes(b"first\r\nsecond")
    (tmp_path / "notes" / "picture.png").write_bytes(b"\x89PNG\0\0")
    read = finish("[(d['id'].rsplit('/', 1)[-1], d['text']) for d in context]")
    with ScriptedModel([read]) as llm, pytest.warns(UserWarning, match="skipped 1 binary"):
        result = RLMEngine(llm, limits={"inline_chars": 0}).run("?", tmp_path / "notes")
    assert result.text == '[["one.txt", "first\\r\\nsecond"]]'


def test_instructions_are_added_and_a_system_prompt_replaces() -> None:
    with ScriptedModel(["x"]) as llm:
        RLMEngine(llm, instructions="Answer in Welsh.").run("?")
    assert "Answer in Welsh." in llm.requests[0][0].content
    assert "`context`" in llm.requests[0][0].content
    with ScriptedModel(["x"]) as llm:
        RLMEngine(llm, system_prompt="You are terse.").run("?")
    assert llm.requests[0][0].content == "You are terse."
    with ScriptedModel(["x"]) as llm:
        RLMEngine(llm, system_prompt="You are terse.", instructions="Answer in Welsh.").run("?")
    assert llm.requests[0][0].content == "You are terse.\n\nFurther instructions:\nAnswer in Welsh."


@pytest.mark.parametrize("bad", ["", "   ", [], [Message("system", "only")]])
def test_a_question_that_asks_nothing_is_refused(bad: str | list[Message]) -> None:
    with pytest.raises(InvalidArgumentError, match="question"):
        RLMEngine(ScriptedModel()).run(bad, LONG)


def test_many_matches_are_printed_within_bounds_and_with_their_total() -> None:
    with ScriptedModel([repl("search('nothing', around=400, limit=None)"), finish("'x'")]) as llm:
        RLMEngine(llm).run("?", LONG)
    assert "(2,000 matches)" in llm.requests[1][-1].content
    assert "characters cut" not in llm.requests[1][-1].content


def test_a_lazy_loader_is_a_corpus() -> None:
    def load() -> Iterator[dict[str, object]]:
        for n in range(3):
            yield {"id": f"n{n}", "text": f"note {n}", "metadata": {"n": n}}

    with ScriptedModel([finish("[d['metadata']['n'] for d in context]")]) as llm:
        assert RLMEngine(llm, limits={"inline_chars": 0}).run("?", load()).text == "[0, 1, 2]"
