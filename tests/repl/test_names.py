"""A session's namespace holds the names that the REPL says are its own, and nothing else."""

from __future__ import annotations

import itertools
import types

import pytest

from rlm_integrations.wire.names import ANSWER, CONTEXT, helper_names

EVERY_KIND = list(itertools.product([0, 1, 2], [False, True], [(), ("look_up", "order")]))


@pytest.mark.parametrize(("depth", "retriever", "tools"), EVERY_KIND)
def test_a_fresh_namespace_is_what_the_names_say(open_repl, depth, retriever, tools):
    repl = open_repl("text", depth=depth, retriever=retriever, tools=tools)
    of_every_module = {*vars(types.ModuleType("m")), "__builtins__"}
    assert repl.value("print(*sorted(globals()))").split() == sorted(
        of_every_module | {CONTEXT, ANSWER, *helper_names(repl.settings), *tools}
    )
