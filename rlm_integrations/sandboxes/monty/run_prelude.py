"""Gives a fresh VM what the model meets there: the files in `prelude/`, in the VM's own subset of Python."""

from __future__ import annotations

from pathlib import Path

from rlm_integrations.sandboxes.monty.vm import Vm
from rlm_integrations.wire.settings import ReplSettings

_FOLDER = Path(__file__).with_name("prelude")
_PARTS = (
    *("names", "matches", "map_results", "builtins", "passed_values", "functions"),
    *("shown_values", "variables", "answer", "corpus"),
)
_TOOL = """
def {name}(*args, **kwargs):
    return _rlm_host_tool_{name}(*_rlm_arguments({name!r}, args), **_rlm_keywords({name!r}, kwargs))
"""


def run_prelude(vm: Vm, settings: ReplSettings) -> None:
    """Define the functions of the REPL."""
    parts = [*_PARTS, *["sub_calls"] * bool(settings.depth), *["retrieve"] * settings.retriever]
    codes = [(_FOLDER / f"{part}.txt").read_text(encoding="utf-8") for part in parts]
    codes += [_TOOL.format(name=name) for name in settings.tools]
    sizes = {"_rlm_output_chars": settings.max_output_chars, "_rlm_printed_chars": settings.printed_chars}
    vm.feed("\n".join([*codes, "None"]), **sizes)
