"""The commands about runs whose traces were kept."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rlm_integrations.cli import options
from rlm_integrations.cli.json_command import JsonCommand

app = typer.Typer(
    help="Look at runs that were kept: see `ask --trace FILE` and `ask --journal FILE`.", no_args_is_help=True
)

_File = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        help="A trace, as `ask --trace` writes it; JSON of a message or response with one in it; or a journal.",
    ),
]
_Run = Annotated[
    str | None, typer.Argument(metavar="RUN", help="Which run of a journal: its number in `trace list`, or its run_id.")
]


@app.command("list", cls=JsonCommand)
def list_(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="PATH", help="Folders with traces and journals in them, or such files. Default: here."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array, an object for each run.")] = False,
    redact: options.Redact = False,
) -> None:
    """List kept runs, the newest last: when, question, how it ended, answer, calls, tokens, cost, models.

    rlm-integrations trace list runs.sqlite

    Of a run that is going on, or was cut off, a journal tells what was kept so far; of one without contents, sizes and
    hashes.
    """
    from rlm_integrations.cli.exit_codes import exit_codes

    with exit_codes(as_json=as_json):
        from rlm_integrations.cli.kept_runs import list_runs
        from rlm_integrations.cli.run_list import print_list

        print_list(list_runs(paths or [Path()], redact=redact), as_json=as_json)


@app.command()
def show(file: _File, run: _Run = None, verbose: options.Verbose = False, redact: options.Redact = False) -> None:
    """Print a kept run: a line for each iteration, as while it went on, the sums, the answer, its citations."""
    from rlm_integrations.cli.exit_codes import exit_codes

    with exit_codes():
        from rlm_integrations.cli.kept_runs import find_trace
        from rlm_integrations.cli.saved_trace import print_trace

        trace, _ = find_trace(file, run)
        print_trace(trace.redacted() if redact else trace, in_full=verbose)


@app.command()
def html(
    file: _File,
    run: _Run = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="The page. Default: the trace's name with .html."),
    ] = None,
    redact: options.Redact = False,
) -> None:
    """Write a kept run as one HTML page, which any browser opens without a network.

    rlm-integrations trace html run.json

    The page has all that the trace has, and is as confidential. Its name goes to stdout.
    """
    from rlm_integrations.cli.exit_codes import exit_codes

    with exit_codes():
        from rlm_integrations.cli.kept_runs import find_trace
        from rlm_integrations.cli.saved_trace import write_page
        from rlm_integrations.terminal.streams import write_out

        trace, which = find_trace(file, run)
        name = file.with_stem(f"{file.stem}-{which}") if which else file
        write_out(str(write_page(trace.redacted() if redact else trace, file, output, name)))
