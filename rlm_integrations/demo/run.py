"""The command `demo`: a question that no window and no top-k can hold, answered before your eyes."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from rich.console import ConsoleDimensions
from rich.text import Text

from rlm_integrations.core.limits import RLMLimits
from rlm_integrations.core.sandbox import Sandbox
from rlm_integrations.core.trace.result import RLMResult
from rlm_integrations.core.wording import number, plural
from rlm_integrations.demo.delivery_log import ANSWER, QUESTION, DeliveryLog, make_log
from rlm_integrations.demo.models import MAX_TOTAL_TOKENS, DemoModels, Wanted, choose_models
from rlm_integrations.demo.narration import Narration, code, print_indented
from rlm_integrations.demo.report import CHARS_PER_TOKEN, SEARCHED, answer_beside_truth, answer_lines, ways_compared
from rlm_integrations.engine import RLMEngine
from rlm_integrations.sandboxes.choose import resolve_sandbox
from rlm_integrations.terminal.console import TerminalConsole, name, sentence, words

CODE = "result = RLMEngine(llm, sub_llm=sub_llm).run(question, log)"
LANGCHAIN = """\
from rlm_integrations.langchain import RLMRunnable
message = RLMRunnable(llm=llm, context=documents).invoke(question)"""
LLAMA_INDEX = """\
from rlm_integrations.llama_index import install
install()  # teaches every index engine="rlm"
response = index.as_query_engine(engine="rlm", llm=llm).query(question)"""


def run_demo(wanted: Wanted, sandbox: str, confirm: Callable[[str], None]) -> None:
    """Run the demo.

    Args:
        confirm: Called with what a live run may cost, before anything is asked. It raises where nobody agrees.

    Raises:
        MissingExtraError: openai is needed and missing.
        InvalidArgumentError: Options do not fit each other.
        SandboxUnavailableError: The sandbox does not work here.
        RunError: The run failed.
    """
    console, confined = _console(), resolve_sandbox(sandbox)
    models = choose_models(wanted, os.environ)
    if models.cost is not None:
        confirm(models.cost)
    console.print(words(models.introduction))
    show_run(console, models, confined, make_log())
    _print_next_steps(console)


def show_run(console: TerminalConsole, models: DemoModels, sandbox: str | Sandbox, log: DeliveryLog) -> None:
    """The question over the log, the run, what came of it, and what other ways to ask would have seen."""
    _introduce(console, log)
    result = _ask(console, models, sandbox, log)
    _report(console, log, result)


def _console() -> TerminalConsole:
    console = TerminalConsole(highlight=False, emoji=False)
    if console.is_dumb_terminal:  # rich takes it for one of 80 columns
        console.size = ConsoleDimensions(*shutil.get_terminal_size())
    return console


def _introduce(console: TerminalConsole, log: DeliveryLog) -> None:
    _heading(console, "The corpus")
    tokens = number(log.chars // CHARS_PER_TOKEN)
    console.print(
        f"A year of a food delivery's log, made just now: {len(log.files)} files, {number(log.chars)} characters, some "
        f"{tokens} tokens. What customers wrote stands among hundreds of thousands of lines of crates."
    )
    _heading(console, "The question")
    console.print(words(QUESTION))


def _ask(console: TerminalConsole, models: DemoModels, sandbox: str | Sandbox, log: DeliveryLog) -> RLMResult[str]:
    _heading(console, "The run")
    print_indented(console, code(CODE))
    limits = None if models.cost is None else RLMLimits(max_total_tokens=MAX_TOTAL_TOKENS)
    with Narration(console) as narration:
        engine = RLMEngine(models.root, sub_llm=models.sub, sandbox=sandbox, limits=limits, on_event=narration.see)
        return engine.run(QUESTION, log.files)


def _report(console: TerminalConsole, log: DeliveryLog, result: RLMResult[str]) -> None:
    _heading(console, "The answer, beside what the maker of the log knows")
    console.print(answer_beside_truth(answer_lines(result.text, ANSWER), log.truth))
    if result.citations:
        cited = plural(len(result.citations), "citation")
        console.print(f"{cited}, compared with the corpus letter for letter:")
    for citation in result.citations[:5]:
        line = Text.assemble(name(citation.document_id, "bold"), ": “", sentence(citation.cited_text), "”")
        print_indented(console, line, cut=True)
    _heading(console, "Other ways to ask the same")
    console.print(ways_compared(log, result))
    longest = max(iteration.call.prompt_chars for iteration in result.trace.iterations)
    console.print(
        f"Where no model counts them, a token is {CHARS_PER_TOKEN} characters. The retriever ranks chunks of ten lines "
        f"for “{SEARCHED}”. The root LM's longest prompt had {number(longest)} characters: it saw what is printed "
        "above, its code saw all."
    )


def _print_next_steps(console: TerminalConsole) -> None:
    _heading(console, "In your code")
    for title, lines in (("LangChain", LANGCHAIN), ("LlamaIndex", LLAMA_INDEX)):
        console.print(f"{title}:")
        print_indented(console, code(lines))
    _heading(console, "The same with a real model; it asks before it spends")
    program = program_words(sys.argv[0])
    for options in ("--live", "--model qwen3-coder --base-url http://localhost:11434/v1"):
        console.print(Text(f"  {program} demo {options}"), soft_wrap=True)


def _heading(console: TerminalConsole, title: str) -> None:
    console.print()
    console.print(title, style="bold underline")


def program_words(called_as: str) -> str:
    """What to type to call this program again, as it was called."""
    path = Path(called_as)
    if path.name == "__main__.py":
        return f"{shlex.quote(sys.executable)} -m rlm_integrations"
    if not path.name.startswith("rlm-integrations"):
        return "rlm-integrations"
    found = shutil.which(path.name)
    on_path = found is not None and Path(found).absolute() == path.absolute()
    return path.name if on_path else shlex.quote(called_as)
