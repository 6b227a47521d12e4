"""The compiled component, kept between processes: it is native code, so nobody else may be able to write it."""

from __future__ import annotations

import contextlib
import os
import platform
import stat
import subprocess
import sys
import tempfile
import threading
import warnings
from importlib.metadata import version
from pathlib import Path

from rlm_integrations.core.errors import SandboxUnavailableError
from rlm_integrations.core.trace.run_errors import SandboxError
from rlm_integrations.sandboxes.wasi.component import PACKED, component_digest
from rlm_integrations.sandboxes.wasi.program import command_of, environment

FOLDER_VARIABLE = "RLM_WASI_CACHE"
"""Names another folder for it."""

_COMPILE_S = 600.0
_OTHERS_KEPT = 3
_lock = threading.Lock()


def cache_folder() -> Path:
    """Where compiled components are kept for this user. Raises SandboxUnavailableError."""
    named = os.environ.get(FOLDER_VARIABLE)
    if named:
        return Path(named)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or _home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = _home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or _home() / ".cache"
    return Path(base) / "rlm-integrations"


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError as error:  # a user whom the machine does not know
        raise SandboxUnavailableError(
            "sandbox='wasi': this user has no home folder, where the compiled component would be kept; name another "
            f"one by the variable {FOLDER_VARIABLE}"
        ) from error


def compiled_path() -> Path:
    """Of this component by this wasmtime, compiled or not. Raises SandboxUnavailableError."""
    built_for = f"{version('wasmtime')}-{sys.platform}-{platform.machine()}"
    return cache_folder() / f"wasi-{component_digest()[:24]}-{built_for}.cwasm"


def compiled_component() -> Path:
    """The compiled component; where there is none yet, it is compiled, which is announced by a RuntimeWarning.

    Several processes may do that at once: each puts a whole file in its place. Raises SandboxError, and
    SandboxUnavailableError for a component that is not there or stale.
    """
    path = compiled_path()
    with _lock:  # threads of this process wait for the first
        folder = _private_folder(path.parent)
        if not _is_ours(path):
            warnings.warn(
                "sandbox='wasi': Python for WebAssembly is compiled for this machine; that takes some seconds, once "
                f"(kept in {folder})",
                RuntimeWarning,
                stacklevel=2,
            )
            _compile(path)
    return path


def forget(path: Path) -> None:
    """Have it compiled anew: it does not run here. (A home folder may be shared by machines of other processors.)"""
    with contextlib.suppress(OSError):
        path.unlink()


def _private_folder(folder: Path) -> Path:
    """Raises SandboxError for one that others could write to."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        about = folder.stat()
    except OSError as error:
        raise SandboxError(
            f"sandbox='wasi': the folder for the compiled component cannot be made: {error}; name another one by the "
            f"variable {FOLDER_VARIABLE}"
        ) from error
    if sys.platform != "win32" and (about.st_uid != os.getuid() or about.st_mode & (stat.S_IWGRP | stat.S_IWOTH)):
        raise SandboxError(
            f"sandbox='wasi': others can write to {folder}, and what is in it would be run: chmod 700 it, or name "
            f"another one by the variable {FOLDER_VARIABLE}"
        )
    return folder


def _is_ours(path: Path) -> bool:
    """Whether it is there, and nobody else can have written it."""
    try:
        about = path.lstat()
    except FileNotFoundError:
        return False
    if not stat.S_ISREG(about.st_mode):
        return False
    return sys.platform == "win32" or (
        about.st_uid == os.getuid() and not about.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    )


def _compile(path: Path) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, suffix=".new")  # with mode 0600
    os.close(descriptor)
    try:
        status, words = _run_compiler(name)
        if status:
            raise SandboxError(f"sandbox='wasi': it could not be compiled (status {status}): {words}")
        os.replace(name, path)
        _drop_old(path)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SandboxError(f"sandbox='wasi': it could not be compiled: {error}") from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)


def _run_compiler(name: str) -> tuple[int, str]:
    """Its exit status and what it complained of. It ends with this process: its standard input does."""
    with tempfile.TemporaryFile() as complaints:
        with subprocess.Popen(
            command_of("compile", PACKED, name),
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=complaints,
        ) as compiler:
            try:
                status = compiler.wait(_COMPILE_S)
            except BaseException:
                compiler.kill()
                raise
        complaints.seek(0)
        return status, complaints.read().decode(errors="replace").strip()[-2_000:]


def _drop_old(path: Path) -> None:
    """Keep a few of other versions, and of other machines that share the folder: each has 56 MB."""
    with contextlib.suppress(OSError):  # another process does the same
        others = [each for each in path.parent.glob("wasi-*.cwasm") if each != path]
        others.sort(key=lambda each: each.stat().st_mtime, reverse=True)
        for each in others[_OTHERS_KEPT:]:
            each.unlink()
