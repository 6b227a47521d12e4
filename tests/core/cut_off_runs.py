"""What runs that are cut off share: a corpus, an answer, and a tool of their sub-LMs."""

from __future__ import annotations

from rlm_integrations.core.host.sub_tools import sub_tool_of

CORPUS = "".join(f"line {n}: nothing to see\n" for n in range(2_000))
FINISH = "answer['content'] = 'done'\nanswer['ready'] = True"


def lookup(name: str) -> str:
    """Look a name up."""
    return name


LOOKUP = sub_tool_of(lookup, 0)
"""To make it takes pydantic longer than most of a run."""
