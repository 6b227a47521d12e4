"""The signals of a process that forks workers. Standard library only: it runs there."""

from __future__ import annotations

import signal


def take_own_signals() -> None:
    """Whatever the host blocks or ignores, which is inherited. SIGINT interrupts workers, never this process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # ignored ones would lose their exit statuses
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
