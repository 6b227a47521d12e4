"""The options that several commands have, as typer reads them."""

from __future__ import annotations

from typing import Annotated

import typer

Model = Annotated[str, typer.Option("-m", "--model", envvar="RLM_MODEL", help="The root LM, as the server knows it.")]
FilesFrom = Annotated[
    str | None, typer.Option(metavar="FILE", help="Read more paths from there, one a line; - is standard input.")
]
Glob = Annotated[
    list[str] | None,
    typer.Option("-g", "--glob", metavar="GLOB", help="Of folders only these files, or with ! all others."),
]
Hidden = Annotated[bool, typer.Option("--hidden", help="Of folders the hidden files too.")]
NoIgnore = Annotated[bool, typer.Option("--no-ignore", help="Of folders what .gitignore leaves out too.")]
Yes = Annotated[
    bool, typer.Option("-y", "--yes", help="Read 5,000 files and more without asking whether they are meant.")
]
YesToCost = Annotated[bool, typer.Option("-y", "--yes", help="Spend what is estimated without being asked.")]
Methods = Annotated[
    str | None,
    typer.Option(metavar="NAMES", help="Some of direct, cut, topN, map, tree, rlmN, auto, with commas between."),
]
MaxCost = Annotated[
    float | None, typer.Option(metavar="USD", help="US dollars for the whole run. Needs --price. Default: no limit.")
]
MaxCostOfAll = Annotated[
    float | None, typer.Option(metavar="USD", help="What all of it may cost. Needs --price; or else --max-tokens.")
]
MaxTokens = Annotated[int | None, typer.Option(metavar="N", min=1, help="What all of it may take.")]
SubModel = Annotated[
    str | None, typer.Option(envvar="RLM_SUB_MODEL", help="The model of sub-calls. Default: the root LM.")
]
BaseUrl = Annotated[
    str | None,
    typer.Option(envvar="OPENAI_BASE_URL", help="Any OpenAI-compatible server. Its key: OPENAI_API_KEY."),
]
MaxIterations = Annotated[int | None, typer.Option(metavar="N", help="Replies of the root LM. Default: 20.")]
MaxSubCalls = Annotated[int | None, typer.Option(metavar="N", help="Sub-calls in all. Default: 1,000.")]
Timeout = Annotated[float | None, typer.Option(metavar="SECONDS", help="For the whole run. Default: no limit.")]
Limit = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=VALUE", help="Another limit, as max_total_tokens=500000; may be repeated."),
]
Price = Annotated[
    str | None,
    typer.Option(metavar="IN,OUT", help="US dollars per million tokens of the root LM, as 1.25,10; or genai, a list."),
]
SubPrice = Annotated[str | None, typer.Option(metavar="IN,OUT", help="The same for --sub-model.")]
MaxInputTokens = Annotated[int | None, typer.Option(min=1, help="The models' window in tokens, if it is small.")]
Sandbox = Annotated[str, typer.Option(help="What confines the model's code: auto, process, wasi or unconfined.")]
Protocol = Annotated[
    str, typer.Option(help="How the root LM hands over code: fence, in its text, or tool, by native tool calls.")
]
Route = Annotated[
    str, typer.Option(help="rlm, or auto: what is short is answered directly, by one call, and the rest by code.")
]
AskAbove = Annotated[
    float | None,
    typer.Option(
        metavar="USD",
        min=0,
        help="Ask before sub-calls take the cost above it; where nobody can be asked, stop. Needs --price.",
    ),
]
Twice = Annotated[
    bool,
    typer.Option("--twice", help="Two blind runs; where they differ, a third that is given both says which holds."),
]
Imports = Annotated[
    list[str] | None,
    typer.Option("--import", metavar="MODULE", help="The model's code may import it, as numpy; may be repeated."),
]
Verbose = Annotated[
    bool, typer.Option("-v", "--verbose", help="Show what the root LM thinks and writes, and what its code prints.")
]
Redact = Annotated[
    bool, typer.Option("--redact", help="Sizes and hashes in place of texts: nothing that anybody wrote is told.")
]
