"""Neither a session that nobody holds nor a program that ends leaves a process behind."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rlm_integrations.core.session.idle_repls import idle_repls
from rlm_integrations.core.trace.events import CodeStarted, Event

from .questions import begin, finish

pytestmark = pytest.mark.usefixtures("nothing_rests")


def test_a_session_that_nobody_holds_ends_its_repl() -> None:
    session, _ = begin(finish("1"))
    session.ask("?")
    [idle] = idle_repls._idle.values()
    repl_: Any = idle.repl
    assert repl_ is not None
    del session
    gc.collect()
    assert not idle_repls._idle
    assert idle.repl is None
    assert not repl_._close_pidfd.alive


def test_close_may_come_while_a_question_is_answered() -> None:
    session: Any = None

    def close(event: Event) -> None:
        if isinstance(event, CodeStarted):
            session.close()

    session, llm = begin(finish("1"), on_event=close)
    with llm:
        assert session.ask("?").answer == "1"
    assert not idle_repls._idle
    session.close()


@pytest.mark.parametrize("end", ["", "session.close()", "del session", "os._exit(0)"])
async def test_a_program_that_ends_leaves_no_process(run_program: Callable[..., Any], until: Any, end: str) -> None:
    ended = run_program(f"""
import os
from rlm_integrations import RLMEngine
from rlm_integrations.core.session.idle_repls import idle_repls
from rlm_integrations.testing import ScriptedModel
llm = ScriptedModel(["```repl\\nanswer['content'] = 'ok'; answer['ready'] = True\\n```"])
session = RLMEngine(llm, limits={{"inline_chars": 0}}).session(["a text"])
session.ask("?")
[idle] = idle_repls._idle.values()
print(idle.repl.pid, flush=True)
del idle
{end}
""")
    assert (ended.stderr, ended.returncode) == ("", 0)
    worker = Path(f"/proc/{int(ended.stdout)}")
    await until(lambda: not worker.exists())


def test_a_fork_of_the_program_begins_anew_and_leaves_the_repl_to_its_parent(run_program: Callable[..., Any]) -> None:
    ended = run_program("""
import os, warnings
warnings.simplefilter("ignore", DeprecationWarning)
from rlm_integrations import RLMEngine
from rlm_integrations.testing import ScriptedModel
def reply(messages):
    anew = "the program was forked" in messages[-1].content
    return f"```repl\\nx = globals().get('x', 0) + 1\\nanswer['content'] = [x, {anew}]; answer['ready'] = True\\n```"
session = RLMEngine(ScriptedModel(always=reply), limits={"inline_chars": 0}).session(["a text"])
print(session.ask("?").text, flush=True)
child = os.fork()
if child == 0:
    print(session.ask("?").text, flush=True)
    session.close()
    os._exit(0)
os.waitpid(child, 0)
print(session.ask("?").text, flush=True)
""")
    assert (ended.stdout, ended.stderr, ended.returncode) == ("[1, false]\n[1, true]\n[2, false]\n", "", 0)
