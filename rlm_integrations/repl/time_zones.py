"""The system's time zones, read while files can be read."""

from __future__ import annotations

import io
import os
import zoneinfo
from typing import Any, cast
from zoneinfo import _common  # pyright: ignore[reportPrivateUsage]

_MAGIC = b"TZif"
_MOST_BYTES = 1 << 16
"""Of a zone's file: they have some thousand."""


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
        _add_zones(files, folder, "")
    return files


def _add_zones(files: dict[str, bytes], folder: str, above: str) -> None:
    """Those of a folder. `above` is what their keys begin with."""
    try:
        places = list(os.scandir(folder))
    except OSError:  # there is none, or it is not for us to read
        return
    for place in places:
        key = above + place.name
        if place.is_dir(follow_symlinks=False):
            if key not in ("posix", "right"):
                _add_zones(files, place.path, f"{key}/")
        elif (content := _content(place.path)).startswith(_MAGIC):
            files.setdefault(key, content)


def _content(path: str) -> bytes:
    """There are hundreds, for which file objects would take longer than all the rest."""
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:  # not for us to read
        return b""
    try:
        return os.read(file, _MOST_BYTES)
    except OSError:  # a folder, for one
        return b""
    finally:
        os.close(file)
