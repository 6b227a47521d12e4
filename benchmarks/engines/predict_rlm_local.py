"""Measures `predict-rlm` (PyPI) with its DirectPythonBackend, a process of the user's rights.

Its default is Pyodide in Deno, as that of dspy. The model is an engine of dspy.LM, scripted, in this process.
"""

from __future__ import annotations

import json
import tempfile

from predict_rlm import DirectPythonBackend, PredictRLM

from benchmarks.engines.dspy_rlm import scripted
from benchmarks.engines.measuring import main
from benchmarks.engines.timed_replies import TimedReplies

_ASK = """async def ask(prompt):
    return (await predict("prompt -> reply", prompt=prompt))["reply"]

"""
_ANSWER = "[[ ## reply ## ]]\n{}\n\n[[ ## completed ## ]]"
"""Of a sub-LM: its default adapter reads chats there, and JSON of the root LM."""


class PredictRlm:
    finish = "SUBMIT(answer=str(len(context)))"

    def prepare(self, text: str) -> str:
        return text

    def run(self, context: str, root: TimedReplies, sub: TimedReplies) -> None:
        with tempfile.TemporaryDirectory() as folder:
            backend = DirectPythonBackend(runner_path=f"{folder}/payload.py", workdir=folder)
            try:
                engine = PredictRLM(
                    "context, question -> answer",
                    lm=scripted(root, _step),
                    sub_lm=scripted(sub, _ANSWER.format),
                    max_iterations=10_000,
                    max_llm_calls=100_000,
                    verbose=False,
                    interpreter=backend,
                )
                answer = engine(context=context, question="?").answer
            finally:
                backend.shutdown()
        if answer != str(len(context)):
            raise RuntimeError(f"predict-rlm answered {answer!r:.200}")


def _step(code: str) -> str:
    """A reply. Sub-calls are awaited here, and typed."""
    if "llm_query(" in code:
        code = _ASK + code.replace("llm_query(", "await ask(")
    return json.dumps({"plan": "-", "code": code})


if __name__ == "__main__":
    main(PredictRlm())
