"""Modules that are imported before a session is confined: afterwards no file can be opened."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Sequence
from importlib.machinery import BuiltinImporter, FrozenImporter, ModuleSpec
from types import ModuleType

_IMPORTABLE = """
__future__ abc argparse array ast asyncio base64 binascii bisect builtins bz2 calendar cmath codecs collections
collections.abc concurrent.futures configparser contextlib contextvars copy csv dataclasses datetime decimal difflib
dis email enum errno fnmatch fractions functools gc glob graphlib gzip hashlib heapq hmac html html.parser importlib
inspect io ipaddress itertools json keyword linecache locale logging lzma math numbers operator os pathlib pickle
platform pprint queue quopri random re reprlib sched secrets shlex shutil signal sqlite3 statistics string struct
sys tempfile textwrap threading time timeit tokenize tomllib traceback types typing unicodedata urllib.parse uuid
warnings weakref xml.etree.ElementTree zipfile zlib zoneinfo
"""
_IMPORTED_WHEN_USED = """
_strptime concurrent.futures.thread copyreg email.header email.message email.mime.text email.parser email.policy
email.utils encodings.ascii encodings.cp1252 encodings.hex_codec encodings.idna encodings.latin_1 encodings.punycode
encodings.raw_unicode_escape encodings.rot_13 encodings.unicode_escape encodings.utf_16 encodings.utf_16_le
encodings.utf_32 encodings.utf_8_sig gettext html.entities importlib.metadata logging.handlers stringprep
xml.dom.minidom
"""

PRELOADED: tuple[str, ...] = tuple(_IMPORTABLE.split())
"""What the model is told that it can import."""

_LAZY = tuple(_IMPORTED_WHEN_USED.split())
"""What these import only when it is used."""


def preload() -> list[str]:
    """Import all this Python has of them. Returns the names that the model can import."""
    for name in _LAZY:
        _present(name)
    return [name for name in PRELOADED if _present(name)]


def guard_imports() -> None:
    """From now on an import of a module that is not loaded raises ModuleNotFoundError, which names those there are."""
    sys.meta_path[:] = [
        BuiltinImporter,
        FrozenImporter,
        _ImportGuard(name for name in PRELOADED if name in sys.modules),
    ]


class _ImportGuard:
    """The last of the finders: reached by what is neither loaded nor built in."""

    def __init__(self, available: Iterable[str]) -> None:
        self._available = ", ".join(available)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        raise ModuleNotFoundError(
            f"No module named {fullname!r}: not available in the REPL; available: {self._available}", name=fullname
        )


def _present(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ImportError:  # a Python built without it
        return False
    return True
