"""Usage, wherever an integration leaves it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from rlm_integrations.core.usage import Usage
from rlm_integrations.llama_index.token_usage import usage_of

OPENAI = {
    "prompt_tokens": 100,
    "completion_tokens": 20,
    "total_tokens": 120,
    "prompt_tokens_details": {"cached_tokens": 64},
    "completion_tokens_details": {"reasoning_tokens": 8},
}
OPENAI_READ = Usage(input_tokens=100, output_tokens=20, cached_tokens=64, reasoning_tokens=8)


def as_object(value: object) -> object:
    return (
        SimpleNamespace(**{key: as_object(inner) for key, inner in value.items()}) if isinstance(value, dict) else value
    )


@pytest.mark.parametrize(
    ("raw", "additional", "expected"),
    [
        pytest.param({"usage": OPENAI}, {}, OPENAI_READ, id="OpenAI as a dict"),
        pytest.param(as_object({"usage": OPENAI}), {}, OPENAI_READ, id="OpenAI as an object"),
        pytest.param(
            None, {"prompt_tokens": 7, "completion_tokens": 3}, Usage(input_tokens=7, output_tokens=3), id="additional"
        ),
        pytest.param(
            None,
            {"usage": as_object({"input_tokens": 9, "output_tokens": 4, "input_tokens_details": {"cached_tokens": 2}})},
            Usage(input_tokens=9, output_tokens=4, cached_tokens=2),
            id="OpenAI responses",
        ),
        pytest.param(
            {
                "usage": {
                    "input_tokens": 10,
                    "output_tokens": 5,
                    "cache_read_input_tokens": 90,
                    "cache_creation_input_tokens": 1,
                }
            },
            {},
            Usage(input_tokens=101, output_tokens=5, cached_tokens=90),
            id="Anthropic counts its cache beside the input",
        ),
        pytest.param(
            {"usage_metadata": {"prompt_token_count": 50, "candidates_token_count": 6, "thoughts_token_count": 30}},
            {},
            Usage(input_tokens=50, output_tokens=36, reasoning_tokens=30),
            id="Gemini counts thoughts beside the candidates",
        ),
        pytest.param(
            {"prompt_eval_count": 11, "eval_count": 2}, {}, Usage(input_tokens=11, output_tokens=2), id="Ollama"
        ),
        pytest.param(
            {"usage": {"inputTokens": 12, "outputTokens": 3}}, {}, Usage(input_tokens=12, output_tokens=3), id="Bedrock"
        ),
        pytest.param(
            {"usage": {**OPENAI, "cost": 0.0125}},
            {},
            OPENAI_READ.model_copy(update={"cost_usd": 0.0125}),
            id="OpenRouter",
        ),
        pytest.param({"usage": None}, {}, Usage(), id="none reported"),
        pytest.param("a raw text", {}, Usage(), id="raw of another kind"),
    ],
)
def test_usage(raw, additional, expected):
    assert usage_of(raw, additional) == expected
