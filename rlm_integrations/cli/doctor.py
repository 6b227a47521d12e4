"""The command `doctor`: what confines the REPL here, whether a run works, what is installed, and a model's server."""

from __future__ import annotations

import os
import platform
import sys

from rich.table import Table
from rich.text import Text

from rlm_integrations.cli.installed import OURS, Finding, find_installed, version_of
from rlm_integrations.cli.model_check import check_model
from rlm_integrations.cli.shell_words import in_shell_words
from rlm_integrations.core.errors import RLMError
from rlm_integrations.core.sandbox import Capabilities, Sandbox
from rlm_integrations.core.wording import error_words, listed
from rlm_integrations.engine import RLMEngine
from rlm_integrations.sandboxes.choose import resolve_sandbox
from rlm_integrations.terminal.console import TerminalConsole, sentence
from rlm_integrations.testing import ScriptedModel

_INSTEAD = {
    "wasi": "It runs Python in WebAssembly, without numpy, pandas and some modules, which the root LM is told of",
}
_NOT_CLOSED = (
    "Not closed: another process of this machine that is in league with the code can be told of the documents by "
    "timing, by the load of the machine, or by the ends of threads"
)


def examine(base_url: str | None = None, model: str | None = None, ray: str | None = None) -> bool:
    """Print the findings. Whether all that is here works, and model-written code can be run, confined.

    A model's server is asked only where a URL or a model is given, and a Ray cluster where its address is.
    """
    console = TerminalConsole(highlight=False, emoji=False)
    console.print(Text(_here()))  # before seconds of imports, which are in vain where nothing can be written
    findings = find_installed()
    console.print(_versions(findings))
    broken = [finding.part.package for finding in findings if finding.problem]
    verdicts = [(False, f"{listed(broken)}: see above") if broken else (True, "what is installed can be imported")]
    verdicts += _examine_sandbox(console)
    if ray:
        verdicts += _examine_ray(console, ray)
    if base_url or model:
        verdicts.append(check_model(base_url, model))
    for works, words in verdicts:
        verdict = Text("works: ", style="bold green") if works else Text("FAILS: ", style="bold red")
        console.print(verdict.append_text(sentence(words)))
    if not (base_url or model):
        known = "OPENAI_API_KEY is set" if os.environ.get("OPENAI_API_KEY", "").strip() else "OPENAI_API_KEY is not set"
        console.print(Text(f"No model was asked ({known}). To try one: rlm-integrations doctor --model NAME"))
    return all(works for works, _ in verdicts)


def try_a_run(sandbox: str | Sandbox = "auto") -> str | None:
    """Run a step in the REPL for real. What went wrong, if anything did."""
    script = ["```repl\nanswer['content'] = str(len(context))\nanswer['ready'] = True\n```"]
    try:
        engine = RLMEngine(ScriptedModel(script), limits={"inline_chars": 0}, sandbox=sandbox)
        answer = engine.run("How long is it?", "twelve chars").answer
    except Exception as error:
        return _why(error)
    return None if answer == "12" else f"the REPL said {answer!r} where 12 was right"


def _examine_sandbox(console: TerminalConsole) -> list[tuple[bool, str]]:
    """Show what confines the code, and say whether it does."""
    name, found = "auto", _capabilities("auto")
    not_process = _capabilities("process")
    if isinstance(found, str) and not isinstance(wasi := _capabilities("wasi"), str):
        name, found = "wasi", wasi
    if isinstance(found, str):
        console.print(sentence(f"Sandbox: none. {found}"))
        return [(False, "nothing confines model-written code here")]
    console.print(
        Text(f"Sandbox: {found.name} ({'confines' if found.confined else 'DOES NOT CONFINE'} model-written code)")
    )
    if found.name in _INSTEAD:
        console.print(Text(_INSTEAD[found.name]))
        if isinstance(not_process, str):
            console.print(sentence(f"Not “process”, which runs all of it: {not_process}"))
    console.print(_layers(found))
    if found.confined:
        console.print(Text(_NOT_CLOSED))
    problem = try_a_run(name)
    pass_it = f"; pass --sandbox {name}" if name != "auto" else ""
    return [
        (found.confined, f"model-written code is {'' if found.confined else 'not '}confined here{pass_it}"),
        (problem is None, "a run with a scripted model" + ("" if problem is None else f": {problem}")),
    ]


def _examine_ray(console: TerminalConsole, address: str) -> list[tuple[bool, str]]:
    """The same of the machines of a cluster."""
    try:
        from rlm_integrations.ray import RaySandbox

        sandbox = RaySandbox(address, num_cpus=0)
        found = sandbox.capabilities()
    except Exception as error:
        return [(False, f"the Ray cluster: {_why(error)}")]
    console.print(Text("Ray: model-written code is confined on its machines"))
    console.print(_layers(found))
    problem = try_a_run(sandbox)
    return [(problem is None, "a run on the Ray cluster" + ("" if problem is None else f": {problem}"))]


def _capabilities(name: str) -> Capabilities | str:
    """Or why there is no such sandbox."""
    try:
        return resolve_sandbox(name).capabilities()
    except Exception as error:
        return _why(error)


def _why(error: Exception) -> str:
    return in_shell_words(str(error)) if isinstance(error, RLMError) else error_words(error)


def _here() -> str:
    python = f"Python {platform.python_version()} on {sys.platform} {platform.machine()}"
    return f"{OURS} {version_of(OURS) or '(not installed)'}, {python}"


def _versions(findings: list[Finding]) -> Table:
    table = _table()
    for finding in findings:
        table.add_row(finding.part.package, sentence(finding.words, "red" if finding.problem else ""))
    return table


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
