"""The thread of a worker that reads what its host sends. It ends the process with its host, whatever the code does.

It lives beside the model's code, so like `frames` it holds what it calls and has builtins of its own.
Standard library only.
"""

from __future__ import annotations

import builtins
import os
from collections.abc import Callable
from typing import Any, NoReturn

from rlm_integrations.sandboxes.channel.exit_statuses import EXIT_BROKEN, EXIT_CHANNEL, EXIT_MEMORY
from rlm_integrations.sandboxes.channel.frames import decode, read_frame

globals()["__builtins__"] = vars(builtins).copy()

_exit = os._exit


def read_host(incoming: int, take: Callable[[dict[str, Any]], None]) -> NoReturn:
    """Give each message to `take`; whatever goes wrong ends the process, and the exit status says why."""
    status = EXIT_BROKEN
    try:
        while (body := read_frame(incoming)) is not None:
            take(decode(body))
        status = 0
    except OSError:
        status = EXIT_CHANNEL
    except MemoryError:
        status = EXIT_MEMORY
    finally:
        _exit(status)
