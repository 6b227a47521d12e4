"""The commands about runs whose traces were kept."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rlm_integrations.cli import options

app = typer.Typer(help="Look at a run that was kept: see `ask --trace FILE`.", no_args_is_help=True)

_File = Annotated[
    Path,
    typer.Argument(
        metavar="FILE", help="A trace, as `ask --trace` writes it; or JSON of a message or response with one in it."
    ),
]


@app.command()
def show(file: _File, verbose: options.Verbose = False) -> None:
    """Print a kept run: a line for each iteration, as while it went on, the sums, the answer, its citations."""
    from rlm_integrations.cli.exit_codes import exit_codes

    with exit_codes():
        from rlm_integrations.cli.saved_trace import print_trace, read_trace

        print_trace(read_trace(file), in_full=verbose)


@app.command()
def html(
    file: _File,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="The page. Default: the trace's name with .html."),
    ] = None,
) -> None:
    """Write a kept run as one HTML page, which any browser opens without a network.

    rlm-integrations trace html run.json

    The page has all that the trace has, and is as confidential. Its name goes to stdout.
    """
    from rlm_integrations.cli.exit_codes import exit_codes

    with exit_codes():
        from rlm_integrations.cli.saved_trace import read_trace, write_page
        from rlm_integrations.terminal.streams import write_out

        write_out(str(write_page(read_trace(file), file, output)))
