"""The tokens of a chat template that a server leaves around a reply, and turns that were made up behind it."""

from __future__ import annotations

import re

_STOP_TOKEN = (
    r"(?:<\|(?:im_end|eot_id|eom_id|eot|eos|endoftext|end_of_text|end_of_turn|end_of_turn_token|end|return|role_end"
    r"|header_end|user|observation)\|>|<end_of_turn>|<turn\|>|<eos>|</s>|<｜end▁of▁sentence｜>|<｜User｜>|\[/INST\])"
)
_STOP_TOKENS = re.compile(rf"(?>(?:\s*+{_STOP_TOKEN})+)\s*+\Z", re.IGNORECASE)
_NEXT_TURN = re.compile(
    rf"<｜(?<![ \t`\"'“‘|(\[*]<｜)User｜>|{_STOP_TOKEN}\s*+(?:<\|im_start\|>|<\|start_header_id\|>|<start_of_turn>"
    r"|<\|turn>|<\|user\|>|<\|system\|>|\[INST\]|<｜User｜>)"
)
"""Where a server missed the end of the turn, and the model went on with an invented one. DeepSeek's token stands right
behind the words; in quotes or behind a space it is spoken of."""
_HEAD = re.compile(
    r"\s*+(?:(?:<s>|<bos>)(?=\s*+[^\s<])|(?>(?:<s>|<bos>)?)(?:<\|im_start\|>assistant"
    r"|<\|start_header_id\|>assistant<\|end_header_id\|>|<start_of_turn>model|<\|turn>model|<\|assistant\|>))\s*+"
)
_STRUCK_OUT = re.compile(r"\A\s*+<s>[^<]*+</s>\s*+\w")
"""HTML, and no token."""
_LAST_CHARS = 200


def own_turn(text: str) -> str:
    """The text without the tokens of a chat template around it, and without turns that were made up behind it."""
    if (head := _HEAD.match(text)) and not _STRUCK_OUT.match(text):
        text = text[head.end() :]
    at, fences = 0, 0
    for turn in _NEXT_TURN.finditer(text):
        fences += text.count("```", at, turn.start())
        at = turn.start()
        if fences % 2 == 0:
            return text[:at]
    stop = _STOP_TOKENS.search(text, max(0, len(text) - _LAST_CHARS))
    return text if stop is None else text[: stop.start()]
