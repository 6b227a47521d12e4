"""The command `doctor`: what confines the REPL here, whether a run works, and what is installed."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError, version

from rich.table import Table
from rich.text import Text

from rlm_integrations.core.errors import RLMError, SandboxUnavailableError
from rlm_integrations.core.sandbox import Capabilities
from rlm_integrations.engine import RLMEngine
from rlm_integrations.sandboxes.choose import resolve_sandbox
from rlm_integrations.terminal.console import TerminalConsole, sentence
from rlm_integrations.testing import ScriptedModel

_PACKAGES = {
    "langchain-core": "langchain",
    "llama-index-core": "llama-index",
    "openai": "openai",
    "pydantic-monty": "monty",
}
"""Optional packages, and the extra that brings each."""


_NOT_CLOSED = (
    "Not closed: another process of this machine that is in league with the code can be told of the documents by "
    "timing, by the load of the machine, or by the ends of threads"
)


def examine() -> bool:
    """Print the findings. Whether model-written code can be run here, confined."""
    console = TerminalConsole(highlight=False, emoji=False)
    console.print(_versions())
    try:
        capabilities = resolve_sandbox("auto").capabilities()
    except SandboxUnavailableError as error:
        console.print(sentence(f"Sandbox: none. {error}"))
        return False
    standing = "confines" if capabilities.confined else "DOES NOT CONFINE"
    console.print(Text(f"Sandbox: {capabilities.name} ({standing} model-written code)"))
    console.print(_layers(capabilities))
    if capabilities.confined:
        console.print(Text(_NOT_CLOSED))
    problem = try_a_run()
    console.print(sentence("A run with a scripted model: works" if problem is None else f"A run failed: {problem}"))
    return capabilities.confined and problem is None


def try_a_run() -> str | None:
    """Run a step in the REPL for real. What went wrong, if anything did."""
    script = ["```repl\nanswer['content'] = str(len(context))\nanswer['ready'] = True\n```"]
    try:
        answer = (
            RLMEngine(ScriptedModel(script), limits={"inline_chars": 0}).run("How long is it?", "twelve chars").answer
        )
    except RLMError as error:
        return str(error)
    return None if answer == "12" else f"the REPL said {answer!r} where 12 was right"


def _versions() -> Table:
    table = _table()
    table.add_row("rlm-integrations", _version_of("rlm-integrations") or "not installed")
    table.add_row("Python", f"{platform.python_version()} on {sys.platform} {platform.machine()}")
    for package, extra in _PACKAGES.items():
        found = _version_of(package)
        table.add_row(package, sentence(found or f'not installed: pip install "rlm-integrations[{extra}]"'))
    return table


def _version_of(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _layers(capabilities: Capabilities) -> Table:
    table = _table()
    for layer, words in capabilities.layers.items():
        table.add_row(layer, sentence(words))
    return table


def _table() -> Table:
    table = Table(show_header=False)
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    return table
