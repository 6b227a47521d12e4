"""What the options of several commands say: limits, prices, models and the sandbox."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast, get_args

from rlm_integrations.core.calls.prices import RunPrices
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.language_model import CodeProtocol
from rlm_integrations.core.limits import RLMLimits, Route
from rlm_integrations.core.sandbox import Sandbox
from rlm_integrations.openai import OpenAIModel
from rlm_integrations.sandboxes.process.sandbox import ProcessSandbox

GENAI: Final = "genai"
"""The price that stands for the list of genai-prices."""


@dataclass(frozen=True)
class NamedModels:
    """The models of a run, and what says what they cost."""

    root: OpenAIModel
    sub: OpenAIModel | None
    """That of sub-calls, where it is another."""
    prices: RunPrices | None
    """The lists of prices that the engine is to look into; None where there is none."""


def read_limits(named: Mapping[str, object], pairs: Sequence[str]) -> RLMLimits:
    """Limits from options of their own (None: not given) and from NAME=VALUE pairs.

    Raises InvalidArgumentError for a pair without "=", a name given twice, and what RLMLimits refuses.
    """
    values = {name: value for name, value in named.items() if value is not None}
    for pair in pairs:
        name, separator, value = (part.strip() for part in pair.partition("="))
        if not (name and separator and value):
            raise InvalidArgumentError(
                f"--limit: {pair!r} is not NAME=VALUE; for instance --limit max_total_tokens=500000"
            )
        if name in values:
            raise InvalidArgumentError(f"--limit: {name} is given twice; leave one out")
        values[name] = None if value.lower() == "none" else value.replace("_", "")
    return RLMLimits.of(values)


def read_models(
    model: str,
    sub_model: str | None,
    base_url: str | None,
    price: str | None,
    sub_price: str | None,
    max_input_tokens: int | None,
    limits: RLMLimits,
) -> NamedModels:
    """Raises InvalidArgumentError for a wrong price, and for a limit on the cost while a price is unknown."""
    if sub_model == "":
        raise InvalidArgumentError("--sub-model: is empty; pass the name that the server knows it by, or leave it out")
    if sub_price is not None and sub_model is None:
        raise InvalidArgumentError("--sub-price: given without --sub-model; --price holds for sub-calls too")
    if limits.max_cost_usd is not None:
        _need_price("--price", price)
        if sub_model is not None:
            _need_price("--sub-price", sub_price)

    def made(name: str, option: str, prices: str | None) -> OpenAIModel:
        input_price, output_price = _read_price(option, None if prices == GENAI else prices)
        return OpenAIModel(
            name, base_url, max_input_tokens=max_input_tokens, input_price=input_price, output_price=output_price
        )

    root = made(model, "--price", price)
    sub = None if sub_model is None else made(sub_model, "--sub-price", sub_price)
    return NamedModels(root, sub, _lists_of_prices(price, sub_price, sub_model))


def check_ask_above(
    bound: float | None, price: str | None, sub_price: str | None, sub_model: str | None
) -> float | None:
    """The bound in US dollars. Raises InvalidArgumentError where nobody says what sub-calls cost."""
    missing = "--price" if sub_model is None else "--sub-price"
    if bound is not None and (price if sub_model is None else sub_price) is None:
        raise InvalidArgumentError(
            f"--ask-above: what sub-calls cost is unknown without a price; add {missing} IN,OUT or {missing} genai"
        )
    return bound


def check_redact(redact: bool, trace: Path | None) -> None:
    """Raises InvalidArgumentError where there is nothing that it would be of."""
    if redact and trace is None:
        raise InvalidArgumentError("--redact: it is of the file of --trace; add --trace FILE")


def read_sandbox(sandbox: str, imports: Sequence[str]) -> str | Sandbox:
    """The sandbox of that name, with the modules in it. Raises InvalidArgumentError where it cannot have them."""
    if not imports:
        return sandbox
    if sandbox not in ("auto", "process", "unconfined"):
        raise InvalidArgumentError(f"--import: the sandbox {sandbox!r} cannot import modules; use --sandbox process")
    return ProcessSandbox(imports=imports, confined=sandbox != "unconfined")


def read_protocol(protocol: str) -> CodeProtocol:
    """Raises InvalidArgumentError for an unknown one."""
    if protocol not in get_args(CodeProtocol):
        raise InvalidArgumentError(f"--protocol: {protocol!r} is unknown; pass fence or tool")
    return cast(CodeProtocol, protocol)


def read_route(route: str) -> Route:
    """Raises InvalidArgumentError for an unknown one."""
    if route not in get_args(Route):
        raise InvalidArgumentError(f"--route: {route!r} is unknown; pass rlm or auto")
    return cast(Route, route)


def _lists_of_prices(price: str | None, sub_price: str | None, sub_model: str | None) -> RunPrices | None:
    prices = RunPrices()
    if price == GENAI:
        prices["llm"] = GENAI
    if (price if sub_model is None else sub_price) == GENAI:
        prices["sub_llm"] = GENAI
    return prices or None


def _need_price(option: str, price: str | None) -> None:
    if price is None:
        raise InvalidArgumentError(
            f"--max-cost: what calls cost is unknown without a price; add {option} IN,OUT or {option} genai"
        )


def _read_price(option: str, price: str | None) -> tuple[float, float] | tuple[None, None]:
    if price is None:
        return None, None
    try:
        input_price, output_price = (float(part) for part in price.split(","))
    except ValueError:
        raise InvalidArgumentError(
            f"{option}: {price!r} is not two numbers; "
            "pass US dollars per million tokens of input and of output, as 1.25,10, or genai for a list"
        ) from None
    return input_price, output_price
