"""Whatever a model, a document or a caller gets wrong ends in words, and the run goes on where it can."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence

import pytest

from rlm_integrations import Completion, Message, RLMEngine
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.trace.result import RLMResult
from rlm_integrations.core.trace.run_errors import RootModelError
from rlm_integrations.testing import ScriptedModel

LONG = "".join(f"line {n}: nothing to see\n" for n in range(2_000))


def repl(code: str) -> str:
    return f"```repl\n{code}\n```"


DONE = repl('answer["content"] = "done"\nanswer["ready"] = True')


def told_after(code: str, **limits: object) -> tuple[str, RLMResult[str]]:
    """What the root is shown after the code, and the result of a run that then finishes."""
    with ScriptedModel([repl(code), DONE]) as llm:
        result = RLMEngine(llm, limits=limits).run("?", LONG)
    assert result.answer == "done"
    return llm.requests[1][-1].content, result


@pytest.mark.parametrize(
    ("build", "named"),
    [
        (lambda: RLMEngine(None), "llm: no model given"),  # type: ignore[arg-type]
        (lambda: RLMEngine(ScriptedModel(), sub_llm=5), "sub_llm: 5 is not a LanguageModel"),  # type: ignore[arg-type]
        (lambda: RLMEngine(ScriptedModel(), limits=5), "limits: int given; pass RLMLimits"),  # type: ignore[arg-type]
        (lambda: RLMEngine(ScriptedModel(), sandbox=5), "sandbox: 5 is not one; pass"),  # type: ignore[arg-type]
        (lambda: RLMEngine(ScriptedModel(), tools=5), "tools: int given; pass a list"),  # type: ignore[arg-type]
        (lambda: RLMEngine(ScriptedModel(), answer_type=5), "answer_type: 5 has no JSON schema"),  # type: ignore[arg-type]
        (lambda: RLMEngine(ScriptedModel(), system_prompt=5), "system_prompt: int given; pass a str"),  # type: ignore[arg-type]
        (lambda: RLMEngine(ScriptedModel(), instructions=["x"]), "instructions: list given; pass a str"),  # type: ignore[arg-type]
        (lambda: RLMEngine(ScriptedModel(), on_event=5), "on_event: int given; pass a function(event)"),  # type: ignore[arg-type]
        (lambda: RLMEngine(ScriptedModel(), on_limit=5), "on_limit: 5 is unknown; pass"),  # type: ignore[arg-type]
        (lambda: RLMEngine(ScriptedModel(), around_step=5), "around_step: int given; pass a function("),  # type: ignore[arg-type]
        (lambda: RLMEngine("gpt-5"), "llm: 'gpt-5' is not a LanguageModel"),  # type: ignore[arg-type]
        (lambda: RLMEngine(ScriptedModel, sub_llm=None), "llm: <class"),  # type: ignore[arg-type]
        (lambda: RLMEngine(ScriptedModel(), sub_llm=object()), "sub_llm: <object"),  # type: ignore[arg-type]
        (lambda: RLMEngine(ScriptedModel(), limits={"max_iteration": 3}), "did you mean 'max_iterations'"),
        (lambda: RLMEngine(ScriptedModel(), limits={"max_iterations": 0}), "limits: max_iterations=0"),
        (lambda: RLMEngine(ScriptedModel(), limits=5), "limits: int given"),  # type: ignore[arg-type]
        (lambda: RLMEngine(ScriptedModel(), sandbox="docker"), "sandbox: "),
        (lambda: RLMEngine(ScriptedModel(), on_limit="stop"), "on_limit: 'stop'"),  # type: ignore[call-overload]
        (lambda: RLMEngine(ScriptedModel(), tools=["x"]), "tools: item 1 is str"),  # type: ignore[list-item]
        (lambda: RLMEngine(ScriptedModel(), answer_type=Callable), "answer_type: "),  # type: ignore[call-overload]
    ],
)
def test_a_wrong_argument_is_named_with_a_remedy(build: Callable[[], object], named: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        build()
    assert named in str(caught.value)


def test_a_misspelt_argument_is_named() -> None:
    with pytest.raises(TypeError, match="sub_lm"):
        RLMEngine(ScriptedModel(), sub_lm=ScriptedModel())  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("context", "named"),
    [
        (42, "context: int is not a corpus"),
        (b"bytes", "context: bytes is not a corpus"),
        ("", "context: is an empty str"),
        ([], "context: is empty"),
        ([object()], "context: item 1 is object"),
        ([{"title": "x"}, "text"], 'context: item 1 is a dict without a str under "text"'),
        ({"a": 1}, "context: the value of 'a' is int"),
        (__file__, "pass Path("),
    ],
)
def test_a_wrong_context_is_named_with_a_remedy(context: object, named: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        RLMEngine(ScriptedModel()).run("?", context)
    assert named in str(caught.value)


@pytest.mark.parametrize(
    "text", ["a\ud800b\udfff" * 5_000, "a\0b" * 5_000, "a\r\nb\rc" * 5_000, "\ud83d\ude00" * 5_000]
)
def test_odd_text_comes_through_unchanged(text: str) -> None:
    ascii_form = json.dumps(text)
    with ScriptedModel(
        [repl(f"import json\nprint(context == {text!r}, ascii(context[:4]))\nprint(context[:4])"), DONE]
    ) as llm:
        RLMEngine(llm).run("?", text)
    shown = llm.requests[1][-1].content
    assert "True " + ascii(text[:4]) in shown
    shown.encode()  # what is sent can be sent
    assert len(ascii_form) > len(text)


def test_odd_documents_come_through_unchanged() -> None:
    texts = ["a\ud800b", "a\0b", "a\r\nb\rc", "\ud83d\ude00"]
    code = f"print([d['text'] for d in context] == {texts!r})"
    with ScriptedModel([repl(code), DONE]) as llm:
        RLMEngine(llm, limits={"inline_chars": 0}).run("?", texts)
    assert "True" in llm.requests[1][-1].content


class Mute:
    """A model that returns what a model must not."""

    def __init__(self, reply: object) -> None:
        self._reply = reply

    async def complete(self, messages: Sequence[Message]) -> Completion:
        return self._reply  # type: ignore[return-value]


def test_a_model_that_returns_none() -> None:
    with pytest.raises(RootModelError, match=r"complete\(\) returned NoneType") as caught:
        RLMEngine(Mute(None)).run("?", LONG)
    assert caught.value.result is not None


def test_a_model_whose_text_is_none_or_empty_is_asked_once_more() -> None:
    with pytest.raises(RootModelError, match="replied twice in a row with nothing"):
        RLMEngine(Mute(Completion(None))).run("?", LONG)  # type: ignore[arg-type]
    with ScriptedModel(["", DONE]) as llm:
        assert RLMEngine(llm).run("?", LONG).answer == "done"
    assert "no code ran" in llm.requests[1][-1].content


def test_a_cut_off_fence_is_told() -> None:
    with ScriptedModel(["```repl\nx = [1,\n", DONE]) as llm:
        assert RLMEngine(llm).run("?", LONG).answer == "done"
    assert "was not closed" in llm.requests[1][-1].content
    with ScriptedModel(["```repl\nx = 5\nprint(x + 1)", DONE]) as llm:
        RLMEngine(llm).run("?", LONG)
    assert "6" in llm.requests[1][-1].content


def test_a_fence_inside_a_string_does_not_cut_the_block() -> None:
    code = 'prompt = """Use this form:\n```\nname: value\n```\n"""\nanswer["content"] = prompt\nanswer["ready"] = True'
    with ScriptedModel([repl(code)]) as llm:
        assert RLMEngine(llm).run("?", LONG).answer == "Use this form:\n```\nname: value\n```\n"


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("import sys\nsys.exit()", "Step 1 of 20: ok"),
        ("exit()", "Step 1 of 20: ok"),
        ("raise SystemExit(3)", "SystemExit: 3"),
    ],
)
def test_code_that_exits_ends_its_step_only(code: str, status: str) -> None:
    told, _ = told_after(f"kept = 1\n{code}\nmore = 2")
    assert status in told
    assert "kept: int" in told
    assert "more" not in told


@pytest.mark.parametrize("code", ["import os\nos._exit(0)", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"])
def test_code_that_kills_its_own_process_is_told_and_the_run_goes_on(code: str) -> None:
    told, result = told_after(f"print('before', flush=True)\n{code}")
    lost = result.trace.executions[0].lost
    if lost is None:  # the sandbox may refuse the call instead
        assert "PermissionError" in told
    else:
        assert "All your variables are gone" in told
    assert "before" in told


def test_a_lost_session_begins_anew() -> None:
    replies = [repl("x = 1"), repl("import os\nos._exit(1)"), repl("print('x' in dir(), len(context) > 1000)"), DONE]
    with ScriptedModel(replies) as llm:
        RLMEngine(llm).run("?", LONG)
    assert "False True" in llm.requests[3][-1].content


def test_an_endless_loop_is_stopped_and_variables_stay() -> None:
    told, _ = told_after("kept = 7\nwhile True:\n    pass", step_timeout_s=0.3)
    assert "the limit of a step" in told
    assert "kept: int" in told


def test_memory_is_bounded_and_variables_stay() -> None:
    told, _ = told_after("kept = 7\nx = 'a' * (3 << 30)", memory_mb=256)
    assert "MemoryError" in told
    assert "kept: int" in told


def test_a_flood_of_output_is_cut_while_it_is_produced() -> None:
    told, result = told_after("for n in range(100):\n    print('z' * 1_000_000)\nprint('the end')", memory_mb=256)
    assert len(told) < 10_000
    assert "characters cut here" in told
    assert "the end" in told
    assert len(result.trace.executions[0].output) < 10_000


@pytest.mark.parametrize(
    "code",
    [
        "context = None",
        "print = None",
        "import json\njson.dumps = None\njson.loads = None",
        "import sys\nsys.stdout = None",
        "import sys\nsys.setrecursionlimit(60)",
        "import builtins\nbuiltins.len = None\nbuiltins.isinstance = None",
        "del answer",
        "answer = 5",
        "search = chunks = cite = None",
    ],
)
def test_rebinding_breaks_neither_the_next_step_nor_the_host(code: str) -> None:
    _, result = told_after(code)
    assert result.stop_reason == "answer"


def sub_calling(reply: Callable[[Sequence[Message]], str], code: str, **limits: object) -> str:
    with ScriptedModel([repl(code), DONE]) as root:
        RLMEngine(root, sub_llm=ScriptedModel(always=reply), limits=limits).run("?", LONG)
    return root.requests[1][-1].content


def test_a_sub_call_that_raises_raises_in_the_code() -> None:
    def broken(messages: Sequence[Message]) -> str:
        raise ValueError("bad key")

    assert "SubCallError" in sub_calling(broken, "llm_query('x')")
    assert "ValueError: bad key" in sub_calling(broken, "llm_query('x')")


def test_a_sub_call_that_hangs_is_given_up() -> None:
    release = threading.Event()

    def hung(messages: Sequence[Message]) -> str:
        release.wait(30)
        return "late"

    try:
        told = sub_calling(hung, "r = llm_query_batched(['x', 'y'])", call_timeout_s=0.3)
    finally:
        release.set()
    assert "2 sub-calls asked, none answered (TimeoutError: no reply within 0.3 s)." in told


def test_a_sub_call_may_return_10_mb() -> None:
    told = sub_calling(lambda messages: "y" * 10_000_000, "r = llm_query('x')")
    assert "r: str 10,000,000 chars" in told


@pytest.mark.parametrize("code", ["llm_query(context.splitlines())", "llm_query_batched(['ok', 5])", "llm_query(None)"])
def test_a_prompt_that_is_no_str_is_refused_before_anything_is_sent(code: str) -> None:
    with ScriptedModel([repl(code), DONE]) as root, ScriptedModel() as sub:
        RLMEngine(root, sub_llm=sub).run("?", LONG)
    told = root.requests[1][-1].content
    assert "TypeError" in told
    assert "nothing was sent" in told
    assert "0 made" in told


async def test_what_a_model_of_the_users_keeps_to_itself_stands_in_no_error() -> None:
    """A reply that could not be read is quoted: what readers of replies call so, in the packages that read them."""

    class Own:
        async def complete(self, messages: Sequence[Message]) -> Completion:
            response = "a secret of the caller's"
            return Completion(response.choices[0])  # type: ignore[attr-defined]

    with pytest.raises(RootModelError, match="has no attribute 'choices'") as caught:
        await RLMEngine(Own()).arun("?", "a text")
    assert "secret" not in str(caught.value)
