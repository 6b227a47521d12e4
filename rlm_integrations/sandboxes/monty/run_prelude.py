"""Gives a fresh VM what the model meets there: the files in `prelude/`, in the VM's own subset of Python."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rlm_integrations.sandboxes.monty.vm import Vm

_FOLDER = Path(__file__).with_name("prelude")
_PARTS = (
    *("names", "matches", "builtins", "passed_values", "functions"),
    *("shown_values", "variables", "answer", "corpus"),
)
_TOOL = """
def {name}(*args, **kwargs):
    return _rlm_host_tool_{name}(*_rlm_arguments({name!r}, args), **_rlm_keywords({name!r}, kwargs))
"""


def run_prelude(
    vm: Vm, *, max_output_chars: int, printed_chars: int, sub_calls: bool, retriever: bool, tools: Sequence[str]
) -> None:
    """Define the functions of the REPL. `printed_chars` bounds matches, where they are printed."""
    parts = [*_PARTS, *["sub_calls"] * sub_calls, *["retrieve"] * retriever]
    codes = [(_FOLDER / f"{part}.txt").read_text(encoding="utf-8") for part in parts]
    codes += [_TOOL.format(name=name) for name in tools]
    vm.feed("\n".join([*codes, "None"]), _rlm_output_chars=max_output_chars, _rlm_printed_chars=printed_chars)
