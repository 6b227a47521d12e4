"""Why a model's server gave no reply at all, in words for whoever gave its URL. Pure."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Generator
from typing import cast
from urllib.parse import urlsplit

from rlm_integrations.core.wording import error_words, one_line


def why_no_reply(error: BaseException, url: str | None = None) -> str:
    """What was wrong with the server, and what to do. Empty for any other error.

    The providers' SDKs say "Connection error." of all these, and keep the reason in what the error came of. They name
    the error alike, and frameworks make classes of their own below it.

    Args:
        error: What the call raised, or what came of that.
        url: As the user knows it. Without it, where the request went, if the error knows that.
    """
    for each in causes(error):
        kinds = {kind.__name__ for kind in type(each).__mro__}
        where = url or asked_url(each) or "the server"
        if "APITimeoutError" in kinds:
            return f"{where} did not reply in time"
        if "APIConnectionError" in kinds:
            return f"{where} cannot be reached: {_reason(each, where)}"
    return ""


def asked_url(error: BaseException) -> str:
    """Where the request went, without what a URL may hold of keys and passwords. Empty where that is not known."""
    try:
        parts = urlsplit(str(getattr(getattr(error, "request", None), "url", None) or ""))
    except Exception:  # of the HTTP library and of who stands in for it
        return ""
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}" if host else ""


def causes(error: BaseException) -> Generator[BaseException]:
    """The error and what it came of, each once. What is hidden from tracebacks too: HTTP libraries hide the reason."""
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


def _reason(error: BaseException, url: str) -> str:
    behind = list(causes(error))[1:]
    if urlsplit(url).scheme == "http" and any(_hangs_up(cause) for cause in behind):
        return "it closed the connection without a reply in plain HTTP; is it https:// instead of http://?"
    for cause in behind:
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
    return one_line(error_words(_first_cause(error)))


def _first_cause(error: BaseException) -> BaseException:
    """What it all came of, as whoever raised it said: not what the caller was handling meanwhile."""
    seen = {id(error)}
    while (cause := error.__cause__) is not None and id(cause) not in seen:
        seen.add(id(cause))
        error = cause
    return error


def _hangs_up(error: BaseException) -> bool:
    """RemoteProtocolError is of httpx and httpcore."""
    return isinstance(error, ConnectionResetError) or type(error).__name__ == "RemoteProtocolError"
