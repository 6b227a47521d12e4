"""Calls of the host: by id, many at once, refused, too many."""

from __future__ import annotations

from typing import Any

import pytest

from rlm_integrations.testing.sandbox_contract.contract import Contract, ReplOpener, contract_settings
from rlm_integrations.wire.calls import CallTool, HostCall, LlmQuery, Reserve
from rlm_integrations.wire.names import helper_names
from rlm_integrations.wire.steps import StepDone

AWAITED = {
    "a reply": ("await llm_query('é')  # done", "É"),
    "a batch": ("replies = await llm_query_batched(['a',\n 'b'])\nreplies", "['A', 'B']"),
    "within words": ("note = 'é'; print((await llm_query('a')) + await  llm_query(note), 'await me')", "AÉ await me"),
    "a tool": ("await shout('a')", "A!"),
    "gather": (
        "import asyncio\nreplies = await asyncio.gather(*[llm_query(p) for p in 'aba'])\nreplies",
        "['A', 'B', 'A']",
    ),
    "gather by name": ("from asyncio import gather\nawait gather(llm_query('a'), llm_query('b'))", "['A', 'B']"),
    "gather of batches": (
        "import asyncio\nawait asyncio.gather(llm_query_batched(['a']), llm_query('b'))",
        "[['A'], 'B']",
    ),
    "functions": (
        "import asyncio\nasync def ask(p):\n    return await llm_query(p)\nasync def main():\n"
        "    return await asyncio.gather(*[ask(p) for p in 'ab'], llm_query('c'))\nasyncio.run(main())",
        "['A', 'B', 'C']",
    ),
    "run": ("import asyncio\nasyncio.run(llm_query('a'))", "A"),
}

BAD_CALLS = {
    "llm_query(5)": "TypeError: prompt is int, not str; nothing was sent",
    "llm_query(' ')": "ValueError: prompt is empty; nothing was sent",
    "llm_query_batched('one')": "TypeError: prompts is str, not a list of str; nothing was sent",
    "llm_query_batched(['a', None])": "TypeError: prompt 1 is NoneType, not str; nothing was sent",
    "llm_map('say', [3])": "TypeError: item 0 is int, not a str, a document or a match; nothing was sent",
    "llm_reduce('')": "TypeError: instruction: pass a str that is not empty; nothing was sent",
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
    "raise SystemExit(3)": "SystemExit: 3",
}


class HostCallContract(Contract):
    """Calls of the host: by id, many at once, refused, too many."""

    async def test_calls_are_answered_by_id(self, open_repl: ReplOpener) -> None:
        live = await open_repl(answer=lambda call: 7 if isinstance(call, Reserve) else call.prompt.upper())
        assert await live.value("[llm_query('one', 'part'), *llm_query_batched(['two', 'three'])]") == (
            "['ONE\\n\\nPART', 'TWO', 'THREE']"
        )
        assert [call.call for call in live.calls] == [
            LlmQuery("one\n\npart"),
            Reserve(2, 8),
            LlmQuery("two", 7, 0),
            LlmQuery("three", 7, 1),
        ]

    @pytest.mark.parametrize("case", AWAITED)
    async def test_what_the_functions_return_can_be_awaited(self, open_repl: ReplOpener, case: str) -> None:
        """Models that are used to async tools do so, and the calls have been paid for."""
        code, shown = AWAITED[case]

        def answer(call: Any) -> Any:
            match call:
                case Reserve():
                    return 7
                case CallTool():
                    return f"{call.args[0].upper()}!"
                case _:
                    return call.prompt.upper()

        live = await open_repl("text", answer=answer, tools=("shout",))
        assert await live.value(code) == shown

    async def test_an_error_in_code_that_awaits_has_its_line(self, open_repl: ReplOpener) -> None:
        live = await open_repl()
        done = await live.run("import asyncio\nreplies = await asyncio.gather(\n    llm_query('a'),\n    1 / 0,\n)")
        assert isinstance(done, StepDone)
        assert done.error is not None
        assert (done.error.line, done.error.source) == (4, "1 / 0,")

    async def test_a_batch_is_open_all_at_once_and_keeps_its_order(self, open_repl: ReplOpener) -> None:
        live = await open_repl()
        open_: list[Any] = []
        async for event in live.events("print(llm_query_batched([str(n) for n in range(50)]))"):
            if isinstance(event, StepDone):
                assert event.output.head == f"{[str(n) for n in range(50)]}\n"
            elif isinstance(event.call, Reserve):
                live.repl.reply(event.id, 1)
            else:
                open_.append(event)
                if len(open_) == 50:
                    for call in reversed(open_):
                        live.repl.reply(call.id, call.call.prompt)
        assert len(open_) == 50

    async def test_a_failed_call_of_a_batch_stands_in_its_place(self, open_repl: ReplOpener) -> None:
        live = await open_repl()
        code = (
            "replies = llm_query_batched(['a', 'b'])\nprint(replies)\n[isinstance(r, FailedSubCall) for r in replies]"
        )
        async for event in live.events(code):
            if isinstance(event, StepDone):
                assert event.output.head == "['a', '[sub-call failed: no luck]']\n[False, True]\n"
            elif event.call == LlmQuery("b", 1, 1):
                live.repl.refuse(event.id, "failed", "no luck")
            else:
                live.repl.reply(event.id, getattr(event.call, "prompt", 1))

    async def test_more_than_a_thousand_calls(self, open_repl: ReplOpener) -> None:
        live = await open_repl()
        count = self.calls_one_by_one
        assert await live.value(f"sum([int(llm_query(str(n))) for n in range({count})])") == str(sum(range(count)))
        assert await live.value("sum(map(int, llm_query_batched([str(n) for n in range(1_100)])))") == str(
            sum(range(1_100))
        )

    async def test_refusals_raise_in_the_code(self, open_repl: ReplOpener) -> None:
        live = await open_repl(tools=("look_up",))
        kinds = iter(("type", "value", "budget", "failed"))
        code = (
            "for _ in range(4):\n    try: look_up('x', k={'y': [1]})\n"
            "    except (TypeError, ValueError, RuntimeError) as e: print(e)"
        )
        async for event in live.events(code):
            if isinstance(event, HostCall):
                assert event.call == CallTool("look_up", ["x"], {"k": {"y": [1]}})
                kind = next(kinds)
                live.repl.refuse(event.id, kind, f"no: {kind}")
            else:
                assert isinstance(event, StepDone)
                assert event.output.head.split("\n") == ["no: type", "no: value", "no: budget", "no: failed", ""]

    @pytest.mark.parametrize("code", BAD_CALLS)
    async def test_a_bad_call_is_an_error_that_says_so(self, open_repl: ReplOpener, code: str) -> None:
        live = await open_repl(["one text", "another"], tools=("look_up",), answer=lambda call: None)
        assert (await live.error(code)).startswith(BAD_CALLS[code])
        assert live.calls == []

    async def test_a_query_and_arguments_that_are_too_long_are_refused_in_words(self, open_repl: ReplOpener) -> None:
        live = await open_repl(memory_mb=1024, retriever=True, tools=("look_up",), answer=lambda call: None)
        error = await live.error("retrieve('x' * 20_001)")
        assert error == "ValueError: query: 20,001 characters, at most 20,000 are taken; ask for less"
        error = await live.error("look_up(['x' * 5_000_000], text='x' * 5_000_000)")
        assert error.endswith("characters of arguments, at most 10,000,000 are taken; pass less, nothing was sent")
        assert live.calls == []

        def length(call: Any) -> int:
            return len(call.args[0])

        live.answer = length
        assert await live.value("look_up('x' * 9_000_000)") == "9000000"

    async def test_a_call_with_too_much_text_for_the_host_is_refused_in_words(self, open_repl: ReplOpener) -> None:
        live = await open_repl(memory_mb=1024, sub_call_chars=100_000_000, answer=lambda call: None)
        error = await live.error("text = 'x' * 68_000_000\nllm_query(text)")
        assert error == "ValueError: too much to be passed to the host: more than 64 MB of text; pass less"
        assert await live.value("len(text)") == "68000000"

    async def test_only_a_run_with_sub_calls_has_them(self, open_repl: ReplOpener) -> None:
        live = await open_repl("text", depth=0)
        assert (await live.error("llm_query('x')")).startswith("NameError: name 'llm_query' is not defined")
        assert (await live.error("retrieve('x')")).startswith("NameError: name 'retrieve' is not defined")

    @pytest.mark.parametrize(("depth", "retriever"), [(0, False), (0, True), (1, False), (1, True)])
    async def test_what_a_run_offers_is_there_and_the_rest_is_not(
        self, open_repl: ReplOpener, depth: int, retriever: bool
    ) -> None:
        kind: dict[str, Any] = {"depth": depth, "retriever": retriever}
        live = await open_repl("text", **kind)
        offered, all_names = (
            helper_names(contract_settings(**kind)),
            helper_names(contract_settings(depth=1, retriever=True)),
        )
        tries = [f"try: {name}; there.append({name!r})\nexcept NameError: pass\n" for name in all_names]
        there = (await live.value(f"there = []\n{''.join(tries)}print(*there)")).split()
        assert there == [name for name in all_names if name in offered]

    async def test_replies_that_nobody_waits_for_do_no_harm(self, open_repl: ReplOpener) -> None:
        live = await open_repl(answer=lambda call: object(), tools=("look_up",))
        live.repl.reply(12345, "x")
        live.repl.refuse(12345, "failed", "x")
        assert "object is not a JSON value" in await live.error("look_up()")
        assert await live.value("1 + 1") == "2"
