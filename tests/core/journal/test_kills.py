"""A process that is killed, at every step of a run: another one goes on, and pays for nothing twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PROGRAM = '''
import asyncio, os, signal, sys
from rlm_integrations import RLMEngine
from rlm_integrations.testing import ScriptedModel

journal, calls, way, kill_at = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
TEXTS = {f"doc-{n}": f"Text {n}. " + "Nothing of note. " * 20 for n in range(4)}
CODES = {codes}
ENDS = ("RootReplied", "SubCallEnded", "HostCallEnded", "CodeEnded", "IterationEnded", "RunEnded")
seen = 0


def note(what):
    """It is paid for: nobody forgets it."""
    with open(calls, "a") as file:
        file.write(what + "\\n")


def count():
    global seen
    seen += 1
    if seen == kill_at:
        os.kill(os.getpid(), signal.SIGKILL)


def root(messages):
    step = sum(message.role == "assistant" for message in messages)
    note(f"root {step}")
    return "```repl\\n" + CODES[step] + "\\n```"


def sub(messages):
    if messages[0].content.startswith("You answer a question about a corpus"):
        step = sum(message.role == "assistant" for message in messages)
        note(f"child {step}")
        return "```repl\\n" + CHILD[step] + "\\n```"
    prompt = messages[-1].content
    if way == "votes" and prompt == "vote":
        count()  # while it is in flight
    note(prompt)
    with open(calls) as file:
        return f"{prompt} {file.read().split(chr(10)).count(prompt)}"


def charge_tool():
    """Charges."""
    note("tool")
    return 42


def on_event(event):
    if way == "events" and type(event).__name__ in ENDS:
        count()


async def main():
    engine = RLMEngine(
        ScriptedModel(always=root),
        sub_llm=ScriptedModel(always=sub),
        tools=[charge_tool],
        journal=journal,
        on_event=on_event,
        limits={"max_depth": 2, "max_concurrency": 1},
    )
    result = await engine.arun("?", TEXTS)
    assert not result.trace.warnings, result.trace.warnings
    print(result.answer, result.trace.journal)


asyncio.run(main())
'''
STEPS = """[
    "n = charge_tool()\\nfound = [llm_query(w) for w in {'a', 'b', 'c'}]\\nprint(n, found, {*'pqrstuvw'})",
    "who = rlm_query('Who?', context[:2])\\nprint(who)",
    "answer['content'] = f'{n} {sorted(found)} {who}'\\nanswer['ready'] = True",
]
CHILD = [
    "said = llm_query('x' if len(context) == 2 else 'y')\\nprint(said)",
    "answer['content'] = said + llm_query('z')\\nanswer['ready'] = True",
]"""
VOTES = """[
    "charge_tool()\\nfound = [llm_query(w) for w in {'a', 'b', 'c'}]\\nvotes = llm_query_batched(['vote'] * 5)",
    "answer['content'] = f'{sorted(found)} {votes}'\\nanswer['ready'] = True",
]"""


@pytest.fixture
def run(start_program: Callable[..., Any], path: Path, hash_seed: int, tmp_path: Path) -> Callable[..., str | None]:
    """Makes the call in a process of its own. Returns what it printed; None where it was killed."""

    def make(codes: str, way: str, kill_at: int, *, fresh: bool = False) -> str | None:
        source = PROGRAM.replace("{codes}", codes)
        arguments = path, tmp_path / "calls", way, kill_at
        ended = start_program(source, *arguments, hash_seed=hash_seed, fresh=fresh).end()
        if ended.returncode == -9:
            return None
        assert ended.returncode == 0, ended.stderr
        return ended.stdout.strip()

    return make


def calls(tmp_path: Path) -> Counter[str]:
    return Counter((tmp_path / "calls").read_text().split("\n")[:-1])


def test_a_run_that_is_killed_at_each_of_its_steps_pays_once(run: Callable[..., Any], tmp_path: Path) -> None:
    """Each process goes on where the one before was killed, and is killed one step later."""
    deaths = 0
    while (printed := run(STEPS, "events", deaths + 1)) is None:
        deaths += 1
    assert deaths == 5 + 6 + 1 + 5 + 3 + 1
    assert printed == "42 ['a 1', 'b 1', 'c 1'] x 1z 1 finished"
    once = ["tool", "a", "b", "c", "x", "z", "root 0", "root 1", "root 2", "child 0", "child 1"]
    assert calls(tmp_path) == Counter(once)


def test_a_batch_that_is_killed_has_as_many_samples_as_it_asked_for(run: Callable[..., Any], tmp_path: Path) -> None:
    """Killed while the fourth of five equal prompts is in flight: two more calls, whatever the order of the set."""
    assert run(VOTES, "votes", 4) is None
    before = calls(tmp_path)
    assert before == Counter({"root 0": 1, "tool": 1, "a": 1, "b": 1, "c": 1, "vote": 3})
    printed = run(VOTES, "none", 0)
    assert calls(tmp_path) - before == Counter({"vote": 2, "root 1": 1})
    assert printed == "['a 1', 'b 1', 'c 1'] ['vote 1', 'vote 2', 'vote 3', 'vote 4', 'vote 5'] resumed"


def test_a_set_has_its_order_again_in_a_helper_of_another_start(run: Callable[..., Any]) -> None:
    """Which knows it from the journal alone."""
    assert run(STEPS, "events", 8) is None, "the step that prints what it made of a set is over"
    assert run(STEPS, "none", 0, fresh=True) == "42 ['a 1', 'b 1', 'c 1'] x 1z 1 resumed"


def test_a_run_that_has_ended_is_answered_in_another_process(run: Callable[..., Any], tmp_path: Path) -> None:
    first = run(VOTES, "none", 0)
    paid = calls(tmp_path)
    assert run(VOTES, "none", 0) == first.replace("new", "finished")
    assert calls(tmp_path) == paid
