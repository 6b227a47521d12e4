"""The simulated models, and what guards the evaluation itself against being kind to a method."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from evals.clock import Latency, seconds_of_run, side_by_side
from evals.grid import Plan, run
from evals.models.simulated import PERFECT, USUAL, PromptEye, Simulated, Skill, family_of
from evals.tasks import FAMILIES, Task
from rlm_integrations import Message, RLMEngine, RLMTrace
from rlm_integrations.compare import RLM, Direct, MapReduce
from rlm_integrations.core.usage import Usage
from rlm_integrations.testing import ScriptedModel

ROOT = Path(__file__).parents[2]
READ_ALL = [Direct(), MapReduce(part_chars=20_000), RLM(1), RLM(2)]
PLAN = Plan(lengths=(6_000,), seeds=1, trials=1)


async def test_a_perfect_reader_is_right_wherever_it_fits() -> None:
    rows = await run(PLAN, Simulated(PERFECT, slips=0.3), chosen=READ_ALL)
    assert len(rows) == len(FAMILIES) * len(READ_ALL)
    assert [(row.family, row.method, row.answer) for row in rows if row.score < 1.0] == []


async def test_code_alone_is_right_but_where_only_reading_tells() -> None:
    rows = await run(PLAN, Simulated(PERFECT, slips=0.0), chosen=[RLM(0)])
    wrong = {row.family for row in rows if row.score < 1.0}
    assert wrong == {"counting by meaning", "pairs by meaning"}
    assert {row.calls for row in rows} == {1}


async def test_at_depth_2_children_read_shares_of_what_only_reading_tells() -> None:
    plan = Plan(lengths=(24_000,), seeds=1, trials=1)
    rows = await run(plan, Simulated(PERFECT, slips=0.0), chosen=[RLM(1), RLM(2)])
    calls = {(row.family, row.method): row.calls for row in rows}
    assert [(row.family, row.method) for row in rows if row.score < 1.0] == []
    more = {family.name for family in FAMILIES if calls[family.name, "RLM depth 2"] > calls[family.name, "RLM depth 1"]}
    assert more == {"counting by meaning", "pairs by meaning"}
    task = FAMILIES[3].make(24_000, 0)
    result = await RLMEngine(Simulated(PERFECT, slips=0.0), limits={"max_depth": 2}).arun(task.question, task.documents)
    execution = result.trace.iterations[0].execution
    assert execution is not None
    children = [call.child for call in execution.sub_calls]
    assert len(children) == 2
    assert all(child is not None and child.iteration_count == 1 for child in children)
    assert result.text == str(task.truth)


async def test_a_permuted_truth_gives_chance() -> None:
    truths: dict[tuple[str, int, type], list[Any]] = {}
    for family, task, _ in Plan(lengths=(6_000,), seeds=8, trials=1).tasks():
        truths.setdefault((family.name, task.tokens, type(task.truth)), []).append(task.truth)

    def of_another(task: Task) -> Any:
        own = truths[task.family, task.tokens, type(task.truth)]
        return own[(own.index(task.truth) + 1) % len(own)]

    plan = Plan(lengths=(6_000,), seeds=8, trials=1)
    rows = await run(plan, Simulated(PERFECT), chosen=[Direct()], truth_of=of_another)
    chance = {family.name: fmean(row.score for row in rows if row.family == family.name) for family in FAMILIES}
    for name in ("one needle", "keys among many", "chains with contradictions"):
        assert chance[name] == 0.0
    assert max(chance.values()) < 0.6
    assert fmean(chance.values()) < 0.3


async def test_texts_beyond_the_window_are_no_errors_of_reading() -> None:
    plan = Plan(lengths=(6_000,), seeds=1, trials=1, families=("one needle",))
    small = Simulated(Skill(0.0, 0.0, 0.0, window=3_000), slips=0.0)
    rows = await run(plan, small, chosen=[Direct(), Direct(truncate=True), RLM(1)])
    assert [(row.status, row.score) for row in rows if row.method == "direct"] == [("too_long", 0.0)]
    assert [row.status for row in rows] == ["too_long", "truncated", "answered"]
    assert rows[-1].score == 1.0
    assert small.longest <= 3_000


def test_what_is_overlooked_grows_with_the_prompt_and_with_the_items() -> None:
    shares = [USUAL.missed(tokens, 10) for tokens in (1_000, 10_000, 100_000, 10**7)]
    assert shares == sorted(shares)
    assert shares[-1] == 0.95
    assert USUAL.missed(1_000, 64) < USUAL.missed(1_000, 640) < USUAL.missed(1_000, 6_400)
    assert PERFECT.missed(10**7, 10**6) == 0.0
    short, long = PromptEye("x" * 4_000, USUAL), PromptEye("x" * 400_000, USUAL)
    items = list(range(5_000))
    assert len(short.noticed(items)) > len(long.noticed(items)) > 2_000


PRINTS = """
import asyncio
from evals.models.simulated import Simulated
from evals.tasks import FAMILIES
from rlm_integrations import RLMEngine
from rlm_integrations.compare.reading import direct_messages
from rlm_integrations.core.corpus.corpus import Corpus
task = FAMILIES[3].make(20_000, 0)
key = __import__("os").urandom(8)
print(asyncio.run(Simulated().complete(direct_messages(task.question, Corpus.of(task.documents), key))).text)
for family in FAMILIES[:3]:
    task = family.make(2_000, 1)
    print(len(RLMEngine(Simulated(slips=0.7)).run(task.question, task.documents).trace.iterations))
"""


def test_a_reply_is_a_function_of_the_prompt_in_every_process() -> None:
    """Of a reader, and of a root LM, whose slips are chosen by what it sees."""

    command = [sys.executable, "-c", PRINTS]
    environment = {"PYTHONHASHSEED": "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1", "PYTHONPATH": str(ROOT)}
    child = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, cwd=ROOT)
    here = io.StringIO()
    with redirect_stdout(here):
        exec(PRINTS, {})
    assert child.stdout == here.getvalue() != ""


async def test_the_root_lm_sees_its_messages_alone_and_mends_what_raised() -> None:
    question = FAMILIES[0].make(2_000, 0).question
    asked = f"context\n\nQuestion:\n{question}\n\nYou have 20 steps. Write the first."
    coder = Simulated(slips=0.0)
    without = await coder.complete([Message("system", "Write ```repl code"), Message("user", asked)])
    assert "search(" in without.text
    counting = FAMILIES[3].make(2_000, 0).question
    asked = f"Question:\n{counting}\n\nYou have 20 steps. Write the first."
    plain = await coder.complete([Message("system", "Write ```repl code"), Message("user", asked)])
    deep = await coder.complete([Message("system", "```repl llm_query"), Message("user", asked)])
    assert ("llm_query" in plain.text, "llm_query" in deep.text) == (False, True)
    task = FAMILIES[0].make(2_000, 1)
    result = await RLMEngine(Simulated(slips=0.7)).arun(task.question, task.documents)
    assert task.truth[0] in result.text


def test_a_question_of_nobody_is_an_error() -> None:
    with pytest.raises(ValueError, match="no family knows"):
        family_of("What is the meaning of life?")


def test_the_virtual_clock_knows_how_many_calls_are_open_at_once() -> None:
    assert side_by_side([1.0] * 64, 32) == 2.0
    assert side_by_side([3.0, 1.0, 1.0, 1.0], 2) == 3.0
    assert side_by_side([], 2) == 0.0


def test_the_virtual_seconds_of_a_run_are_those_of_its_calls() -> None:
    code = (
        "```repl\nllm_query_batched(['a'] * 40)\nllm_query('b')\n"
        'answer["content"] = "x"\nanswer["ready"] = True\n```'
    )
    usage = Usage(input_tokens=1_000, output_tokens=100)
    root, sub = ScriptedModel([code], usage=usage), ScriptedModel(always=lambda _: "ok", usage=usage)
    trace: RLMTrace = RLMEngine(root, sub_llm=sub).run("?", "text").trace
    latency = Latency(base=1.0, input_tokens_a_second=1_000.0, output_tokens_a_second=100.0)
    assert seconds_of_run(trace, latency, 32) == pytest.approx(3.0 + 2 * 3.0 + 3.0)
    assert seconds_of_run(trace, latency, 40) == pytest.approx(3.0 + 3.0 + 3.0)


def test_children_share_the_places_of_their_calls() -> None:
    usage = Usage(input_tokens=1_000, output_tokens=100)
    root = "```repl\nrlm_query_batched([('a', 'x')] * 4)\nFINAL('x')\n```"
    child = "```repl\nllm_query_batched(['b'] * 10)\nFINAL('x')\n```"

    def of_sub_lm(messages: Sequence[Message]) -> str:
        return child if "```repl" in messages[0].content else "ok"

    engine = RLMEngine(
        ScriptedModel([root], usage=usage),
        sub_llm=ScriptedModel(always=of_sub_lm, usage=usage),
        limits={"max_depth": 2},
    )
    trace = engine.run("?", "text").trace
    latency = Latency(base=1.0, input_tokens_a_second=1_000.0, output_tokens_a_second=100.0)
    assert seconds_of_run(trace, latency, 40) == pytest.approx(3.0 + 3.0 + 3.0)
    assert seconds_of_run(trace, latency, 20) == pytest.approx(3.0 + 3.0 + 2 * 3.0)
