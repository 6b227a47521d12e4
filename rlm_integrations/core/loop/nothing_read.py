"""What is said of an answer for which nothing was read."""

from __future__ import annotations

from rlm_integrations.core.wording import one_line

NOTHING_READ_NOTE = "no code ran: it rests on a sample of the context at most"
"""The same of a child RLM's answer, for its parent."""

_QUESTION_CHARS = 80


def nothing_read_warning(question: str) -> str:
    """What happened, and the remedy."""
    asked = one_line(question, _QUESTION_CHARS)
    return (
        f"no code ran: the root LM answered “{asked}” without reading the corpus, of which it has seen a sample at "
        "most; take a root LM that writes Python well, or pass instructions that say what to look up"
    )
