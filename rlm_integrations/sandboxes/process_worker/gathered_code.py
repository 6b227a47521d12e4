"""Code that every worker runs, gathered in memory. Standard library only: the helper does this before it forks.

Running a function counts a reference in its code, and in a forked process the first such write copies the page. As
modules are loaded, a page holds what is run beside what is not; gathered, it takes a quarter of the pages.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Collection
from types import CodeType, FunctionType

_left: list[CodeType] = []
"""The code as it was loaded, which stays: workers would make objects in the places that it left, here and there."""


def code_that_runs(run: Callable[[], None]) -> dict[int, CodeType]:
    """In this thread, by its `id`: the hash of code takes long."""
    found: dict[int, CodeType] = {}
    before = sys.getprofile()
    sys.setprofile(lambda frame, _event, _argument: found.setdefault(id(frame.f_code), frame.f_code))
    try:
        run()
    finally:
        sys.setprofile(before)
    return found


def gather_code(ran: Collection[int], modules: Collection[str]) -> None:
    """Have functions whose code ran, by its `id`, and all of these modules, run copies of it that lie side by side.

    What was learnt by running the code is to be learnt again.
    """
    for each in gc.get_objects():
        if type(each) is FunctionType and (id(each.__code__) in ran or each.__module__ in modules):
            _left.append(each.__code__)
            each.__code__ = _copy(each.__code__)


def _copy(code: CodeType) -> CodeType:
    return code.replace(co_consts=tuple(_copy(each) if type(each) is CodeType else each for each in code.co_consts))
