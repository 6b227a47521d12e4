"""A list of kept runs, printed: for people some lines for each, for programs JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich.text import Text

from rlm_integrations.cli.answer_output import json_text
from rlm_integrations.cli.kept_runs import KeptRun, Listing
from rlm_integrations.core.surrogates import without_lone_surrogates
from rlm_integrations.core.wording import listed, plural
from rlm_integrations.terminal.amounts import duration, token_words
from rlm_integrations.terminal.console import TerminalConsole, name, sentence
from rlm_integrations.terminal.streams import say, stdout_encoding, write_out

_INDENT = "    "


def print_list(listing: Listing, *, as_json: bool) -> None:
    """On stdout the runs, on stderr what else was found."""
    for words in listing.passed_over:
        say(f"Passed over: {words}")
    if as_json:
        write_out(json_text([run_json(run) for run in listing.runs], stdout_encoding()))
        return
    if not listing.runs:
        say("No run is kept there.")
    console = TerminalConsole(highlight=False, emoji=False)
    for run in listing.runs:
        for line in run_lines(run):
            console.print(line, soft_wrap=not line.no_wrap, overflow="ellipsis")


def run_lines(run: KeptRun) -> list[Text]:
    """When, which, how it ended; its question and its answer, each cut to the width; what it took."""
    when = run.when.astimezone().strftime("%Y-%m-%d %H:%M")
    which = [run.source, *([] if run.run is None else [str(run.run)])]
    head = Text.assemble((when, "dim"), "  ", name(" ".join(which), "bold"))
    if run.run_id is not None:
        head.append_text(Text.assemble(" (", name(run.run_id), ")"))
    head.append_text(Text.assemble("  ", _end(run)))
    lines = [head, _one(run.question, "the question is not kept")]
    if run.error is not None:
        lines.append(_one(f"failed: {run.error}", ""))
    elif run.answer:
        lines.append(_one(f"= {run.answer}", ""))
    return [*lines, Text.assemble(_INDENT, sentence(_took(run), "dim"))]


def run_json(run: KeptRun) -> dict[str, Any]:
    """Plain JSON. Long texts are cut, here too."""
    spent = {name: getattr(run, name).model_dump(mode="json") for name in ("usage", "replayed")}
    told = asdict(run) | {"when": run.when.isoformat(), **spent}
    return {key: without_lone_surrogates(value) if isinstance(value, str) else value for key, value in told.items()}


def _end(run: KeptRun) -> Text:
    if run.state == "finished":
        return Text(run.stop_reason or run.state, "green" if run.stop_reason in ("answer", "plain_reply") else "yellow")
    return Text(run.state, "red" if run.state == "failed" else "yellow")


def _one(words: str, otherwise: str) -> Text:
    line = Text.assemble(_INDENT, sentence(words) if words else (otherwise, "dim"))
    line.no_wrap = True
    return line


def _took(run: KeptRun) -> str:
    failed = f" ({run.failed_sub_calls:,} failed)" if run.failed_sub_calls else ""
    known = (run.usage + run.replayed).total_tokens > 0
    parts = [
        plural(run.iterations, "iteration"),
        plural(run.sub_calls, "sub-call") + failed,
        f"tokens {token_words(run.usage, run.replayed)}" if known else "",
        "" if run.usage.cost_usd is None else f"${run.usage.cost_usd:.4f}",
        duration(run.seconds) if run.seconds else "",
        listed(run.models) if run.models else "",
    ]
    return ", ".join(filter(None, parts))
