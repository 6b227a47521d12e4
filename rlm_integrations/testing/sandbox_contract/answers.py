"""The variable `answer`: how it ends a run, and when it is refused."""

from __future__ import annotations

import pytest

from rlm_integrations.testing.sandbox_contract.contract import Contract, ReplOpener
from rlm_integrations.wire.calls import HostCall, Reserve
from rlm_integrations.wire.steps import Output, StepDone

ANSWERS = {
    "a text": ("answer['content'] = 'done'\nanswer['ready'] = True", ("done", False)),
    "FINAL": ("FINAL('done')", ("done", False)),
    "FINAL_VAR": ("found = ['a', 1]\nFINAL_VAR('found')", ('["a", 1]', True)),
    "a date": ("import datetime\nFINAL(datetime.date(2024, 1, 2))", ("2024-01-02", False)),
    "a moment": ("import datetime\nFINAL(datetime.datetime(2024, 1, 2, 3, 4))", ("2024-01-02T03:04:00", False)),
    "a Decimal": ("from decimal import Decimal\nFINAL(Decimal('12.50'))", ("12.50", False)),
    "bytes": ("FINAL('café'.encode())", ("café", False)),
    "dates and Decimals": (
        "import datetime\nfrom decimal import Decimal\nday = datetime.date(2024, 1, 2)\n"
        "FINAL({day: [Decimal('12.50'), datetime.datetime(2024, 1, 2, 3, 4)]})",
        ('{"2024-01-02": [12.50, "2024-01-02T03:04:00"]}', True),
    ),
    "views": ("d = {'b': 1}\nFINAL([d.keys(), d.values(), d.items()])", ('[["b"], [1], [["b", 1]]]', True)),
    "iterators": (
        "answer['content'] = {'a': map(str, [1]), 'b': iter([range(2)])}\nanswer['ready'] = True",
        ('{"a": ["1"], "b": [[0, 1]]}', True),
    ),
    "an iterator": ("import itertools\nFINAL(itertools.islice(itertools.count(), 3))", ("[0, 1, 2]", True)),
    "a dataclass": (
        "from dataclasses import dataclass\n@dataclass\nclass Point:\n    x: int\n    y: list\nFINAL([Point(1, {2})])",
        ('[{"x": 1, "y": [2]}]', True),
    ),
    "matches": ("FINAL(search('b', docs='a\\nb'))", ('["Match(@2: b)"]', True)),
    "other keys": ("FINAL({1: {2}, 'b': (None,)})", ('{"1": [2], "b": [null]}', True)),
}

REFUSED = {
    "empty": ("answer['ready'] = True", "is empty"),
    "raised": ("FINAL('x')\n1 / 0", "the block raised"),
    "replaced by a text": ("answer = 'done'", "`answer` was replaced by a str; it is now"),
    "replaced by something else": ("answer = len", "it is an empty dict again"),
    "no number": (
        "FINAL({'mean': float('nan')})",
        "cannot be written as JSON: ValueError: JSON has no nan; put None or",
    ),
    "no value": ("FINAL({'a': lambda: 1})", "cannot be written as JSON: TypeError: a function is no value"),
    "an object": (
        "class Thing:\n    pass\nFINAL(Thing())",
        "cannot be written as JSON: TypeError: a Thing is no value",
    ),
    "an iterator in a tuple": ("FINAL((iter([1]),))", "TypeError: a list_iterator stands where no list can be put"),
    "holding itself": ("loop = []\nloop.append(loop)\nFINAL(loop)", "cannot be written as JSON"),
    "a failed sub-call": ("FINAL(llm_query_batched(['fail'])[0])", "is a sub-call that failed (no luck)"),
}


class AnswerContract(Contract):
    """The variable `answer`: how it ends a run, and when it is refused."""

    @pytest.mark.parametrize("case", ANSWERS)
    async def test_an_answer_ends_the_step(self, open_repl: ReplOpener, case: str) -> None:
        code, expected = ANSWERS[case]
        live = await open_repl()
        done = await live.run(code, "print('not reached')")
        assert isinstance(done, StepDone)
        assert (done.answer.ready, done.answer.refused, done.output) == (True, None, Output())
        assert (done.answer.content, done.answer.is_json) == expected

    @pytest.mark.parametrize("code", ["FINAL(None)", "answer['content'] = None\nanswer['ready'] = True"])
    async def test_none_is_an_answer_where_the_type_takes_it_and_else_an_empty_one(
        self, open_repl: ReplOpener, code: str
    ) -> None:
        live = await open_repl(null_answers=True)
        done = await live.run(code)
        assert (done.answer.ready, done.answer.content, done.answer.is_json) == (True, "null", True)
        live = await open_repl()
        done = await live.run(code)
        assert (done.answer.ready, done.answer.refused) == (False, 'answer["content"] is empty')

    @pytest.mark.parametrize("case", REFUSED)
    async def test_an_answer_that_cannot_be_taken_is_refused(self, open_repl: ReplOpener, case: str) -> None:
        code, reason = REFUSED[case]
        live = await open_repl(answer=lambda call: 1 if isinstance(call, Reserve) else None)
        outcome = None
        async for event in live.events(code):
            if not isinstance(event, HostCall):
                outcome = event
            elif isinstance(event.call, Reserve):
                live.repl.reply(event.id, 1)
            else:
                live.repl.refuse(event.id, "failed", "no luck")
        assert isinstance(outcome, StepDone)
        assert not outcome.answer.ready
        assert reason in (outcome.answer.refused or "")
        done = await live.run("answer['content'] = 'now'", "answer['ready'] = True")
        assert isinstance(done, StepDone)
        assert (done.answer.ready, done.answer.content) == (True, "now")

    async def test_an_iterator_in_a_draft_is_read_once_and_kept(self, open_repl: ReplOpener) -> None:
        live = await open_repl()
        drafts = [
            await live.run("answer['content'] = {'names': iter(['a', 'b'])}"),
            await live.run("answer['content'] = iter(['a', 'b'])"),
            await live.run("answer = iter(['a', 'b'])"),
        ]
        assert [done.answer.content for done in drafts] == ['{"names": ["a", "b"]}', '["a", "b"]', '["a", "b"]']
        assert await live.value("answer") == "{'content': ['a', 'b'], 'ready': False}"
        done = await live.run("answer['ready'] = True")
        assert done.answer.content == '["a", "b"]'

    @pytest.mark.parametrize(
        "name", ["name", "variable", "value", "lines", "content", "sum", "_hidden", "context", "kind"]
    )
    async def test_any_variable_can_be_the_answer_and_is_listed(self, open_repl: ReplOpener, name: str) -> None:
        """Also one that is called as something inside of our functions is."""
        live = await open_repl()
        await live.run(f"{name} = 'mine'")
        assert (name in await live.value("print(SHOW_VARS())")) == (name[0] != "_")
        done = await live.run(f"FINAL_VAR({name!r})")
        assert done.answer.content == "mine"

    @pytest.mark.parametrize("name", ["name", "variable", "value", "sum", "str", "class", "TypeError", "nothing"])
    async def test_what_is_no_variable_cannot_be_the_answer(self, open_repl: ReplOpener, name: str) -> None:
        live = await open_repl()
        assert (
            await live.error(f"FINAL_VAR({name!r})")
            == f"NameError: FINAL_VAR: no variable {name!r}; SHOW_VARS() lists them"
        )
