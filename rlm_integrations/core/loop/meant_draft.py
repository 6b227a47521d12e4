"""Replies that are no answer, but say that what stands in `answer` is the one. Pure; linear in the reply."""

from __future__ import annotations

import re

from rlm_integrations.core.loop.state import Rules, State

_MOST_CHARS = 300
"""A longer one says something of its own."""
_NAME = r"answer(?:\[['\"]content['\"]\]|\.content\b)"
_HELD = re.compile(rf"\A[\W_]{{0,10}}+{_NAME}|\b{_NAME}[\W_]{{0,10}}+\Z")
_DENIED = re.compile(r"\b(?:no|not|wrong|instead|nicht|kein|falsch)\b|n['’]t\b", re.IGNORECASE)
"""It may name the draft to say another answer."""
_STANDS = re.compile(
    r"[\W_]*+(?>(?:(?:yes|ok|okay|done)\b[,.!:]?+ )?)"
    r"(?>(?:the|my) (?>(?:final )?)(?:answer|draft)(?>(?: (?:above|below|at present|so far|as it is))?)"
    r" (?:is|was|has been|stands|holds|remains)"
    r"|I(?: have|['’]ve)(?>(?: (?:already|now))?) (?:set|given|written) the answer)"
    r"(?>(?: (?:already|now|still|as|it|is|correct|right|final|complete|ready|set|given|written|shown|above|below|there"
    r"|unchanged|the same|accordingly))*)[.!\s*_`]*+",
    re.IGNORECASE,
)
"""All of a reply that calls an answer right, and says none."""


def draft_meant(rules: Rules, state: State, said: str) -> bool:
    """Whether a reply without code only points at the draft in the REPL, and that may be the answer."""
    draft = state.draft.strip()
    if not draft or len(said) > _MOST_CHARS or rules.misfit(draft, state.draft_is_json) is not None:
        return False
    if _STANDS.fullmatch(said) is not None:
        return True
    return _HELD.search(said) is not None and _DENIED.search(said) is None and "answer[" not in rules.question
