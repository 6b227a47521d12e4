"""Messages about arguments of Python, for somebody who typed options of a command."""

from __future__ import annotations

import re

_OPTIONS = {
    "question": "--question",
    "context": "PATH",
    "model": "--model",
    "base_url": "--base-url",
    "sandbox": "--sandbox",
    "imports": "--import",
    "max_input_tokens": "--max-input-tokens",
    "input_price": "--price",
    "output_price": "--price",
}
_KEY = "Pass api_key=... or set OPENAI_API_KEY"
_argument = re.compile(rf"({'|'.join(name for name in _OPTIONS if name != 'sandbox')})(?=: )")
_keyword = re.compile(rf"\b({'|'.join(_OPTIONS)})=(?:'([^'\n]*+)'|([\w.]++))")


def in_shell_words(message: str) -> str:
    """The message, with options in place of arguments."""
    if message.startswith("api_key: none given, and "):
        message = message.removeprefix("api_key: none given, and ").replace(_KEY, "Set OPENAI_API_KEY")
    if named := _argument.match(message):
        message = _OPTIONS[named[0]] + message[named.end() :]
    return _keyword.sub(lambda found: f"{_OPTIONS[found[1]]} {found[2] or found[3] or repr('')}", message)
