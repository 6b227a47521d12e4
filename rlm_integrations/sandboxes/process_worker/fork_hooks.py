"""What the standard library does in each fork, left out of the workers: it is for processes that have threads.

It makes locks anew that nobody can hold here, and looks for threads that there are not. In a worker, which is forked
from one thread and cannot fork itself, that would only copy 60 pages. Imported before all else, and importing next to
nothing.
"""

from __future__ import annotations

import os

_register = getattr(os, "register_at_fork", None)


def leave_out_fork_hooks() -> None:
    """Of modules that are imported from now on. `random` is left out as well: whoever forks has to seed it."""
    os.register_at_fork = _register_nothing


def take_fork_hooks() -> None:
    """Of modules that are imported from now on."""
    if _register is not None:
        os.register_at_fork = _register


def _register_nothing(**_hooks: object) -> None: ...
