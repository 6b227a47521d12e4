from __future__ import annotations

import asyncio
import copy
import pickle
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.language_model import Completion, Message
from rlm_integrations.core.usage import Usage
from rlm_integrations.testing import ScriptedModel, ScriptExhausted

ASKED = [Message("user", "12345678")]


async def test_replies_come_in_order_sync_and_async_alike() -> None:
    model = ScriptedModel(["one", "two"], model="tiny")
    assert model.complete_sync(ASKED) == Completion("one", Usage(input_tokens=2, output_tokens=1), "tiny")
    assert (await model.complete(ASKED)).text == "two"
    assert model.requests == [tuple(ASKED), tuple(ASKED)]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_goes_on_by_itself_from_where_the_script_was(copied: Callable[[ScriptedModel], ScriptedModel]) -> None:
    model = ScriptedModel(["one", "two"])
    model.complete_sync(ASKED)
    with copied(model) as other:
        assert other.complete_sync(ASKED).text == "two"
    assert model.complete_sync(ASKED).text == "two"


def test_a_reply_may_be_a_completion_an_exception_or_a_function() -> None:
    given = Completion("whole", Usage(input_tokens=7), "other")
    model = ScriptedModel([given, TimeoutError("late"), lambda messages: messages[-1].content.upper()], usage=Usage())
    assert model.complete_sync(ASKED) is given
    with pytest.raises(TimeoutError, match="late"):
        model.complete_sync(ASKED)
    assert model.complete_sync([Message("user", "shout")]) == Completion("SHOUT", Usage(), "scripted")


def test_one_function_answers_every_request() -> None:
    with ScriptedModel(always=lambda messages: f"re: {messages[-1].content}") as model:
        assert [model.complete_sync([Message("user", word)]).text for word in "ab"] == ["re: a", "re: b"]


def test_a_request_without_a_reply_shows_its_last_message_even_when_long() -> None:
    model = ScriptedModel(["only one"])
    model.complete_sync(ASKED)
    with pytest.raises(ScriptExhausted, match=r"request 2 has no reply: the script holds 1(.|\n)*HEAD(.|\n)*TAIL"):
        model.complete_sync([Message("user", "HEAD" + "x" * 50_000 + "TAIL")])


def test_a_missing_reply_whose_error_was_caught_still_fails_at_the_end() -> None:
    model = ScriptedModel([])
    with pytest.raises(ScriptExhausted):
        model.complete_sync([Message("user", "who asks?")])
    with pytest.raises(ScriptExhausted, match=r"1 of 1 requests came after the last reply(.|\n)*who asks\?"):
        model.assert_exhausted()


def test_replies_left_over_fail_the_with_block() -> None:
    with (
        pytest.raises(ScriptExhausted, match=r"1 of 2 replies were not used(.|\n)*second"),
        ScriptedModel(["first", "second"]) as model,
    ):
        model.complete_sync(ASKED)


def test_an_error_in_the_with_block_is_not_hidden_by_replies_left_over() -> None:
    with pytest.raises(ZeroDivisionError), ScriptedModel(["unused"]):
        _ = 1 / 0


def test_replies_are_handed_out_once_each_across_threads_and_loops() -> None:
    model = ScriptedModel([str(n) for n in range(200)])

    def ask(n: int) -> str:
        return (asyncio.run(model.complete(ASKED)) if n % 20 == 0 else model.complete_sync(ASKED)).text

    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(ask, range(200)))
    assert sorted(map(int, replies)) == list(range(200))
    model.assert_exhausted()


@pytest.mark.parametrize(
    ("replies", "remedy"),
    [
        ("a reply", "pass a list"),
        (None, "NoneType given; pass a list"),
        (["good", 3], "reply 2 is int"),
        ([ValueError], "the class ValueError; pass an instance"),
        (lambda messages: "x", "always="),
    ],
)
def test_what_is_no_script_is_refused_with_the_remedy(replies: object, remedy: str) -> None:
    with pytest.raises(InvalidArgumentError, match=remedy):
        ScriptedModel(replies)


def test_a_list_and_a_function_together_are_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="either a list of replies or one function"):
        ScriptedModel(["a"], always=lambda messages: "b")


def test_importing_the_doubles_imports_no_framework() -> None:
    code = (
        "import sys, rlm_integrations.testing as t; t.ScriptedModel(['a']); "
        "print([m for m in ('langchain_core', 'llama_index', 'openai') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
