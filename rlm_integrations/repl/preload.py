"""Modules that are imported before a REPL is confined: afterwards no file can be opened."""

from __future__ import annotations

import builtins
import concurrent.futures
import importlib
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from importlib.machinery import BuiltinImporter, FrozenImporter, ModuleSpec
from pkgutil import iter_modules
from types import ModuleType

from rlm_integrations.repl.kept_code import keep, kept, take_kept
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
_strptime code concurrent.futures.thread copyreg ctypes getpass gettext html.entities mmap pkgutil pydoc stat stringprep
encodings.ascii encodings.cp1252 encodings.idna encodings.latin_1 encodings.utf_16 encodings.utf_16_le encodings.utf_8
encodings.utf_8_sig
_codecs_cn _codecs_hk _codecs_iso2022 _codecs_jp _codecs_kr _codecs_tw _lsprof _multibytecodec
"""
_SELDOM_USED = """
_pylong argparse cProfile cmd colorsys configparser email encodings getopt graphlib http importlib logging.config
logging.handlers mimetypes optparse pickletools plistlib profile pstats quopri sched socketserver sqlite3.dump symtable
tarfile timeit tomllib tracemalloc urllib.error urllib.request urllib.response urllib.robotparser xml.dom xml.parsers
xml.sax
"""
_ONE_PROCESS = "there is one process here: use concurrent.futures.ThreadPoolExecutor"
_INSTEAD = {
    _ONE_PROCESS: "multiprocessing concurrent.futures.process joblib dask ray",
    "there is no network here: all there is stands in the variables of this session": (
        "requests httpx aiohttp urllib3 ssl smtplib ftplib imaplib poplib telnetlib xmlrpc websocket websockets boto3 "
        "openai anthropic litellm"
    ),
    "`await` works at top level here: await it, without asyncio.run": "nest_asyncio",
    "nobody can answer here: print what you want to see": "pdb ipdb",
    "this is plain Python: print what you want to see": "IPython",
    "nothing can be installed here": "pip ensurepip",
    "there is no test runner here: call what you want to try, and use `assert`": "unittest doctest pytest hypothesis",
    "nobody watches here: leave the progress bar out": "tqdm",
    "use html.parser, or re": "bs4 lxml html5lib",
    "use re": "regex",
    "use datetime.strptime, or re": "dateutil",
    "use difflib": "rapidfuzz fuzzywuzzy thefuzz Levenshtein jellyfish",
    "nothing here tells what a process takes: time.perf_counter tells how long": "resource psutil",
}
"""What to do without modules of which that is known: words to the modules' names."""

PRELOADED: tuple[str, ...] = tuple(_IMPORTABLE.split())
"""What the model is told that it can import, of the standard library."""

_LAZY = tuple(_ALSO_LOADED.split())
"""What these import only when it is used, common codecs, and extensions of what is kept."""

_RARE = tuple(_SELDOM_USED.split())
"""With all below them. Their code runs when somebody imports them, for together they take long."""

_NO_PART_OF_A_LIBRARY = frozenset({"__main__", "conftest", "setup", "test", "tests"})


class _NoProcesses:
    """In place of the pool that its module has when asked."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        raise RuntimeError(_ONE_PROCESS)


_NoProcesses.__name__ = _NoProcesses.__qualname__ = "ProcessPoolExecutor"


class UnimportableError(Exception):
    """A module that was asked for cannot be imported. The message is "NAME: why"."""


def preload(*, whole: bool = False) -> list[str]:
    """Import all this Python has of them, codecs and time zones included. Returns the names that can be imported.

    Of what is rare only the code is read, unless the `whole` of it is wanted now.
    """
    for name in (*_LAZY, *(name for name in PRELOADED if not _is_rare(name))):
        _present(name)
    for name in _RARE:
        keep(name)
    for name in take_kept() if whole else ():
        _present(name)
    keep_time_zones()
    builtins.help = importlib.import_module("pydoc").help  # `site` has not run, which would put it there
    setattr(concurrent.futures, _NoProcesses.__name__, _NoProcesses)  # many import it and never use it
    return [name for name in PRELOADED if _is_there(name)]


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
    available = (name for name in (*modules, *PRELOADED) if _is_there(name))
    sys.meta_path[:] = [BuiltinImporter, FrozenImporter, _ImportGuard(available)]


class _ImportGuard:
    """The last of the finders: reached by what is neither loaded nor built in. It has what is kept alone."""

    def __init__(self, available: Iterable[str]) -> None:
        self._available = ", ".join(available)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if (spec := kept(fullname)) is not None:
            return spec
        instead = next((words for words, names in _INSTEAD.items() if fullname in names.split()), None)
        reason = instead or f"not available in the REPL; available: {self._available}"
        raise ModuleNotFoundError(f"No module named {fullname!r}: {reason}", name=fullname)


def _present(name: str) -> None:
    with suppress(ImportError):  # a Python built without it
        importlib.import_module(name)


def _is_there(name: str) -> bool:
    return name in sys.modules or kept(name) is not None


def _is_rare(name: str) -> bool:
    return any(f"{name}.".startswith(f"{each}.") for each in _RARE)


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
