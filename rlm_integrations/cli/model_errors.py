"""What the user of a command can do about a server that refused, in words for whoever typed its URL."""

from __future__ import annotations

from urllib.parse import urlsplit

from rlm_integrations.core.calls.unreachable import causes

OPENAI_URL = "https://api.openai.com/v1"
"""Where a model is that has no URL."""


def hint(error: BaseException, url: str) -> str:
    """Which option or variable to look at. Empty where the error's own words say all."""
    for each in causes(error):
        if said := _of(each, url):
            return said
    return ""


def _of(error: BaseException, url: str) -> str:
    """The same for one error of a chain."""
    import openai  # the models' own module says what to install where it is missing

    match error:
        case openai.NotFoundError() if urlsplit(url).path in ("", "/"):
            return f"{url} has no such page; most servers have theirs below /v1: --base-url {url.rstrip('/')}/v1"
        case openai.NotFoundError():
            return f"{url} knows no such model or page; see --model, --sub-model and --base-url"
        case openai.AuthenticationError():
            return f"{url} does not accept the key; set OPENAI_API_KEY to one of its own"
        case _:
            return ""
