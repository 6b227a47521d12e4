"""Measures dspy.RLM (PyPI). The model is an engine of dspy.LM, scripted, in this process.

The environment variable RLM_BENCH_INTERPRETER names what runs the code: "deno", dspy's default (Pyodide in Deno), or
"local", its process with the user's rights.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable

import dspy
from dspy.primitives.code_interpreter import CodeInterpreterError
from dspy.primitives.local_interpreter import LocalInterpreter
from dspy.primitives.python_interpreter import PythonInterpreter

from benchmarks.engines.measuring import main
from benchmarks.engines.timed_replies import TimedReplies

INTERPRETERS = {"deno": PythonInterpreter, "local": LocalInterpreter}
_REPLY = "[[ ## reasoning ## ]]\n-\n\n[[ ## code ## ]]\n```python\n{}\n```\n\n[[ ## completed ## ]]"


class _Scripted:
    """An engine as dspy.LM takes it."""

    def __init__(self, replies: TimedReplies, dress: Callable[[str], str]) -> None:
        self._replies, self._dress = replies, dress

    def complete(self, request: dspy.lm15.Request) -> dspy.lm15.Response:
        return dspy.lm15.Response(
            id=None,
            model="scripted",
            message=dspy.lm15.Message.assistant([dspy.lm15.TextPart(self._dress(self._replies.next(_chars(request))))]),
            finish_reason="stop",
            usage=dspy.lm15.Usage(input_tokens=0, output_tokens=0, total_tokens=0),
        )


class _ScriptedAsync(_Scripted):
    async def complete(self, request: dspy.lm15.Request) -> dspy.lm15.Response:  # type: ignore[override]
        return super().complete(request)


def _chars(request: dspy.lm15.Request) -> int:
    """What the system prompt and the messages hold."""
    parts = [part for message in request.messages for part in message.parts]
    return len(request.system or "") + sum(len(part.text) for part in parts)


def scripted(replies: TimedReplies, dress: Callable[[str], str]) -> dspy.LM:
    """`dress` makes of what the script has a reply as the adapter of dspy reads it."""
    engine, async_engine = _Scripted(replies, dress), _ScriptedAsync(replies, dress)
    return dspy.LM("openai/scripted", engine=engine, async_engine=async_engine, cache=False)


def _deno_says() -> str:
    """Why Deno does not start, which dspy leaves out."""
    started = subprocess.run(PythonInterpreter().deno_command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return next((line for line in started.stderr.splitlines() if "rror" in line), "")


class Dspy:
    finish = "SUBMIT(str(len(context)))"

    def prepare(self, text: str) -> str:
        return text

    def run(self, context: str, root: TimedReplies, sub: TimedReplies) -> None:
        engine = dspy.RLM(
            "context, question -> answer",
            max_iters=10_000,
            max_llm_calls=100_000,
            sub_lm=scripted(sub, str),
            interpreter_factory=INTERPRETERS[os.environ["RLM_BENCH_INTERPRETER"]],
        )
        try:
            with dspy.context(lm=scripted(root, _REPLY.format)):
                answer = engine(context=context, question="?").answer
        except CodeInterpreterError as error:
            raise RuntimeError(_deno_says() or str(error)) from error
        if answer != str(len(context)):
            raise RuntimeError(f"dspy answered {answer!r:.200}")


if __name__ == "__main__":
    main(Dspy())
