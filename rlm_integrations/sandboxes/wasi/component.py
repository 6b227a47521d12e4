"""The component that comes with this package: what it was built of, and whether that is what is here.

`release/component.py` builds it. It is no part of the repository, but of what is published.
"""

from __future__ import annotations

import functools
import hashlib
import json
from pathlib import Path

from rlm_integrations.core.errors import SandboxUnavailableError

PACKAGE = Path(__file__).resolve().parents[2]
PACKED = Path(__file__).with_name("component.wasm.xz")
ABOUT = Path(__file__).with_name("component.json")
"""The digests of what it was built of and of itself, and the version of the builder."""

INSIDE = ("repl", "wire", "frozen", "sandboxes/wasi_guest")
"""The folders of this package that are in it."""


def sources_digest() -> str:
    """Of what the component is built of, as it is here."""
    digest = hashlib.sha256()
    for folder in INSIDE:
        for path in sorted((PACKAGE / folder).glob("*")):
            if path.suffix in (".py", ".wit"):
                content = path.read_bytes().replace(b"\r\n", b"\n")
                digest.update(f"{folder}/{path.name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


@functools.cache
def component_digest() -> str:
    """Of the component.

    Raises SandboxUnavailableError where there is none, or one that was built of another `repl/`.
    """
    remedy = "`make component` builds it; released packages come with it"
    try:
        about = json.loads(ABOUT.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SandboxUnavailableError(f"sandbox='wasi': this copy of the package has no component: {remedy}") from None
    if about["sources"] != sources_digest():
        raise SandboxUnavailableError(
            f"sandbox='wasi': the component was built of another version of this package's code: {remedy}"
        )
    return about["component"]
