"""Whether a reply that is no code as far as it can be read was meant to be some, and so is no answer. Pure; linear."""

from __future__ import annotations

import re
from itertools import islice

from rlm_integrations.core.loop.quotations import Quotations
from rlm_integrations.core.loop.session_code import read_python

_OF_THE_SESSION = re.compile(
    r"(?:(?<![\w.`])|(?<=\\n))(?:FINAL(?>(?:_VAR)?)|llm_(?:query(?>(?:_batched)?)|map|filter|pairs|reduce)|rlm_query(?>(?:_batched)?)|SHOW_VARS)\("
    r"|\banswer\s*+=\s*+\{(?=\s*+[\"'](?:content|ready)[\"']\s*+:)|\banswer\[(?=\\?+[\"'](?:ready|content)\\?+[\"']\]\s*+=(?!=))|\bprint\((?=(?:context|search\(|len\(context)\b)"
)
_BLOCK_QUOTE = re.compile(
    r"^[ \t]*+> ?+(?:```|~~~)[^\n]*+\n(?P<code>(?>(?:[ \t]*+>(?! ?+(?:```|~~~))[^\n]*+(?:\n|\Z))+))", re.MULTILINE
)
"""A fence in a block quote, as others quote words: it never runs."""
_QUOTE_MARK = re.compile(r"^[ \t]*+> ?+", re.MULTILINE)
_SHELL = re.compile(
    r"(?:```|~~~)[ \t]*+(?:bash|sh|shell|zsh|console|terminal|cmd|powershell)[ \t]*+\n(?P<code>[^`~]*+)(?:```|~~~)",
    re.IGNORECASE,
)
_INTENT = re.compile(
    r"(?>(?:(?>(?:(?:ok|okay|sure|alright|certainly|of course|first|now|next|then)\b[,.!:]?+\s++){0,3})"
    r"(?:I(?:['’]ll| will|['’]m going to| am going to| need to| have to| should)|let me|let['’]s|let us)\s++"
    r"[^.!?:…\n]{1,300}+(?:[.!:…]++|\Z)\s*+){1,4})",
    re.IGNORECASE,
)
"""A reply that but says what its writer will do."""
_MEANS = re.compile(r"\b(?:code|python|repl|script|regex|sub-?+calls?+|context)\b", re.IGNORECASE)
_MOST_CHARS, _MOST_SIGNS = 200_000, 20
"""Of a reply that is looked through: longer ones are long answers."""


def meant_to_run(reply: str, question: str, quotations: Quotations) -> bool:
    """Whether it calls functions of the REPL, or sets `answer`, though nobody asked about those or showed them.

    So is a reply of nothing but what it is going to do with code, or a command that works on the context.
    """
    if len(reply) > _MOST_CHARS:
        return False
    shell = _SHELL.fullmatch(reply)
    if (shell and "context" in shell["code"]) or (_INTENT.fullmatch(reply) and _MEANS.search(reply)):
        return not quotations.hold_code(reply if shell is None else shell["code"])
    for found in islice(_OF_THE_SESSION.finditer(reply), _MOST_SIGNS):
        line = reply[reply.rfind("\n", 0, found.start()) + 1 : found.end()]
        if found[0][:-1] not in question and not quotations.hold_code(line):
            return True
    return any(
        _is_for_session(found["code"], quotations) for found in islice(_BLOCK_QUOTE.finditer(reply), _MOST_SIGNS)
    )


def _is_for_session(quoted: str, quotations: Quotations) -> bool:
    """Whether lines of a block quote are code for the session, of the root LM's own."""
    code = _QUOTE_MARK.sub("", quoted)
    read = read_python(code)
    return read is not None and read.for_session(()) and not quotations.hold_code(code)
