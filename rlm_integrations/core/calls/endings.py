"""Whether a reply is a whole one, and in which words it is not: what happened, then the remedy in brackets. Pure."""

from __future__ import annotations

from rlm_integrations.core.language_model import Completion
from rlm_integrations.core.wording import one_line

MOST_READ_CHARS = 600_000
"""Of a reply in which thoughts, code or values are looked for. Models write at most 128,000 tokens at once, of some
four characters. A longer one can only be taken as plain text: a pattern keeps the interpreter locked until it has seen
all of it, up to 0.17 µs for a character.
"""
_SHOWN_CHARS = 200


def unfinished(completion: Completion, *, called: bool = False) -> str | None:
    """Why it is no whole reply, for the root LM and for errors: cut, withheld, refused or empty. None where it is one.

    `called`: whether it calls tools that were offered, and so says something even without text.
    A reply without text whose tokens went into reasoning says so, with the remedy.
    """
    said = called or bool(completion.text.strip())
    if said and completion.finish in (None, "stop"):  # as most are
        return None
    thought = bool(completion.thoughts.strip()) or completion.usage.reasoning_tokens > 0
    match completion.finish:
        case "length" if said:
            return "the reply was cut at the model's limit of output tokens (raise max_tokens, or ask for less at once)"
        case "length" if thought:
            return (
                "the model spent all its output tokens on reasoning, and its reply was cut before it began "
                "(raise max_tokens, or have it reason less)"
            )
        case "length":
            return "the reply was cut at the model's limit of output tokens before it began (raise max_tokens)"
        case "content_filter":
            return "a content filter cut the reply" if said else "a content filter withheld the reply"
        case "refusal":
            return f"the model refused: {shown(completion.text)}" if said else "the model refused, and did not say why"
        case "error":
            return (
                "the reply broke off: the server failed amid it, or ended its stream with no finish_reason and no "
                "usage (where it never sends one: ask for whole replies, without streaming)"
            )
        case _ if said:
            return None
        case _ if completion.tool_calls:
            return "the reply is empty: it calls a tool, and no tools are offered"
        case _ if thought:
            return "the reply is empty: the model ended with its reasoning (if that was cut, raise max_tokens)"
        case _:
            return "the reply is empty"


def too_long_to_read(completion: Completion) -> str | None:
    """Why code or values are not looked for in it, in the same words. None where they are."""
    chars = len(completion.text)
    if completion.tool_calls:
        chars += sum([len(call.name) + len(call.arguments) for call in completion.tool_calls])
    return too_many_to_read(chars)


def too_many_to_read(chars: int) -> str | None:
    """The same of a reply that has so many characters."""
    if chars <= MOST_READ_CHARS:
        return None
    return (
        f"the reply has {chars:,} characters, and at most {MOST_READ_CHARS:,} are read (ask for less at once, or lower "
        "max_tokens)"
    )


def to_its_writer(why: str) -> str:
    """The same without the remedy, which stands in brackets at its end: it is for whoever asks, not for the model."""
    return why.rpartition(" (")[0] if why.endswith(")") else why


def worth_asking_again(completion: Completion) -> bool:
    """Whether the same request may well have a whole reply: an empty one, or one that the server failed in."""
    if completion.cached:
        return False
    return completion.finish == "error" or (completion.finish in ("stop", None) and not completion.text.strip())


def shown(text: str) -> str:
    """The start of a reply, quoted in a line of ours."""
    return repr(one_line(text.strip()[:_SHOWN_CHARS]))
