"""Why a model's server could not be asked, in words for whoever typed its URL."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Generator
from typing import cast
from urllib.parse import urlsplit

from rlm_integrations.core.wording import one_line

OPENAI_URL = "https://api.openai.com/v1"
"""Where a model is that has no URL."""


def hint(error: BaseException, url: str) -> str:
    """What was wrong with the server at the URL, and what to do. Empty where the error's own words say all."""
    for each in _chain(error):
        if said := _of(each, url):
            return said
    return ""


def _of(error: BaseException, url: str) -> str:
    """The same for one error of a chain."""
    import openai  # the models' own module says what to install where it is missing

    match error:
        case openai.APITimeoutError():
            return f"{url} did not reply in time"
        case openai.APIConnectionError():
            return f"{url} cannot be reached: {_why_unreachable(error, url)}"
        case openai.NotFoundError() if urlsplit(url).path in ("", "/"):
            return f"{url} has no such page; most servers have theirs below /v1: --base-url {url.rstrip('/')}/v1"
        case openai.NotFoundError():
            return f"{url} knows no such model or page; see --model, --sub-model and --base-url"
        case openai.AuthenticationError():
            return f"{url} does not accept the key; set OPENAI_API_KEY to one of its own"
        case _:
            return ""


def _why_unreachable(error: BaseException, url: str) -> str:
    causes = list(_chain(error))[1:]
    if urlsplit(url).scheme == "http" and any(_hangs_up(cause) for cause in causes):
        return "it closed the connection without a reply in plain HTTP; is it https:// instead of http://?"
    for cause in causes:
        match cause:
            case ConnectionRefusedError():
                return "nothing listens there (connection refused); does the server run, and is the port right?"
            case socket.gaierror():
                return f"there is no host {urlsplit(url).hostname!r} ({cause.strerror})"
            case ssl.SSLCertVerificationError():
                return f"its certificate is not trusted ({cause.verify_message})"
            case ssl.SSLError():
                return f"it speaks no TLS there ({cause.reason}); is it http:// instead of https://?"
            case OSError() if cause.strerror and cause.errno:
                return cause.strerror
            case _:
                pass
    return next((one_line(f"{type(cause).__name__}: {cause}") for cause in reversed(causes)), one_line(str(error)))


def _hangs_up(error: BaseException) -> bool:
    return (
        isinstance(error, ConnectionResetError) or type(error).__name__ == "RemoteProtocolError"
    )  # of httpx, httpcore


def _chain(error: BaseException) -> Generator[BaseException]:
    """The error and what it came of, each once."""
    seen: set[int] = set()
    open_: list[BaseException | None] = [error]
    while open_:
        each = open_.pop(0)
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        if isinstance(each, BaseExceptionGroup):
            open_ += cast("tuple[BaseException, ...]", each.exceptions)
        open_ += [each.__cause__, each.__context__]
