"""The helper's process: how it is started, and ended."""

from __future__ import annotations

import errno
import json
import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.trace.run_errors import SandboxError
from rlm_integrations.sandboxes.channel.exit_statuses import EXIT_UNIMPORTABLE
from rlm_integrations.sandboxes.channel.fork_client import ForkClient, ServerGoneError, socket_pair
from rlm_integrations.sandboxes.process.named_modules import unimportable

_EXIT_WAIT_S = 2.0
_WORDS_BYTES = 4000
"""Of what a helper wrote to stderr."""
# Builds the package by hand: the helper must not run `rlm_integrations/__init__.py`, nor see site-packages. It imports
# some hundred modules, among which nothing is garbage. What imports ssl does without: it takes long to link, and there
# is no network here.
_BOOT = """
import gc, sys
gc.disable()
package = type(sys)("rlm_integrations")
package.__path__ = [sys.argv[1]]
sys.modules["rlm_integrations"] = package
from rlm_integrations.sandboxes.process_worker.file_names import shorten_code  # before all else
shorten_code(sys.argv[1])
import json
options = json.loads(sys.argv[3])
if options["confined"]:
    from rlm_integrations.sandboxes.process_worker.fork_hooks import leave_out_fork_hooks
    leave_out_fork_hooks()
sys.modules["ssl"] = None
from rlm_integrations.sandboxes.process_worker.helper import main
main(int(sys.argv[2]), sys.argv[1], **options)
"""
_FOR_THE_LOADER = ("LD_LIBRARY_PATH", "TZ")
# Libraries that start threads when they are loaded, or used, hang where none can be started or after a fork.
_ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "POLARS_MAX_THREADS"), "1"
)


@dataclass
class Helper:
    process: subprocess.Popen[bytes]
    client: ForkClient


def start_helper(modules: tuple[str, ...], hash_seed: int | None, *, confined: bool) -> Helper:
    """Start one, and wait until it is ready; blocks.

    Raises SandboxError, InvalidArgumentError for modules that cannot be imported, and an OSError where descriptors are
    short.
    """
    if not sys.executable:
        raise SandboxError("sandbox: this interpreter does not know its own path (sys.executable is empty)")
    control, control_end = socket_pair(socket.SOCK_SEQPACKET)
    try:
        complaints = os.memfd_create("rlm-helper-stderr", os.MFD_CLOEXEC)
    except OSError:
        control_end.close()
        raise
    client = ForkClient(control)
    try:
        with control_end:
            command = _command(control_end.fileno(), modules, hash_seed, confined=confined)
            process = subprocess.Popen(
                command,
                env=_environment(hash_seed),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=complaints,
                pass_fds=[control_end.fileno()],
                start_new_session=True,
            )
        try:
            client.wait_until_ready()
        except ServerGoneError:
            raise _why_it_ended(process, complaints) from None
        except BaseException:
            process.kill()
            process.wait()
            raise
    except OSError as error:
        if error.errno == errno.EMFILE:
            raise
        raise SandboxError(f"sandbox: the helper process could not be started: {error}") from error
    finally:
        os.close(complaints)
    return Helper(process, client)


def _command(control: int, modules: tuple[str, ...], hash_seed: int | None, *, confined: bool) -> list[str]:
    # -I would not look for a hash seed; no other variable of Python's is set.
    isolated = ["-I"] if hash_seed is None else ["-s", "-P"]
    package = str(Path(__file__).resolve().parents[2])
    path = [os.path.abspath(folder) for folder in sys.path] if modules else []
    options = json.dumps({"modules": modules, "path": path, "confined": confined})
    return [sys.executable, *isolated, "-S", "-X", "utf8", "-c", _BOOT, package, str(control), options]


def _environment(hash_seed: int | None) -> dict[str, str]:
    kept = {name: os.environ[name] for name in _FOR_THE_LOADER if name in os.environ}
    seed = {} if hash_seed is None else {"PYTHONHASHSEED": str(hash_seed)}
    return kept | seed | _ONE_THREAD | {"MALLOC_ARENA_MAX": "1"}


def _why_it_ended(process: subprocess.Popen[bytes], complaints: int) -> SandboxError | InvalidArgumentError:
    """Of one that ended before it was ready, by what it wrote to stderr."""
    status = _exit_status(process)
    size = os.fstat(complaints).st_size
    words = os.pread(complaints, _WORDS_BYTES, max(0, size - _WORDS_BYTES)).decode(errors="replace").strip()
    if status == EXIT_UNIMPORTABLE:
        return unimportable(words.rpartition("\n")[2])
    return SandboxError(f"sandbox: the helper process ended at once (status {status}): {words}")


def end_helper(helper: Helper) -> None:
    helper.client.close()
    _exit_status(helper.process)


def _exit_status(process: subprocess.Popen[bytes]) -> int:
    """The status of a process that is about to end, or is made to."""
    try:
        return process.wait(_EXIT_WAIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
    except BaseException:  # a second Ctrl-C: nobody waits any more
        process.kill()
        process.wait()
        raise
