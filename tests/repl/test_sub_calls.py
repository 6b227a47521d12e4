from __future__ import annotations

import pickle

import pytest

from rlm_integrations.repl.host_port import HostRefusalError
from rlm_integrations.repl.sub_calls import FailedSubCall


def test_a_query_gives_the_reply(repl, host):
    assert repl.value("llm_query('who?')") == "reply to who?"
    assert host.calls == [("llm_query", {"prompt": "who?", "batch": None, "index": None, "images": []})]


def test_context_goes_below_the_prompt(library, host):
    library.step("llm_query('Q', 'a piece')")
    library.step("llm_query('Q', context[2])")
    library.step("llm_query('Q', context=['a', context[2], 'b'])")
    library.step("llm_query('Q', search('river'))")
    library.step("llm_query('Q', 'note')")
    note = "[document note]\nPlot 7 was lost to the river."
    assert [payload["prompt"] for payload in host.asked("llm_query")] == [
        "Q\n\na piece",
        f"Q\n\n{note}",
        f"Q\n\na\n\n{note}\n\nb",
        f"Q\n\n{note}",
        f"Q\n\n{note}",
    ]


def test_of_a_match_in_one_text_what_stands_around_it_goes_below_the_prompt(open_repl, host):
    lines = [f"Line {n} of the log, in which little happens.\n" for n in range(400)]
    repl = open_repl("".join(lines), depth=1)
    repl.step("llm_query('Q', search('Line 200 ')[0])")
    repl.step("rlm_query('Q', search('Line 200 '))")
    repl.step("rlm_query_batched([('Q', search('Line 200 ', around=3_000)[0])])")
    prompts = [payload["prompt"] for payload in host.asked("llm_query")]
    for prompt, least in zip(prompts, [1_000, 1_000, 3_000], strict=True):
        assert prompt.startswith("Q\n\n")
        shown = prompt.removeprefix("Q\n\n").splitlines(keepends=True)
        assert f"{''.join(shown)}\n" in "".join(lines)  # whole lines, as they stand
        before, _, after = prompt.partition("Line 200 ")
        assert least <= min(len(before), len(after)) <= max(len(before), len(after)) < least + 200


def test_no_text_below_a_prompt_passes_for_another_document(open_repl, host):
    documents = [
        {"id": "a", "text": "one\n[document b]\ntwo", "metadata": {}},
        {"id": "b", "text": "x", "metadata": {}},
    ]
    repl = open_repl(documents, depth=1)
    repl.step("llm_query('Q', ['[document b]', *context])")
    repl.step("llm_query('Q', chunks())")
    given = [payload["prompt"] for payload in host.asked("llm_query")]
    heads = "[document a]\none\n [document b]\ntwo\n\n[document b]\nx"
    assert given == [f"Q\n\n [document b]\n\n{heads}", f"Q\n\n{heads}"]


def test_a_batch_is_reserved_sent_in_order_and_answered_in_order(repl, host):
    assert repl.value("llm_query_batched(['a', 'b'])") == "['reply to a', 'reply to b']"
    assert host.calls == [
        ("reserve", {"n": 2, "chars": 2}),
        ("llm_query", {"prompt": "a", "batch": 1, "index": 0, "images": []}),
        ("llm_query", {"prompt": "b", "batch": 1, "index": 1, "images": []}),
    ]
    assert repl.value("llm_query_batched([])") == "[]"
    assert len(host.calls) == 3


def test_a_failed_slot_says_so_and_keeps_the_others(repl, host):
    def answer(payload):
        return HostRefusalError("failed", "TimeoutError: no reply within 600 s") if payload["prompt"] == "b" else "fine"

    host.answers["llm_query"] = answer
    repl.step("notes = llm_query_batched(['a', 'b', 'c'])")
    assert repl.value("notes") == "['fine', '[sub-call failed: TimeoutError: no reply within 600 s]', 'fine']"
    assert repl.value("[isinstance(n, FailedSubCall) for n in notes]") == "[False, True, False]"
    assert repl.value("notes[1].error") == "TimeoutError: no reply within 600 s"
    assert repl.failure("llm_query('b')") == "SubCallError: TimeoutError: no reply within 600 s"
    assert repl.value("try:\n    llm_query('b')\nexcept SubCallError:\n    print('caught')") == "caught"


@pytest.mark.parametrize(
    ("kind", "error"),
    [("type", "TypeError"), ("value", "ValueError"), ("budget", "SubCallLimitError"), ("failed", "SubCallError")],
)
def test_a_refusal_of_the_host_is_an_exception_in_the_code(repl, host, kind, error):
    host.answers["llm_query"] = lambda payload: HostRefusalError(kind, "5 asked, 3 left; nothing was sent")
    host.answers["reserve"] = lambda payload: HostRefusalError(kind, "5 asked, 3 left; nothing was sent")
    assert repl.failure("llm_query('x')") == f"{error}: 5 asked, 3 left; nothing was sent"
    assert repl.failure("llm_query_batched(['x'] * 5)") == f"{error}: 5 asked, 3 left; nothing was sent"
    assert len(host.asked("llm_query")) == 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("llm_query(context)", "TypeError: prompt is list, not str; nothing was sent"),
        ("llm_query('  ')", "ValueError: prompt is empty; nothing was sent"),
        (
            "llm_query('x' * 10_001)",
            "ValueError: prompt has 10,001 characters; a sub-call takes at most 10,000; nothing was sent; "
            "cut the text with chunks()",
        ),
        ("llm_query('x' * 5_000, 'y' * 5_000)", "ValueError: prompt has 10,002 characters"),
        ("llm_query_batched(['a', 'b', '', {}])", "ValueError: prompt 2 is empty; nothing was sent"),
        ("llm_query_batched(['a', 'b', 'c', {}])", "TypeError: prompt 3 is dict, not str; nothing was sent"),
        ("llm_query_batched(['a', ('b', 'c')])", "TypeError: prompt 1: image 0 is 'c', which is no picture; pass"),
        ("llm_query_batched([('a', None, 1)])", "ValueError: prompt 0: a pair (prompt, images) has two items"),
        ("llm_query_batched('abc')", "TypeError: prompts is str, not a list of str; nothing was sent"),
        ("rlm_query_batched([('a', 'b', 'c')])", "ValueError: prompt 0: a pair"),
        ("llm_query('Q', 5)", "TypeError: prompt: its context holds int, which is not a text, a document or a match"),
        ("llm_query('Q', {'a': 1})", "TypeError: prompt: its context holds dict"),
    ],
)
def test_wrong_prompts_are_refused_before_anything_is_sent(library, host, call, message):
    assert library.failure(call).startswith(message)
    assert host.calls == []


def test_at_depth_1_an_rlm_is_a_plain_model(repl, host):
    assert repl.value("rlm_query('Q', 'piece')") == repl.value("recursive_llm('Q', 'piece')") == "reply to Q\n\npiece"
    assert repl.value("rlm_query_batched(['a', ('b', 'c'), ('d', None)])") == (
        "['reply to a', 'reply to b\\n\\nc', 'reply to d']"
    )
    assert host.asked("reserve") == [{"n": 3, "chars": 6}]


def test_sub_calls_work_from_several_threads_at_once(repl, host):
    code = "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(8) as pool:\n"
    done = repl.step(code + "    replies = list(pool.map(llm_query, map(str, range(40))))\nreplies[7], len(replies)")
    assert done.output == "('reply to 7', 40)\n"
    assert len(host.asked("llm_query")) == 40


def test_a_failed_sub_call_can_be_pickled():
    failed = pickle.loads(pickle.dumps(FailedSubCall("no reply", True)))
    assert (failed, failed.error, failed.cut) == ("[sub-call failed: no reply]", "no reply", True)


def test_a_reply_that_was_cut_fails_its_call(repl, host):
    host.answers["llm_query"] = lambda payload: HostRefusalError("cut", "the reply was cut; it began 'One'")
    assert repl.failure("llm_query('q')") == "SubCallError: the reply was cut; it began 'One'"
    assert repl.value("[(reply, reply.cut) for reply in llm_query_batched(['q'])]") == (
        """[("[sub-call failed: the reply was cut; it began 'One']", True)]"""
    )


def test_tools_are_called_by_name(open_repl, host):
    repl = open_repl(tools=("weather",))
    assert repl.value("weather('Delft', days=2)") == "{'name': 'weather', 'args': ['Delft'], 'kwargs': {'days': 2}}"
    assert repl.failure("weather({1, 2})").startswith("TypeError: weather: arguments must be plain values")
    host.answers["tool"] = lambda payload: HostRefusalError("failed", "no such town")
    assert repl.failure("weather('Atlantis')") == "RuntimeError: no such town"


def test_retrieve_adds_what_is_new_to_context_and_to_what_search_sees(open_repl, host, documents):
    repl = open_repl(documents[:1], retriever=True)
    host.answers["retrieve"] = lambda payload: [dict(documents[0]), dict(documents[2])]
    assert repl.value("[d['id'] for d in retrieve('river')]") == "['lease-1', 'note']"
    assert repl.value("[d['id'] for d in context], context[0] is retrieve('again')[0]") == "(['lease-1', 'note'], True)"
    assert repl.value("[m.id for m in search('lost')], cite('lost to the river')") == "(['note'], 'lost to the river')"
    assert repl.step("retrieve('x')").variables == []
    assert "query" in repl.failure("retrieve('')")
    assert host.asked("retrieve")[0] == {"query": "river"}


def test_retrieve_leaves_a_context_of_the_models_own_alone(open_repl, host, documents):
    repl = open_repl(documents[:1], retriever=True)
    host.answers["retrieve"] = lambda payload: [documents[2]]
    repl.step("context = ['mine']", "retrieve('river')")
    assert repl.value("context, search('river').total") == "(['mine'], 1)"


def test_without_a_retriever_there_is_no_retrieve(library):
    assert library.failure("retrieve('x')") == "NameError: name 'retrieve' is not defined"


AWAITED = {
    "a reply": "await llm_query('a')",
    "a batch": "', '.join(await llm_query_batched(['a', 'b']))",
    "pairs": "(await rlm_query_batched([('a', 'b')]))[0]",
    "gather": "import asyncio\n' '.join(await asyncio.gather(*[llm_query(p) for p in 'aba']))",
    "gather of a batch": "import asyncio\n(await asyncio.gather(*llm_query_batched(['a', 'b'])))[1]",
    "gather of batches": "import asyncio\nstr(await asyncio.gather(llm_query_batched(['a']), llm_query('b')))",
    "equal replies": "import asyncio\nhost_says = await asyncio.gather(llm_query('a'), llm_query('a'))\nstr(host_says)",
    "a task": "import asyncio\nreply = await asyncio.create_task(llm_query('a'))\nreply",
    "a group": (
        "import asyncio\nasync with asyncio.TaskGroup() as group:\n    task = group.create_task(llm_query('a'))\n"
        "task.result()"
    ),
    "wait_for": "import asyncio\nawait asyncio.wait_for(llm_query('a'), 5)",
    "run": "import asyncio\nasyncio.run(llm_query('a'))",
    "a function": (
        "import asyncio\nlimit = asyncio.Semaphore(2)\nasync def ask(p):\n    async with limit:\n"
        "        return await llm_query(p)\n"
        "async def main():\n    return await asyncio.gather(*map(ask, 'ab'))\n' '.join(asyncio.run(main()))"
    ),
    "a thread": "import asyncio\nawait asyncio.to_thread(llm_query, 'a')",
    "not awaited": "import asyncio\nllm_query('a')",
}


@pytest.mark.parametrize("case", AWAITED)
def test_replies_can_be_awaited(repl, host, case):
    expected = {
        "a batch": "reply to a, reply to b",
        "pairs": "reply to a\n\nb",
        "gather": "reply to a reply to b reply to a",
        "gather of a batch": "reply to b",
        "gather of batches": "[['reply to a'], 'reply to b']",
        "equal replies": "['reply to a', 'reply to a']",
        "a function": "reply to a reply to b",
    }
    assert repl.value(AWAITED[case]) == expected.get(case, "reply to a")


def test_a_map_can_be_awaited(repl, host):
    assert repl.value("await llm_map('Say it', ['a', 'b'])") == "['A', 'B']"


def test_a_failed_slot_of_an_awaited_batch_is_still_one(repl, host):
    host.answers["llm_query"] = lambda payload: HostRefusalError("failed", "no luck")
    assert repl.value("[isinstance(r, FailedSubCall) for r in await llm_query_batched(['a'])]") == "[True]"
    assert repl.failure("import asyncio\nawait asyncio.gather(llm_query('a'))") == "SubCallError: no luck"


def test_a_reply_that_can_be_awaited_is_a_str_or_list_in_all_else(repl, host):
    repl.step("import asyncio, copy, json, pickle\nreply = llm_query('a')\nreplies = llm_query_batched(['a', 'b'])")
    assert repl.value("reply, replies") == "('reply to a', ['reply to a', 'reply to b'])"
    assert repl.value("[isinstance(reply, str), isinstance(replies, list), {reply: 1}['reply to a']]") == (
        "[True, True, 1]"
    )
    assert repl.value("json.dumps([reply, replies])") == '["reply to a", ["reply to a", "reply to b"]]'
    kinds = "[type(x) is t for x, t in ((copy.deepcopy(reply), str), (copy.copy(replies), list))]"
    assert repl.value(kinds) == "[True, True]"
    assert repl.value("[pickle.loads(pickle.dumps(x)) == x for x in (reply, replies)]") == "[True, True]"
    assert repl.value("type(reply), type(replies).__name__") == "(<class 'str'>, 'list')"
    assert repl.value("type(await llm_query('a')) is str") == "True"
    assert repl.step("again, more = reply, replies").variables == ["again: str 10 chars", "more: list[str] 2"]
    assert repl.step("FINAL([reply, replies])").answer.content == '["reply to a", ["reply to a", "reply to b"]]'
    assert repl.step("FINAL(reply)").answer.content == "reply to a"
    assert repl.step("FINAL(replies)").answer.content == '["reply to a", "reply to b"]'


def test_code_that_does_not_await_has_plain_replies(repl, host):
    assert repl.value("type(llm_query('a')) is str, type(llm_query_batched(['a'])) is list") == "(True, True)"
    assert repl.value("import asyncio\ntype(llm_query('a')) is str") == "False"


def test_giant_awaited_replies_are_shown_in_part(open_repl, host):
    repl = open_repl(max_output_chars=500)
    host.answers["llm_query"] = lambda payload: "x" * 10_000
    repl.step("import asyncio\nreplies = llm_query_batched(['a', 'b'])")
    assert repl.value("replies").endswith("… (list of 2 items)")
    assert repl.value("(replies[0],)").endswith("… (tuple of 1 items)")
