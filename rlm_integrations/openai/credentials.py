"""Where the server is and which API key it is sent, as people paste them and files hold them."""

from __future__ import annotations

import ipaddress
import os
from urllib.parse import urlsplit

from rlm_integrations.core.calls.missing_key import KEY_REMEDY, VARIABLE
from rlm_integrations.core.errors import InvalidArgumentError

_NO_KEY = "no-key-needed"
"""The SDK insists on a key; servers nearby ignore it."""
_ENDPOINT = "/chat/completions"


def api_key_for(base_url: str | None, api_key: str | None) -> str:
    """The key given, or the environment's, or a placeholder for a server nearby.

    Raises InvalidArgumentError where none is known and the server is elsewhere, and where it is none that can be sent.
    """
    known = header_value(api_key, "api_key") or header_value(os.environ.get(VARIABLE), VARIABLE)
    if known:
        return known
    if base_url is not None and is_nearby(base_url):
        return _NO_KEY
    raise InvalidArgumentError(
        f"api_key: none given, and {VARIABLE} is not set; {base_url or 'https://api.openai.com'} needs one: "
        f"pass api_key=..., {KEY_REMEDY}"
    )


def base_url_for(base_url: str | None) -> str | None:
    """The URL given, or the environment's, without white space around it and the path that the SDK adds itself.

    Raises InvalidArgumentError where it is none that can be called.
    """
    given = header_value(base_url, "base_url")
    argument = "base_url" if given else "OPENAI_BASE_URL"
    url = given or header_value(os.environ.get("OPENAI_BASE_URL"), "OPENAI_BASE_URL")
    if not url:
        return None
    if " " in url or not url.lower().startswith(("http://", "https://")):
        raise InvalidArgumentError(f"{argument}: {url!r:.200} is no URL; pass one as http://localhost:8000/v1")
    return url.rstrip("/").removesuffix(_ENDPOINT) if url.rstrip("/").endswith(_ENDPOINT) else url


def header_value(value: object, argument: str) -> str:
    """The words without white space around them, empty where there are none; a file's last line break is no part of it.

    Raises InvalidArgumentError, which does not show them, where they cannot stand in a request.
    """
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidArgumentError(f"{argument}: {type(value).__name__} given; pass a str")
    words = value.strip()
    wrong = next((character for character in words if not (character.isascii() and character.isprintable())), None)
    if wrong is None:
        return words
    found = "a line break" if wrong in "\r\n" else f"the character U+{ord(wrong):04X}"
    raise InvalidArgumentError(
        f"{argument}: holds {found} at place {words.index(wrong) + 1} of {len(words)}; pass it in one line of plain "
        "ASCII (was more than it copied, or was the file it comes from saved with a byte order mark?)"
    )


def is_nearby(base_url: str) -> bool:
    """Whether a URL names a server on this machine or its private network."""
    host = urlsplit(base_url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return bool(host) and ("." not in host or host.endswith((".local", ".localhost", ".internal")))
