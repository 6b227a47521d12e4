"""What the code of a child RLM tries against the host, its parent and its siblings: no more than any other code may."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Sequence
from pathlib import Path

import pytest

from rlm_integrations import Message, RLMEngine
from rlm_integrations.testing import ScriptedModel

from .attempts import ATTEMPTS

CORPUS = {f"d{n}": f"Document {n}. " * 1_500 for n in range(4)}
PREPARED = """
import ctypes, fcntl, os
libc = ctypes.CDLL(None, use_errno=True)
def check(result):
    if result == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
for CHANNEL in range(3, 64):
    try: fcntl.fcntl(CHANNEL, fcntl.F_GETFD)
    except OSError: continue
    break
"""
FAMILY = {
    "only its channel and dead streams": (
        "import fcntl\nfor fd in range(1024):\n    try: fcntl.fcntl(fd, fcntl.F_GETFD)\n    except OSError: pass\n"
        "    else: print(fd)",
        "prints",
        r"0\n1\n2\n\d+",
    ),
    "documents that it was not given": (
        "import gc\nothers = [d for d in gc.get_objects() if type(d) is dict and d.get('id') in ('d2', 'd3')]\n"
        "print(others, len(context), len(search('Document 3', limit=None)))",
        "prints",
        r"\[\] 2 0",
    ),
    "citing what it was not given": ("cite('Document 3.', 'd3')", "raises", "no document has the id"),
    **{
        f"process {relative} of its own": (f"import os\nos.kill(os.getpid() + {relative}, 0)", "raises", r"\[Errno 1\]")
        for relative in (-2, -1, 1, 2)
    },
    **{
        f"memory of process {relative} of its own": (
            f"import os\nopen(f'/proc/{{os.getpid() + {relative}}}/mem', 'rb')",
            "raises",
            r"\[Errno 1\]",
        )
        for relative in (-1, 1)
    },
    "a file of its parent's": ("open('/proc/self/fd/4', 'rb')", "raises", r"\[Errno 1\]"),
}


A_CHILD = 8
"""Children of each child of the run, all at the same time."""
TRIED = dict([*ATTEMPTS.items()][::8]) | FAMILY
"""Of those that all REPLs are tried with, each eighth."""


def _repl(code: str) -> str:
    return f"```repl\n{code}\n```"


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers of system calls are those of x86_64")
def test_no_attempt_of_a_grandchild_succeeds() -> None:
    names = list(TRIED)
    end = _repl("answer['content'] = 'over'\nanswer['ready'] = True")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)

        def node(messages: Sequence[Message]) -> str:
            if len(messages) > 2:
                return end
            if some := re.search(r"attempts from (\d+)", messages[1].content):
                attempts = [f"attempt {n}" for n in range(len(names))[int(some[1]) :][:A_CHILD]]
                return _repl(f"rlm_query_batched([(each, context) for each in {attempts}])")
            asked = re.search(r"attempt (\d+)", messages[1].content)
            assert asked is not None
            code = TRIED[names[int(asked[1])]][0]
            code = code.replace("HOST", str(os.getpid())).replace("PORT", str(listener.getsockname()[1]))
            return _repl(PREPARED + code)

        firsts = range(0, len(names), A_CHILD)
        batch = f"rlm_query_batched([(f'attempts from {{n}}', context[:2]) for n in {firsts}])"
        limits = {"max_depth": 3, "memory_mb": 1024}
        with ScriptedModel([_repl(batch), end]) as llm:
            trace = RLMEngine(llm, sub_llm=ScriptedModel(always=node), limits=limits).run("?", CORPUS).trace
        with pytest.raises(BlockingIOError):
            listener.accept()
    tried = [each for each in trace.tree() if re.fullmatch(r"attempt \d+", each.question)]
    assert len(tried) == len(names)
    for child in tried:
        name = names[int(child.question.split()[1])]
        _, kind, pattern = TRIED[name]
        execution = child.executions[0]
        if kind == "raises":
            assert execution.error, f"{name}: it succeeded: {execution.output}"
            assert re.search(pattern, execution.error), (name, execution.error)
        else:
            assert not execution.error, (name, execution.error)
            assert re.fullmatch(pattern, execution.output.strip()), (name, execution.output)
    assert not Path("/tmp/rlm-pwned").exists()
