"""How a worker ended, in words for the root LM."""

from __future__ import annotations

import signal

from rlm_integrations.sandboxes.channel.exit_statuses import EXIT_BROKEN, EXIT_CHANNEL, EXIT_MEMORY


def cause_of_death(status: int | None, memory_mb: int) -> str:
    """`status` as of os.waitstatus_to_exitcode: negative for a signal; None if nobody could tell."""
    if status is None:
        return "its process was ended from outside"
    if status == EXIT_MEMORY:
        return f"it used more than {memory_mb:,} MB of memory on top of the corpus; keep less at once"
    if status == EXIT_CHANNEL:
        return "it closed its own connection to the host"
    if status == EXIT_BROKEN:
        return "it broke the interpreter that it runs in"
    if status >= 0:
        return f"it ended its own process (exit status {status})"
    if -status == signal.SIGKILL:
        return "it was killed (signal 9), most likely because the machine was short of memory"
    if -status == signal.SIGSEGV:
        return "its process crashed (signal 11, SIGSEGV): C code failed, aborted or recursed too deeply (use a loop)"
    if -status == signal.SIGABRT:
        return "its process crashed (signal 6, SIGABRT), most likely because no memory was left; keep less at once"
    return f"its process crashed (signal {-status})"
