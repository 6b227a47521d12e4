"""What a reasoning model thought before it spoke is not its reply: where a server leaves it in the text, it goes out.

Servers without a reasoning parser send it as the model wrote it: between tags, before a lone closing tag (the opening
one stood in the prompt), after an opening one that never closes, or in harmony's channels.
"""

from __future__ import annotations

import re

_MOST_CHARS = 2_000_000
"""Of a reply that is looked through. A longer one is no reasoning model's."""

_MARK = re.compile(
    r"(?P<fence>^[ \t]*+(?:`{3,}+|~{3,}+)(?P<info>[^\n`]*+)$)"
    r"|^[ \t]*+(?P<opening><(?:think|thinking|seed:think|thoughts?+|reasoning)>|\[THINK\]|◁think▷)"
    r"|(?<![\"'`\\])(?P<closing></(?:think|thinking|seed:think|thoughts?+|reasoning)>|\[/THINK\]|◁/think▷)",
    re.MULTILINE,
)
"""A tag in quotes or backticks is spoken of, and an opening one begins its line."""
_ONLY_AT_THE_START = {"<thought>", "<thoughts>", "<reasoning>"}
"""Tags that answers have for other things too."""
_HARMONY = re.compile(r"<\|(start|channel|message|constrain|end|return|call)\|>")
_BARE_ANALYSIS, _BARE_FINAL = "analysis", "assistantfinal"
"""What is left of harmony where a server drops its special tokens."""
_STOP_TOKENS = re.compile(
    r"(?:\s*+(?:<\|(?:im_end|eot_id|eom_id|endoftext|end_of_text)\|>|<end_of_turn>|</s>|<｜end▁of▁sentence｜>))++\s*+\Z"
)
_LAST_CHARS = 200
_SIGNS = ("<", "THINK]", "◁")
"""One of them stands in every mark above that is no bare word."""


def split_thoughts(text: str) -> tuple[str, str]:
    """A completion's text -> what it says, what was thought. Takes time in proportion to the text.

    Stop tokens that a server left at its end go too. A text without any of these comes back as it is.
    """
    if len(text) > _MOST_CHARS or not (any(sign in text for sign in _SIGNS) or text.startswith(_BARE_ANALYSIS)):
        return text, ""
    stop = _STOP_TOKENS.search(text, max(0, len(text) - _LAST_CHARS))
    text = text if stop is None else text[: stop.start()]
    if "<|channel|>" in text or "<|message|>" in text:
        said, thoughts = _channels(text)
    elif text.startswith(_BARE_ANALYSIS) and _BARE_FINAL in text:
        thought, _, final = text.removeprefix(_BARE_ANALYSIS).partition(_BARE_FINAL)
        said, thoughts = [final], [thought]
    else:
        said, thoughts = _tagged(text)
    if not thoughts:
        return text, ""
    return "".join(said).strip(), "\n\n".join(filter(None, map(str.strip, thoughts)))


def _tagged(text: str) -> tuple[list[str], list[str]]:
    said: list[str] = []
    thoughts: list[str] = []
    start = len(text) - len(text.lstrip())
    at, inside, in_fence = 0, "", False
    for mark in _MARK.finditer(text):
        opening, closing = mark["opening"], mark["closing"]
        if inside:
            if closing is not None and _same(inside, closing):
                thoughts.append(text[at : mark.start()])
                at, inside = mark.end(), ""
        elif mark["fence"] is not None:
            in_fence = not in_fence or bool(mark["info"].strip())
        elif opening is not None:
            if not in_fence and (opening not in _ONLY_AT_THE_START or mark.start("opening") == start):
                said.append(text[at : mark.start()])
                at, inside = mark.end(), opening
        elif closing.replace("/", "") not in _ONLY_AT_THE_START:  # the opening one stood in the prompt
            thoughts += [*said, text[at : mark.start()]]
            said, at, in_fence = [], mark.end(), False
    (thoughts if inside else said).append(text[at:])
    return said, thoughts


def _same(opening: str, closing: str) -> bool:
    return closing.replace("/", "") == opening


def _channels(text: str) -> tuple[list[str], list[str]]:
    """Harmony's messages: <|channel|>analysis<|message|>...<|end|> and so on. What no channel is named for is said."""
    said: list[str] = []
    thoughts: list[str] = []
    into, at, header = said, 0, ""
    for token in _HARMONY.finditer(text):
        piece = text[at : token.start()]
        at = token.end()
        if header:  # a role, a channel's name, or what its content is
            header = token[1] if token[1] in ("start", "channel", "constrain") else ""
            if piece.lstrip().startswith("analysis"):
                into = thoughts
        else:
            into.append(piece)
            into = said
            header = token[1] if token[1] in ("start", "channel", "constrain") else ""
    if not header:
        into.append(text[at:])
    return said, thoughts
