"""Evaluates methods on tasks with exact truth.

python -m evals                                    simulated models: nothing is asked, nothing billed
python -m evals --quick                            a few seconds, to see that it works
python -m evals live -m MODEL --base-url URL --max-cost 5 --price 1.25,10 --record replies.jsonl
python -m evals replay replies.jsonl --quick       the same again, without a server
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from evals.clock import Latency
from evals.grid import LENGTHS, QUICK, WEAK, Plan, Row, run, write_rows
from evals.models.recorded import Recorded, Replayed
from evals.models.simulated import Simulated
from evals.table import markdown
from evals.tasks import FAMILIES
from rlm_integrations.compare import RLM
from rlm_integrations.openai import OpenAIModel

_LOST = 0.4
_QUICK_LIVE = Plan(lengths=(2_000,), seeds=1, trials=1)


def main(arguments: Sequence[str] | None = None) -> None:
    asked = _parser().parse_args(arguments)
    plan = QUICK if asked.quick else Plan()
    if asked.lengths:
        plan = replace(plan, lengths=tuple(asked.lengths))
    plan = replace(plan, families=tuple(asked.families or ()))
    if asked.models == "live":
        reader, rows = _live(
            asked, plan if asked.lengths or not asked.quick else replace(_QUICK_LIVE, families=plan.families)
        )
    elif asked.models == "replay":
        plan = plan if asked.lengths or not asked.quick else replace(_QUICK_LIVE, families=plan.families)
        reader, rows = "replayed", asyncio.run(run(plan, Replayed(asked.recording, asked.max_input_tokens)))
    else:
        reader, rows = "simulated reader", asyncio.run(_simulated(plan))
    asked.out.mkdir(parents=True, exist_ok=True)
    write_rows(rows, asked.out / "rows.jsonl")
    table = markdown(rows, reader)
    (asked.out / "table.md").write_text(table, encoding="utf-8")
    sys.stdout.write(table)
    if not asked.without_charts:
        from evals.charts import draw

        for path in draw(rows, reader, asked.out):
            sys.stdout.write(f"{path}\n")


async def _simulated(plan: Plan) -> list[Row]:
    """With a root LM that codes well, and RLMs once more with one that is lost in two of five questions."""
    rows = await run(plan, Simulated(), latency=Latency(), tell=_tell)
    weak = Simulated(lost=_LOST)
    chosen = [RLM(1), RLM(1, "auto")]
    return rows + await run(plan, weak, chosen=chosen, called=WEAK, latency=Latency(), tell=_tell)


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _live(asked: argparse.Namespace, plan: Plan) -> tuple[str, list[Row]]:
    """Nothing is sent beyond the cap. Raises SystemExit where none is given."""
    if asked.max_cost is None or asked.price is None:
        raise SystemExit("--max-cost and --price: give both, so that it is known what may be spent, and what is")
    input_price, output_price = (float(part) for part in asked.price.split(","))
    model = OpenAIModel(
        asked.model,
        asked.base_url,
        max_input_tokens=asked.max_input_tokens,
        input_price=input_price,
        output_price=output_price,
    )
    recorded = model if asked.record is None else Recorded(model, asked.record)
    return asked.model, asyncio.run(run(plan, recorded, max_cost_usd=asked.max_cost, tell=_tell))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("evals", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="short texts, one task of each family")
    parser.add_argument("--out", type=Path, default=Path("build/evals"), help="folder for rows, table and charts")
    parser.add_argument("--lengths", type=int, nargs="+", metavar="TOKENS", help=f"default: {LENGTHS}")
    parser.add_argument("--families", nargs="+", choices=[family.name for family in FAMILIES], metavar="NAME")
    parser.add_argument("--without-charts", action="store_true", help="they need matplotlib")
    parser.add_argument("--max-input-tokens", type=int, help="the window of a live or replayed model")
    of = parser.add_subparsers(dest="models")
    live = of.add_parser("live", help="any OpenAI-compatible server, behind a cap of costs")
    live.add_argument("-m", "--model", required=True)
    live.add_argument("--base-url")
    live.add_argument("--price", metavar="IN,OUT", help="US dollars per million tokens")
    live.add_argument("--max-cost", type=float, metavar="USD")
    live.add_argument("--record", type=Path, metavar="FILE", help="keep the replies there")
    replay = of.add_parser("replay", help="replies that a live evaluation kept")
    replay.add_argument("recording", type=Path)
    return parser


if __name__ == "__main__":
    main()
