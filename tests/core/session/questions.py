"""A session over three notes, and what its root LM writes."""

from __future__ import annotations

from typing import Any

from rlm_integrations import RLMEngine
from rlm_integrations.testing import ScriptedModel

NOTES = {"a": "The kiln was lit on Monday.", "b": "The kiln went out on Friday."}
UNSEEN = {"inline_chars": 0}
GOES_ON, BEGUN_ANEW = "The session goes on", "The session of the questions before has ended"


def repl(code: str) -> str:
    return f"Some thought.\n\n```repl\n{code}\n```"


def finish(expression: str) -> str:
    return repl(f'answer["content"] = {expression}\nanswer["ready"] = True')


def begin(*replies: Any, context: Any = NOTES, sandbox: Any = "process", **options: Any) -> tuple[Any, ScriptedModel]:
    """A session whose root LM gives these replies."""
    llm = ScriptedModel([*replies])
    limits = UNSEEN | options.pop("limits", {})
    return RLMEngine(llm, limits=limits, sandbox=sandbox, **options).session(context), llm
