"""`prices="genai"`: the list of the package genai-prices. What it does not know is unknown, and never guessed."""

from __future__ import annotations

from typing import Any, cast

from rlm_integrations.core.extras import needed
from rlm_integrations.core.usage import Usage

with needed("genai_prices", "genai-prices", extra="prices", what='prices: "genai"'):
    import genai_prices

_URLS = ("base_url", "openai_api_base", "api_base", "anthropic_api_url")
_LOCAL = ("ollama", "llamacpp", "llama_cpp", "llamafile", "huggingface", "vllm", "lmstudio", "mlx")
"""Models in the user's own hands may have the names of those that providers bill."""


class GenaiPricing:
    """Prices by the name that a reply gives its model, and by the server that it came from, where that is known."""

    wants = "genai-prices does not know it, by this name or from this server"

    def __init__(self, model: object) -> None:
        """`model` is a LanguageModel, or what serves one of an integration's."""
        served_by = _unwrapped(getattr(model, "served_by", model))
        self._is_local = any(name in type(served_by).__name__.lower() for name in _LOCAL)
        urls = (getattr(served_by, name, None) for name in _URLS)
        self._url = next((url for url in urls if isinstance(url, str) and url), None)
        genai_prices.data_snapshot.get_snapshot()  # read now, not in an event loop

    def cost_usd(self, usage: Usage, model: str | None) -> float | None:
        """US dollars; None where nobody knows."""
        if model is None or self._is_local:
            return None
        counted = genai_prices.Usage(
            input_tokens=max(usage.input_tokens, usage.cached_tokens),  # it refuses fewer; some servers count so
            cache_read_tokens=usage.cached_tokens,
            output_tokens=usage.output_tokens,
        )
        name = model.removeprefix("models/")
        provider, slash, rest = name.partition("/")
        tries: list[tuple[str, dict[str, Any]]] = [(name, {} if self._url is None else {"provider_api_url": self._url})]
        if slash and self._url is None:
            tries.append((rest, {"provider_id": provider}))
        for ref, served in tries:
            try:
                return float(genai_prices.calc_price(counted, ref, **served).total_price)
            except LookupError:
                continue
        return None


def _unwrapped(model: object) -> object:
    """The model inside .bind(), .with_retry() and .with_fallbacks()."""
    for name in ("runnable", "bound"):
        inner = cast(object, getattr(model, name, None))
        if inner is not None:
            return _unwrapped(inner)
    return model
