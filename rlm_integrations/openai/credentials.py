"""Which API key a server is sent."""

from __future__ import annotations

import ipaddress
import os
from urllib.parse import urlsplit

from rlm_integrations.core.errors import InvalidArgumentError

_NO_KEY = "no-key-needed"
"""The SDK insists on a key; servers nearby ignore it."""


def api_key_for(base_url: str | None, api_key: str | None) -> str:
    """The key given, or the environment's, or a placeholder for a server nearby.

    Raises InvalidArgumentError where none is known and the server is elsewhere.
    """
    known = api_key or os.environ.get("OPENAI_API_KEY")
    if known:
        return known
    if base_url is not None and is_nearby(base_url):
        return _NO_KEY
    raise InvalidArgumentError(
        f"api_key: none given, and OPENAI_API_KEY is not set; {base_url or 'https://api.openai.com'} needs one. "
        "Pass api_key=... or set OPENAI_API_KEY (a server on this machine, base_url='http://localhost:...', needs none)"
    )


def is_nearby(base_url: str) -> bool:
    """Whether a URL names a server on this machine or its private network."""
    host = urlsplit(base_url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return bool(host) and ("." not in host or host.endswith((".local", ".localhost", ".internal")))
