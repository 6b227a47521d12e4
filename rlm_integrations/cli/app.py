"""The commands. Each imports what it needs when it is called, so that `--help` is quick."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rlm_integrations.cli import options, trace
from rlm_integrations.cli.json_command import JsonCommand

app = typer.Typer(
    help="Recursive Language Models: questions over corpora that never enter the prompt.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain errors: what they quote goes through the guard of stderr
    context_settings={"help_option_names": ["-h", "--help"]},
)


app.add_typer(trace.app, name="trace")


def _show_version(wanted: bool) -> None:
    if wanted:
        from rlm_integrations import __version__
        from rlm_integrations.terminal.streams import write_out

        write_out(__version__)
        raise typer.Exit


@app.callback()
def every_command(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Recursive Language Models: questions over corpora that never enter the prompt."""


@app.command(cls=JsonCommand)
def ask(
    context: typer.Context,
    question: Annotated[
        str, typer.Option("-q", "--question", help="What to answer from the corpus; - is standard input.")
    ],
    model: options.Model,
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="PATH", help="Files and folders, or - for standard input: the corpus."),
    ] = None,
    files_from: options.FilesFrom = None,
    glob: options.Glob = None,
    hidden: options.Hidden = False,
    no_ignore: options.NoIgnore = False,
    yes: options.Yes = False,
    sub_model: options.SubModel = None,
    base_url: options.BaseUrl = None,
    max_iterations: options.MaxIterations = None,
    max_sub_calls: options.MaxSubCalls = None,
    timeout: options.Timeout = None,
    max_cost: options.MaxCost = None,
    limit: options.Limit = None,
    price: options.Price = None,
    sub_price: options.SubPrice = None,
    max_input_tokens: options.MaxInputTokens = None,
    sandbox: options.Sandbox = "auto",
    protocol: options.Protocol = "fence",
    route: options.Route = "rlm",
    imports: options.Imports = None,
    twice: options.Twice = False,
    ask_above: options.AskAbove = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object in place of the answer.")] = False,
    verbose: options.Verbose = False,
    trace: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the full trace there, as JSON.")] = None,
    journal: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Keep there what is paid for: the same command goes on where it was."),
    ] = None,
    redact: Annotated[
        bool, typer.Option("--redact", help="Sizes and hashes in place of texts in the file of --trace.")
    ] = False,
) -> None:
    """Answer a question over files and folders.

    rlm-integrations ask -q "Who decides what?" minutes/ statutes.md -m gpt-5

    The answer and its citations go to stdout, the progress to stderr, and with it what was read and skipped. Of folders
    hidden files are left out, and what .gitignore leaves out. PDF, Office, EPUB, HTML, notebooks, mail, tables and gzip
    are read as the text that is in them.

    Exit codes: 0 an answer, 1 the run failed or its answer or trace could not be written, 2 wrong arguments,
    3 a limit was met (with the best answer by then, where there is one), 130 interrupted (143 by SIGTERM).
    """
    from rlm_integrations.cli.exit_codes import exit_codes

    with exit_codes(as_json=as_json):
        from rlm_integrations.cli.ask import Ask, answer_question
        from rlm_integrations.cli.file_corpus import confirm, find_corpus
        from rlm_integrations.cli.interrupted_run import ended_by_signals
        from rlm_integrations.cli.questions import read_question
        from rlm_integrations.cli.run_settings import RunSettings
        from rlm_integrations.cli.settings import (
            check_ask_above,
            check_redact,
            read_limits,
            read_models,
            read_protocol,
            read_route,
            read_sandbox,
        )
        from rlm_integrations.files.selection import Selection
        from rlm_integrations.terminal.console import progress_console
        from rlm_integrations.terminal.live_view import LiveView

        named = {"max_iterations": max_iterations, "max_sub_calls": max_sub_calls, "timeout_s": timeout}
        limits = read_limits({**named, "max_cost_usd": max_cost}, limit or [])
        check_redact(redact, trace)
        models = read_models(model, sub_model, base_url, price, sub_price, max_input_tokens, limits)
        confined = read_sandbox(sandbox, imports or [])
        run = RunSettings(models, limits, confined, read_protocol(protocol), read_route(route), twice, journal)
        bound = None if yes else check_ask_above(ask_above, price, sub_price, sub_model)
        began = context.obj if isinstance(context.obj, float) else None
        question = read_question(question, paths or [], files_from)
        view = LiveView(progress_console(), began=began, in_full=verbose)
        with view, ended_by_signals():
            files = find_corpus(paths or [], files_from, Selection(hidden, tuple(glob or []), not no_ignore))
        if not yes:
            confirm(files)
        answer_question(Ask(question, files, run, as_json=as_json, trace=trace, ask_above=bound, redact=redact), view)


@app.command(cls=JsonCommand)
def chat(
    context: typer.Context,
    model: options.Model,
    paths: Annotated[list[str] | None, typer.Argument(metavar="PATH", help="Files and folders: the corpus.")] = None,
    files_from: options.FilesFrom = None,
    glob: options.Glob = None,
    hidden: options.Hidden = False,
    no_ignore: options.NoIgnore = False,
    yes: options.Yes = False,
    sub_model: options.SubModel = None,
    base_url: options.BaseUrl = None,
    max_iterations: options.MaxIterations = None,
    max_sub_calls: options.MaxSubCalls = None,
    timeout: options.Timeout = None,
    max_cost: options.MaxCost = None,
    limit: options.Limit = None,
    price: options.Price = None,
    sub_price: options.SubPrice = None,
    max_input_tokens: options.MaxInputTokens = None,
    sandbox: options.Sandbox = "auto",
    protocol: options.Protocol = "fence",
    imports: options.Imports = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object for each answer, in one line.")] = False,
    verbose: options.Verbose = False,
) -> None:
    """Answer one question after another over files and folders, in one session whose variables stay.

    rlm-integrations chat minutes/ statutes.md -m gpt-5

    On a terminal it asks for questions until /quit or the end of input (Ctrl-D); Ctrl-C gives up a question, not the
    session. Else each line of standard input is a question. Limits hold for each question.

    Exit codes: 0 at the end of a session; of questions that are no terminal's 1 or 3 where the first of them that did
    not go well would have that of `ask`; 2 wrong arguments, 130 interrupted (143 by SIGTERM).
    """
    from rlm_integrations.cli.exit_codes import exit_codes

    with exit_codes(as_json=as_json):
        from rlm_integrations.cli.chat import Chat, answer_questions
        from rlm_integrations.cli.file_corpus import check_stdin_is_free, confirm, find_corpus
        from rlm_integrations.cli.interrupted_run import ended_by_signals
        from rlm_integrations.cli.run_settings import RunSettings
        from rlm_integrations.cli.settings import read_limits, read_models, read_protocol, read_sandbox
        from rlm_integrations.files.selection import Selection
        from rlm_integrations.terminal.console import progress_console
        from rlm_integrations.terminal.live_view import LiveView

        named = {"max_iterations": max_iterations, "max_sub_calls": max_sub_calls, "timeout_s": timeout}
        limits = read_limits({**named, "max_cost_usd": max_cost}, limit or [])
        models = read_models(model, sub_model, base_url, price, sub_price, max_input_tokens, limits)
        run = RunSettings(models, limits, read_sandbox(sandbox, imports or []), read_protocol(protocol))
        check_stdin_is_free(paths or [], files_from)
        began = context.obj if isinstance(context.obj, float) else None
        with LiveView(progress_console(), began=began), ended_by_signals():
            files = find_corpus(paths or [], files_from, Selection(hidden, tuple(glob or []), not no_ignore))
        if not yes:
            confirm(files)
        answer_questions(Chat(files, run, as_json=as_json, verbose=verbose))


@app.command(cls=JsonCommand)
def compare(
    questions: Annotated[
        list[str], typer.Option("-q", "--question", help="What to answer from the corpus, or -; may be repeated.")
    ],
    model: options.Model,
    paths: Annotated[list[str] | None, typer.Argument(metavar="PATH", help="Files and folders: the corpus.")] = None,
    files_from: options.FilesFrom = None,
    glob: options.Glob = None,
    hidden: options.Hidden = False,
    no_ignore: options.NoIgnore = False,
    yes: options.YesToCost = False,
    sub_model: options.SubModel = None,
    base_url: options.BaseUrl = None,
    limit: options.Limit = None,
    price: options.Price = None,
    sub_price: options.SubPrice = None,
    max_input_tokens: options.MaxInputTokens = None,
    methods: options.Methods = None,
    max_cost: options.MaxCostOfAll = None,
    max_tokens: options.MaxTokens = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object in place of the table.")] = False,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a page with plots and all answers.")] = None,
) -> None:
    """Answer questions by several methods, side by side: directly, by retrieval, by map-reduce, by RLMs.

    rlm-integrations compare -q "Who decides what?" minutes/ -m gpt-5 --price 1.25,10 --max-cost 2

    Before anything is sent, you are asked whether it may be; what would go beyond the cap is skipped.

    Exit codes: 0 there is an answer, 1 there is none, 2 wrong arguments, 130 interrupted (143 by SIGTERM).
    """
    from rlm_integrations.cli.exit_codes import exit_codes

    with exit_codes(as_json=as_json):
        from rlm_integrations.cli.compare import Compare, check_cap, compare_methods, read_methods
        from rlm_integrations.cli.file_corpus import confirm, find_corpus
        from rlm_integrations.cli.interrupted_run import ended_by_signals
        from rlm_integrations.cli.questions import read_question
        from rlm_integrations.cli.settings import read_limits, read_models
        from rlm_integrations.files.selection import Selection

        tokens = check_cap(max_cost, max_tokens, price)
        limits = read_limits({}, limit or [])
        models = read_models(model, sub_model, base_url, price, sub_price, max_input_tokens, limits)
        chosen = read_methods(methods)
        questions = [read_question(each, paths or [], files_from) for each in questions]
        with ended_by_signals():
            files = find_corpus(paths or [], files_from, Selection(hidden, tuple(glob or []), not no_ignore))
        if not yes:
            confirm(files)
        compare_methods(
            Compare(questions, files, models, limits, chosen, max_cost, tokens, yes=yes, as_json=as_json, html=html)
        )


@app.command()
def doctor(
    base_url: Annotated[
        str | None, typer.Option(help="Ask this OpenAI-compatible server, too: which models it has, or --model.")
    ] = None,
    model: Annotated[str | None, typer.Option("-m", "--model", help="Send this model one small request, too.")] = None,
    ray: Annotated[
        str | None,
        typer.Option(help="Look at the machines of this Ray cluster, too: its address, or auto for the one Ray finds."),
    ] = None,
) -> None:
    """Show whether what is installed works, what confines the REPL on this machine, and whether a run works.

    No model is asked, and nothing billed, unless --base-url or --model is given.

    Exit code 1 where something of it fails.
    """
    from rlm_integrations.cli.exit_codes import exit_codes

    with exit_codes():
        from rlm_integrations.cli.doctor import examine

        raise typer.Exit(0 if examine(base_url, model, ray) else 1)


@app.command()
def demo(
    live: Annotated[
        bool, typer.Option("--live", help="Ask a real model: RLM_MODEL, or else gpt-5. Needs OPENAI_API_KEY.")
    ] = False,
    model: Annotated[str | None, typer.Option("-m", "--model", help="Ask this model, and no script.")] = None,
    sub_model: Annotated[
        str | None, typer.Option(help="The model of sub-calls. Default: the root LM; of gpt-5, gpt-5-mini.")
    ] = None,
    base_url: Annotated[str | None, typer.Option(help="Any OpenAI-compatible server. Its key: OPENAI_API_KEY.")] = None,
    recorded: Annotated[
        bool, typer.Option("--recorded", help="Ask no model, whatever the environment holds. The default.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("-y", "--yes", help="Spend what a real model costs without being asked.")
    ] = False,
    sandbox: Annotated[
        str, typer.Option(help="What confines the model's code: auto, process, wasi or unconfined.")
    ] = "auto",
) -> None:
    """See a whole run over 40 MB of a log, without a key: a script plays the model.

    A real model is asked only with --live or --model, and after you have agreed to what it may cost.
    """
    from rlm_integrations.cli.exit_codes import exit_codes

    with exit_codes():
        from rlm_integrations.cli.agreement import agree
        from rlm_integrations.demo.models import Wanted
        from rlm_integrations.demo.run import run_demo

        wanted = Wanted(recorded, live, model, sub_model, base_url)
        run_demo(wanted, sandbox, lambda cost: None if yes else agree(cost))


command = typer.main.get_group(app)
"""What runs them. Typer makes it anew for each call of `app`."""
