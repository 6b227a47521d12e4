"""Replies that are no answer, but say that what stands in `answer` is the one. Pure; linear in the reply."""

from __future__ import annotations

import re

from rlm_integrations.core.loop.state import Rules, State

_MOST_CHARS = 300
"""A longer one says something of its own."""
_NAME = r"answer(?:\[['\"]content['\"]\]|\.content\b)"
_NAME_LAST = re.compile(rf"\b{_NAME}[\W_]{{0,10}}+\Z")
_LEADS_THERE = re.compile(r"[^\n,;:=\d]{1,80}+")
"""Before that name: without a sign or a figure, by which it would say the answer itself."""
_ANSWER = re.compile(
    r"\b(?:answer|result|draft|antwort|ergebnis|r[ée]ponse|respuesta|risposta|resposta|antwoord)\b|ответ|答案|回答|答え",
    re.IGNORECASE,
)
_HOLDS_IT = re.compile(
    rf"[\W_]{{0,10}}+{_NAME}[\W_]{{0,10}}+(?:holds|has|contains|is|stays|stands|remains)"
    r"(?>(?: (?:it|the|my|answer|already|now|still|set|ready|final|complete|correct|right|unchanged|as it is"
    r"|all of it))*)[\W_]*+",
    re.IGNORECASE,
)
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
_JUDGES = re.compile(
    r"\b(?:right|correct|final|complete|ready|unchanged|given|shown|written|above|below)\b", re.IGNORECASE
)
"""Where the question has such a word, it may be the answer: "left or right?"."""


def draft_meant(rules: Rules, state: State, said: str) -> bool:
    """Whether a reply without code only points at the draft in the REPL, and that may be the answer."""
    draft = state.draft.strip()
    if not draft or len(said) > _MOST_CHARS or rules.misfit(draft, state.draft_is_json) is not None:
        return False
    if any(re.search(rf"\b{word}\b", rules.question, re.IGNORECASE) for word in _JUDGES.findall(said)):
        return False
    if _STANDS.fullmatch(said) is not None or _HOLDS_IT.fullmatch(said) is not None:
        return True
    name = _NAME_LAST.search(said)
    if name is None or _DENIED.search(said) is not None or "answer[" in rules.question:
        return False
    leads = said[: name.start()]
    return _LEADS_THERE.fullmatch(leads) is not None and _ANSWER.search(leads) is not None
