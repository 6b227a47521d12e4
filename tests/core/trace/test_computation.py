from __future__ import annotations

import pytest

from rlm_integrations.core.limits import RLMLimits
from rlm_integrations.core.trace.call_records import HostFunctionCall, ModelCall
from rlm_integrations.core.trace.computation import computation_of
from rlm_integrations.core.trace.data_flow import DataFlow
from rlm_integrations.core.trace.records import CodeExecution, Iteration, RLMTrace, SubCall


def trace_of(*steps: CodeExecution | None, answer: str, question: str = "How many?") -> RLMTrace:
    return RLMTrace(
        question=question,
        context="240 documents, 12,345 characters",
        limits=RLMLimits(),
        iterations=[
            Iteration(number=number, call=ModelCall(prompt_chars=1), reply="", execution=step)
            for number, step in enumerate(steps, 1)
        ],
        answer=answer,
        stop_reason="answer",
    )


def step(code: str, output: str = "", **more: object) -> CodeExecution:
    return CodeExecution(blocks=[code], output=output, **more)  # type: ignore[arg-type]


# -- whether the answer came of the corpus


@pytest.mark.parametrize(
    "code",
    [
        "answer['content'] = len(context)",
        "answer = {'content': sum('a' in d['text'] for d in context), 'ready': True}",
        "n = 0\nfor d in context:\n    if 'a' in d['text']:\n        n += 1\nanswer['content'] = f'{n} there'",
        "found = []\nfor m in search('a'):\n    found.append(m.id)\nanswer['content'] = ', '.join(found)",
        "def count(word):\n    return sum(word in d['text'] for d in context)\nanswer['content'] = count('a')",
        "by = {}\nfor d in context: by[d['id']] = 1\nFINAL(len(by))",
        "total = len(context)\nFINAL_VAR('total')",
        "n = len(context)\nanswer.update(content=n, ready=True)",
        "with open_it() as f:\n    parts = chunks(1000)\nanswer['content'], answer['ready'] = len(parts), True",
        "n = len(context)\nanswer['content'] = 'Yes' if n > 3 else 'No'",
        "import re\nn = len(re.findall('\\d+', context))\nanswer['content'] = n",
        "n: int = len(context)\nanswer['content'] = ''\nanswer['content'] += str(n)",
        "answer['content'] = str(len(context))\nanswer['content'] += ' there'",
    ],
)
def test_an_answer_that_came_of_the_corpus(code: str) -> None:
    flow = DataFlow()
    assert flow.follow(code)
    flow.follow("answer['ready'] = True")
    assert flow.answer_from_corpus


@pytest.mark.parametrize(
    "code",
    [
        "answer['content'] = 'heliotrope'",
        "print(len(context))\nanswer['content'] = 37",
        "word = 'heliotrope'\nanswer['content'] = word",
        "n = len(context)\nn = 37\nanswer['content'] = n",
        "if len(context) > 0:\n    answer['content'] = 'heliotrope'",
        "answer['content'] = len(context)\nanswer['content'] = 'heliotrope'",
        "answer['content'] = llm_query('What is the capital of France?')",
        "n = len(context)\nFINAL_VAR('other')",
        "answer['content'] = len(context",
        "answer['content'] = " + "(" * 100 + "len(context)" + ")" * 100,
        "answer['content'] = len(context)  #" + "x" * 60_000,
    ],
)
def test_an_answer_that_did_not(code: str) -> None:
    flow = DataFlow()
    flow.follow(code)
    assert not flow.answer_from_corpus


def test_names_are_followed_from_step_to_step() -> None:
    flow = DataFlow()
    assert flow.follow("docs = [d for d in context]")
    assert not flow.follow("x = 1")
    assert flow.follow("n = len(docs)")
    assert flow.follow("answer['content'] = n + x")
    assert flow.answer_from_corpus


def test_what_a_tool_brings_is_like_the_corpus() -> None:
    flow = DataFlow()
    assert flow.follow("answer['content'] = sql('select count(*) from t')", frozenset({"sql"}))
    assert flow.answer_from_corpus


# -- what is shown for it


def test_a_count_is_shown_with_its_code_and_output() -> None:
    text = computation_of(
        trace_of(
            step("hits = [d for d in context if 'a' in d['text']]\nprint(len(hits))", "1,037\n"),
            step("x = 'thinking'"),
            step("answer['content'] = len(hits)\nanswer['ready'] = True"),
            answer="1037",
        ),
        [],
    )
    assert text == (
        "Computed by code that read the corpus (240 documents, 12,345 characters); not the text of any document.\n\n"
        "Step 1, its code:\nhits = [d for d in context if 'a' in d['text']]\nprint(len(hits))\nIts output:\n1,037\n\n"
        "Step 3, its code:\nanswer['content'] = len(hits)\nanswer['ready'] = True\n\n"
        "The code set the answer to:\n1037"
    )


def test_a_count_that_was_printed_and_then_written_down_is_shown_as_it_was_printed() -> None:
    trace = trace_of(
        step("print(len(context))", "1037"),
        step("answer['content'] = 'There are 1,037 of them.'"),
        answer="There are 1,037 of them.",
    )
    for sources in ([], ["Doc 4 is a sample of 12."]):
        text = computation_of(trace, sources)
        assert text is not None
        assert text.endswith("Step 1, its code:\nprint(len(context))\nIts output:\n1037")


@pytest.mark.parametrize(
    ("trace", "sources"),
    [
        (trace_of(step("answer['content'] = 'heliotrope'"), answer="heliotrope"), []),
        (trace_of(None, answer="1037"), []),
        (trace_of(step("print(len(context))", "5"), None, answer="1037"), []),
        (trace_of(step("answer['content'] = len(context)"), None, answer="made up in prose"), []),
        (
            trace_of(step("answer['content'] = context[3]['text']"), answer="Ann signed it."),
            ["It says: Ann signed it."],
        ),
        (trace_of(step("answer['content'] = len(context)"), answer="37", question="Are there 37?"), []),
        (
            trace_of(
                step(
                    "answer['content'] = llm_query(context[0]['text'])",
                    sub_calls=[SubCall(number=1, prompt="p", reply="Heliotrope, 37 times.")],
                ),
                answer="Heliotrope, 37 times.",
            ),
            ["the text that was sent"],
        ),
    ],
    ids=["made up", "no code", "another number", "prose", "stands in a source", "of the question", "of a sub-call"],
)
def test_nothing_is_shown_for_what_was_not_computed(trace: RLMTrace, sources: list[str]) -> None:
    assert computation_of(trace, sources) is None


def test_a_sum_over_replies_is_a_computation() -> None:
    calls = [SubCall(number=n, prompt="p", reply="4") for n in range(3)]
    code = "replies = llm_query_batched([d['text'] for d in context])\nanswer['content'] = sum(map(int, replies))"
    text = computation_of(trace_of(step(code, sub_calls=calls), answer="12"), ["what was sent"])
    assert text is not None
    assert text.endswith("The code set the answer to:\n12")


def test_a_tools_result_is_a_computation() -> None:
    calls = [HostFunctionCall(name="sql", arguments="('select',)", result="1037")]
    text = computation_of(trace_of(step("answer['content'] = sql('select')", host_calls=calls), answer="1037"), [])
    assert text is not None


def test_a_step_that_failed_is_shown_with_its_error() -> None:
    failed = step("print(len(context))\n1/0", "1037", error="block 1, line 2: ZeroDivisionError: division by zero")
    text = computation_of(trace_of(failed, step("answer['content'] = '1037'"), answer="1037"), [])
    assert text is not None
    assert "It ended with: block 1, line 2: ZeroDivisionError" in text


def test_what_is_shown_is_bounded_and_keeps_the_last_steps() -> None:
    steps = [step(f"x{n} = len(context)  # " + "c" * 9_000 + f" {n}", "o" * 9_000) for n in range(40)]
    last = step("answer['content'] = x39 * 1000")
    text = computation_of(trace_of(*steps, last, answer="1" * 100_000), [])
    assert text is not None
    assert len(text) <= 8_000
    assert "(earlier steps are left out)\n\n" in text
    assert "Step 41, its code:\nanswer['content'] = x39 * 1000" in text
