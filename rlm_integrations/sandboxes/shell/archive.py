"""The part of this package that runs on the machine: the standard library is all that it imports."""

from __future__ import annotations

import functools
import hashlib
import io
import zipfile
from pathlib import Path
from typing import NamedTuple

_PACKAGE = Path(__file__).resolve().parents[2]
_ROOMS = ("repl", "wire", "frozen", "sandboxes/channel", "sandboxes/process_worker", "sandboxes/shell_worker")
_EMPTY = ("", "sandboxes")  # packages whose own __init__ is for hosts


class Archive(NamedTuple):
    data: bytes
    digest: str
    """SHA-256, in hex: equal for equal sources."""


@functools.cache
def worker_archive() -> Archive:
    files = {f"rlm_integrations/{room}/__init__.py".replace("//", "/"): b"" for room in _EMPTY}
    for room in _ROOMS:
        for path in sorted(each for each in (_PACKAGE / room).iterdir() if each.is_file()):
            files[f"rlm_integrations/{room}/{path.name}"] = path.read_bytes()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    data = packed.getvalue()
    return Archive(data, hashlib.sha256(data).hexdigest())
