"""How a worker ended, in words for the root LM."""

from __future__ import annotations

import pytest

from rlm_integrations.sandboxes.channel.death import cause_of_death

CAUSES = {
    None: "its process was ended from outside",
    0: "it ended its own process (exit status 0)",
    122: "it used more than 1,024 MB of memory on top of the corpus; keep less at once",
    -6: "its process crashed (signal 6, SIGABRT), most likely because no memory was left; keep less at once",
    -9: "it was killed (signal 9), most likely because the machine was short of memory",
    -11: "its process crashed (signal 11, SIGSEGV): C code failed, aborted or recursed too deeply (use a loop)",
    -7: "its process crashed (signal 7)",
}


@pytest.mark.parametrize("status", CAUSES)
def test_a_status_is_a_cause_and_a_remedy_where_there_is_one(status):
    assert cause_of_death(status, memory_mb=1_024) == CAUSES[status]
