"""Modules that are imported before a REPL is confined: afterwards no file can be opened."""

from __future__ import annotations

import builtins
import encodings
import importlib
import sys
from collections.abc import Iterable, Sequence
from importlib.machinery import BuiltinImporter, FrozenImporter, ModuleSpec
from pkgutil import iter_modules
from types import ModuleType

from rlm_integrations.repl.time_zones import keep_time_zones

_IMPORTABLE = """
__future__ abc argparse array ast asyncio base64 binascii bisect builtins bz2 calendar cmath codecs collections
collections.abc concurrent.futures configparser contextlib contextvars copy csv dataclasses datetime decimal difflib
dis email enum errno fnmatch fractions functools gc glob graphlib gzip hashlib heapq hmac html html.parser http
importlib inspect io ipaddress itertools json keyword linecache locale logging lzma math mimetypes numbers
operator os pathlib pickle platform plistlib pprint queue quopri random re reprlib sched secrets shlex shutil signal
sqlite3 statistics string struct sys tarfile tempfile textwrap threading time timeit tokenize tomllib traceback types
typing unicodedata urllib.parse uuid warnings weakref xml.dom.minidom xml.etree.ElementTree xml.sax zipfile zlib
zoneinfo
"""
_ALSO_LOADED = """
_strptime cProfile cmd code colorsys concurrent.futures.thread copyreg ctypes email.generator email.header
email.message email.mime.application email.mime.audio email.mime.base email.mime.image email.mime.multipart
email.mime.text email.parser email.policy email.utils getopt getpass gettext html.entities http.cookies
importlib.metadata importlib.resources logging.handlers mmap optparse pickletools pkgutil profile pstats pydoc stat
stringprep symtable tracemalloc urllib.error xml.dom.expatbuilder xml.dom.pulldom xml.sax.expatreader
xml.sax.saxutils
"""
_ONE_PROCESS = "there is one process here: use concurrent.futures.ThreadPoolExecutor"
_NO_NETWORK = "there is no network here"
_INSTEAD = {
    "multiprocessing": _ONE_PROCESS,
    "concurrent.futures.process": _ONE_PROCESS,
    "requests": _NO_NETWORK,
    "httpx": _NO_NETWORK,
}

PRELOADED: tuple[str, ...] = tuple(_IMPORTABLE.split())
"""What the model is told that it can import, of the standard library."""

_LAZY = tuple(_ALSO_LOADED.split())
"""What these import only when it is used, and what is too rare to be named."""

_NO_PART_OF_A_LIBRARY = frozenset({"__main__", "conftest", "setup", "test", "tests"})


class UnimportableError(Exception):
    """A module that was asked for cannot be imported. The message is "NAME: why"."""


def preload() -> list[str]:
    """Import all this Python has of them, codecs and time zones included. Returns the names that can be imported."""
    for name in _LAZY:
        _present(name)
    for codec in iter_modules(encodings.__path__):
        _present(f"encodings.{codec.name}")
    keep_time_zones()
    builtins.help = importlib.import_module("pydoc").help  # `site` has not run, which would put it there
    return [name for name in PRELOADED if _present(name)]


def preload_named(modules: Sequence[str], path: Sequence[str]) -> None:
    """Import modules from the folders of `path`, each with all its submodules but tests: many are imported on use.

    The folders are on `sys.path` for as long as that takes. Submodules that cannot be imported are left out.
    Raises UnimportableError for a module that cannot be.
    """
    found = sys.path.copy()
    sys.path += [folder for folder in path if folder not in found]
    try:
        for name in modules:
            try:
                module = importlib.import_module(name)
            except BaseException as error:  # it may as well exit
                raise UnimportableError(f"{name}: {type(error).__name__}: {error}") from None
            _import_parts(module)
    finally:
        sys.path[:] = found


def guard_imports(modules: Sequence[str] = ()) -> None:
    """From now on an import of a module that is not loaded raises ModuleNotFoundError, which names those there are.

    `modules` are those that were loaded besides the standard library.
    """
    available = (name for name in (*modules, *PRELOADED) if name in sys.modules)
    sys.meta_path[:] = [BuiltinImporter, FrozenImporter, _ImportGuard(available)]


class _ImportGuard:
    """The last of the finders: reached by what is neither loaded nor built in."""

    def __init__(self, available: Iterable[str]) -> None:
        self._available = ", ".join(available)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        reason = _INSTEAD.get(fullname, "not available in the REPL")
        raise ModuleNotFoundError(
            f"No module named {fullname!r}: {reason}; available: {self._available}", name=fullname
        )


def _present(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ImportError:  # a Python built without it
        return False
    return True


def _import_parts(package: ModuleType) -> None:
    for part in iter_modules(getattr(package, "__path__", ()), f"{package.__name__}."):
        name = part.name.rpartition(".")[2]
        if name in _NO_PART_OF_A_LIBRARY or name.startswith("test_") or not name.isidentifier():
            continue
        try:
            module = importlib.import_module(part.name)
        except BaseException:  # it needs what is not installed, or is a script
            continue
        if part.ispkg:
            _import_parts(module)
