"""The system's time zones, read while files can be read."""

from __future__ import annotations

import io
import os
import zoneinfo
from typing import Any, cast
from zoneinfo import _common  # pyright: ignore[reportPrivateUsage]

_MAGIC = b"TZif"


def keep_time_zones() -> None:
    """Read all of them. From now on ZoneInfo makes those from memory whose files it cannot open."""
    files = _zone_files()

    def load_tzdata(key: str) -> io.BytesIO:
        if key not in files:
            raise zoneinfo.ZoneInfoNotFoundError(f"No time zone found with key {key}")
        return io.BytesIO(files[key])

    # where both of its implementations (pandas uses the slow one) look when there is no file
    cast(Any, _common).load_tzdata = load_tzdata
    keys = frozenset(files) - {"posixrules"}
    zoneinfo.available_timezones = lambda: set(keys)


def _zone_files() -> dict[str, bytes]:
    """Key to content; the first folder that has a key wins."""
    files: dict[str, bytes] = {}
    for folder in zoneinfo.TZPATH:
        for place, folders, names in os.walk(folder):
            if place == folder:
                folders[:] = [name for name in folders if name not in ("posix", "right")]
            for name in names:
                path = os.path.join(place, name)
                content = _content(path)
                if content.startswith(_MAGIC):
                    files.setdefault(os.path.relpath(path, folder), content)
    return files


def _content(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:  # not for us to read
        return b""
