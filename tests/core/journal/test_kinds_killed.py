"""Runs of other kinds that are killed at every step: with folds, with code by a tool, with typed maps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PROGRAM = '''
import asyncio, os, re, signal, sys
from rlm_integrations import Completion, RLMEngine, ToolCall, Usage
from rlm_integrations.testing import PythonCalls, ScriptedModel

journal, calls, kind, kill_at_event, kill_at_call = *sys.argv[1:4], *map(int, sys.argv[4:6])
ENDS = {
    "folds": ("FoldStarted", "FoldEnded", "Folded", "RunEnded"),
    "tool": ("RootReplied", "SubCallEnded", "HostCallEnded", "CodeEnded", "RunEnded"),
    "maps": ("SubCallEnded", "CodeEnded", "RunEnded"),
}[kind]
BOOK = "".join(f"line {n}: nothing to see, or little of note\\n" for n in range(2_000))
STEPS = {
    "folds": ["# " + "thoughts " * 500 + "\\nvN = N if N == 1 else v1 + N\\nprint('done', N, context[:1_000])"] * 7,
    "tool": ["v1 = charge()\\nprint('done', 1)", "v2 = llm_query_batched(['a', 'a', 'b'])\\nprint('done', 2)"],
    "maps": ["v1 = llm_map('Count.', [f'item {n}' for n in range(8)], schema=int)\\nprint('done', 1)",
             "v2 = llm_filter('Even?', [f'item {n}' for n in range(8)])\\nprint('done', 2)"],
}[kind]
STEPS = [step.replace("N", str(n)) for n, step in enumerate(STEPS, 1)]
events = 0
made = 0


def die_at(number, due):
    if number == due:
        os.kill(os.getpid(), signal.SIGKILL)


def paid(what):
    """How often it has been paid for now. It dies before, while the call is in flight."""
    global made
    made += 1
    die_at(made, kill_at_call)
    with open(calls, "a") as file:
        file.write(what + "\\n")
    with open(calls) as file:
        return file.read().split("\\n").count(what)


def root(messages):
    done = max([0, *(int(n) for m in messages for n in re.findall("(?:done|summed up to) ([0-9]+)", m.content))])
    if "sum it up" in messages[-1].content:
        paid(f"fold after {done}")
        return f"Nothing was found, summed up to {done}."
    paid(f"root {done}")
    if done < len(STEPS):
        codes = [STEPS[done]]
    else:
        codes = [f"answer['content'] = [{', '.join(f'v{n}' for n in range(1, done + 1))}]\\nanswer['ready'] = True"]
    if kind != "tool":
        return "```repl\\n" + codes[0] + "\\n```"
    first, _, rest = codes[0].partition("\\n")
    return PythonCalls(first, rest, text="Two calls.")


def sub(messages):
    prompt = messages[-1].content
    items = re.findall(r"^(?:\\[([^]]+)\\] )?item ([0-9])", prompt, re.MULTILINE)
    if not items:
        return f"{prompt} {paid(prompt)}"
    of = "even" if "Even?" in prompt else "count"
    paid(f"{of} " + " ".join(n for _, n in items))
    said = []
    for mark, n in items:
        asked = paid_for(f"{of} ", n)
        if asked <= int(n) % 3:  # some are left out at first, or answered off the list
            said += [f"[{mark}] no idea"] if n == "2" else []
            continue
        said.append((f"[{mark}] " if mark else "") + (n if of == "count" else ("yes" if int(n) % 2 == 0 else "no")))
    return "\\n".join(said) or "no idea"


def paid_for(of, n):
    with open(calls) as file:
        return sum(line.startswith(of) and n in line.split() for line in file)


def charge():
    """Charges."""
    return paid("tool")


def on_event(event):
    global events
    if type(event).__name__ in ENDS:
        events += 1
        die_at(events, kill_at_event)


async def main():
    engine = RLMEngine(
        ScriptedModel(always=root, max_input_tokens=8_000 if kind == "folds" else None),
        sub_llm=ScriptedModel(always=sub),
        tools=[charge],
        protocol="tool" if kind == "tool" else "fence",
        journal=journal,
        on_event=on_event,
        limits={"max_concurrency": 1},
    )
    result = await engine.arun("?", BOOK)
    assert not result.trace.warnings, result.trace.warnings
    print(result.answer, result.trace.usage.total_tokens, result.trace.journal)


asyncio.run(main())
'''


@pytest.fixture(params=["folds", "tool", "maps"])
def run(
    request: pytest.FixtureRequest,
    start_program: Callable[..., Any],
    new_journal: Callable[[str], Path],
    hash_seed: int,
    tmp_path: Path,
) -> Callable[..., str | None]:
    """Makes the call in a process of its own, over a journal of that name.

    Returns what it printed; None where it was killed.
    """

    def make(name: str, *, kill_at_event: int = 0, kill_at_call: int = 0) -> str | None:
        journal = tmp_path / f"{name}.sqlite"
        if not journal.exists():
            new_journal(journal.name)
        arguments = journal, tmp_path / name, request.param, kill_at_event, kill_at_call
        ended = start_program(PROGRAM, *arguments, hash_seed=hash_seed).end()
        assert ended.returncode in (0, -9), ended.stderr
        return ended.stdout.strip() if ended.returncode == 0 else None

    return make


def test_it_pays_for_the_same_calls_as_one_that_nothing_ends(run: Callable[..., Any], tmp_path: Path) -> None:
    """Killed at each event, where each process goes on where the one before was killed; and with a call in flight."""
    whole = run("whole")
    deaths = 0
    while (printed := run("events", kill_at_event=deaths + 1)) is None:
        deaths += 1
    assert deaths >= 7
    assert printed == whole.replace("new", "finished")
    paid = (tmp_path / "whole").read_text().splitlines()
    assert run("calls", kill_at_call=len(paid) // 2) is None
    assert run("calls") == whole.replace("new", "resumed")
    for name in ("events", "calls"):
        assert (tmp_path / name).read_text().splitlines() == paid
