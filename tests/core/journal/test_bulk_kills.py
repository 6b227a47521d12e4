"""A job of many questions that is killed twice: it is started again, and pays for each of them once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

AT_ONCE = 4
PROGRAM = """
import asyncio, os, re, signal, sys, warnings

journal, calls, way, most, kill_after = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
if way == "abatch":
    from rlm_integrations.langchain import RLMRunnable
    from rlm_integrations.testing.langchain import ScriptedChatModel as ScriptedModel
elif way == "evaluation":
    from llama_index.core.evaluation import BatchEvalRunner, FaithfulnessEvaluator
    from rlm_integrations.llama_index import RLMQueryEngine
    from rlm_integrations.testing.llama_index import ScriptedLLM as ScriptedModel
else:
    from rlm_integrations import RLMEngine
    from rlm_integrations.testing import ScriptedModel
QUESTIONS = [f"Question {n:04}" for n in range(most - 3)] + ["Vote {0000}"] * 3
paid = 0


def reply(messages):
    global paid
    if paid == kill_after:
        os.kill(os.getpid(), signal.SIGKILL)
    paid += 1
    question = re.search("(Question|Vote) .?([0-9]{4})", messages[-1].content)
    with open(calls, "a") as file:
        file.write(f"{question[0]}\\n")
    said = f"to {question[2]}"
    return said if way == "map" else f"```repl\\nanswer['content'] = '{said}'\\nanswer['ready'] = True\\n```"


llm = ScriptedModel(always=reply)
if way == "abatch":
    rlm = RLMRunnable(llm=llm, context="Some text.", journal=journal, trace="none")
    found = asyncio.run(rlm.abatch(QUESTIONS, {"max_concurrency": AT_ONCE}))
    answers = [message.content for message in found]
elif way == "evaluation":
    engine = RLMQueryEngine(llm, context="Some text.", journal=journal)
    judge = FaithfulnessEvaluator(llm=ScriptedModel(always=lambda messages: "YES"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # it calls what LlamaIndex has deprecated
        runner = BatchEvalRunner({"faithful": judge}, workers=AT_ONCE)
        found = asyncio.run(runner.aevaluate_queries(engine, queries=QUESTIONS[:-2]))
    answers = [each.response for each in found["faithful"]] + ["to 0000"] * 2
elif way == "amap":
    results = asyncio.run(RLMEngine(llm, journal=journal).amap(QUESTIONS, "Some text.", concurrency=AT_ONCE))
    answers = [result.answer for result in results]
else:
    results = RLMEngine(llm, journal=journal).map(QUESTIONS, "Some text.", concurrency=AT_ONCE)
    answers = [result.answer for result in results]
assert answers == [f"to {n:04}" for n in range(most - 3)] + ["to 0000"] * 3
""".replace("AT_ONCE", str(AT_ONCE))


@pytest.mark.parametrize(("way", "most"), [("map", 48), ("amap", 20), ("abatch", 20), ("evaluation", 20)])
def test_a_job_that_is_killed_twice_pays_for_each_question_once(
    way: str, most: int, start_program: Callable[..., Any], path: Path, hash_seed: int, tmp_path: Path
) -> None:
    """But for what was in flight at a kill. Equal questions are paid for each."""
    arguments = PROGRAM, path, tmp_path / "calls", way, most
    for kill_after in (most * 3 // 10, most * 4 // 10, -1):
        everything = way in ("abatch", "evaluation")
        ended = start_program(*arguments, kill_after, everything=everything, hash_seed=hash_seed).end()
        assert ended.returncode == (0 if kill_after < 0 else -9), ended.stderr
    paid = Counter((tmp_path / "calls").read_text().splitlines())
    asked = Counter([f"Question {n:04}" for n in range(most - 3)])
    asked["Vote {0000"] = 1 if way == "evaluation" else 3
    assert paid.keys() == asked.keys()
    assert asked <= paid
    assert (paid - asked).total() <= 2 * (AT_ONCE - 1), "what was in flight, but for the calls that were killed"
