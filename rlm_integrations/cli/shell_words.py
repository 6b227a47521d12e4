"""Messages about arguments of Python, for somebody who typed options of a command."""

from __future__ import annotations

import re

from rlm_integrations.core.calls.missing_key import KEY_REMEDY
from rlm_integrations.sandboxes.choose import OR_AN_OBJECT

_OPTIONS = {
    "question": "--question",
    "context": "PATH",
    "model": "--model",
    "base_url": "--base-url",
    "sandbox": "--sandbox",
    "limits": "--limit",
    "journal": "--journal",
    "imports": "--import",
    "max_input_tokens": "--max-input-tokens",
    "input_price": "--price",
    "output_price": "--price",
}
# "sandbox: " begins the errors of sandboxes, too; where one of them is named it is the argument.
_argument = re.compile(rf"({'|'.join(name for name in _OPTIONS if name != 'sandbox')})(?=: )|sandbox(?=: ')")
_keyword = re.compile(rf"\b({'|'.join(_OPTIONS)})=(?:'([^'\n]*+)'|([\w.]++))")


def in_shell_words(message: str) -> str:
    """The message, with options in place of arguments."""
    message = message.removeprefix("api_key: none given, and ").replace("pass api_key=..., ", "")
    message = message.replace(KEY_REMEDY, KEY_REMEDY.replace("base_url", "--base-url")).replace(OR_AN_OBJECT, "")
    if named := _argument.match(message):
        message = _OPTIONS[named[0]] + message[named.end() :]
    return _keyword.sub(lambda found: f"{_OPTIONS[found[1]]} {found[2] or found[3] or repr('')}", message)
