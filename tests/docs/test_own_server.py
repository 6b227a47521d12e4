"""The table of models of one's own server: each finds it by the variable that the table names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from langchain_openai import ChatOpenAI
from llama_index.core.llms import LLM
from llama_index.llms.openai import OpenAI
from llama_index.llms.openai_like import OpenAILike

from rlm_integrations import RLMEngine
from rlm_integrations.core.calls.missing_key import KEY_REMEDY
from rlm_integrations.core.trace.run_errors import RootModelError
from rlm_integrations.langchain import RLMRunnable
from rlm_integrations.llama_index import RLMQueryEngine
from rlm_integrations.openai import OpenAIModel

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
START = (Path(__file__).parents[2] / "docs/start.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| [^|`]+ \| `(\w+\(.+\))` \| `(OPENAI_\w+)` \|$", START, flags=re.MULTILINE)
KNOWN = {"ChatOpenAI": ChatOpenAI, "OpenAILike": OpenAILike, "OpenAIModel": OpenAIModel}
URLS = ("OPENAI_BASE_URL", "OPENAI_API_BASE")
CONTRACTS = [f"Contract {n} ends on 2027-{n % 12 + 1:02}-28." for n in range(1000)]
QUESTION = "How many contracts end before June?"


def answer(llm: object) -> str:
    if isinstance(llm, ChatOpenAI):
        return RLMRunnable(llm=llm, context=CONTRACTS).invoke(QUESTION).text
    if isinstance(llm, LLM):
        return str(RLMQueryEngine(llm, context=CONTRACTS).query(QUESTION))
    assert isinstance(llm, OpenAIModel)
    return RLMEngine(llm).run(QUESTION, CONTRACTS).answer


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # clients of models live as long as a program
@pytest.mark.parametrize(("model", "variable"), ROWS)
def test_a_model_asks_the_server_that_the_variable_names(
    model: str, variable: str, openai_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in URLS:
        monkeypatch.delenv(name)
    monkeypatch.setenv(variable, openai_server)
    assert answer(eval(model, dict(KNOWN))) == "419 contracts end before June."


def test_every_framework_has_its_row() -> None:
    assert {model.partition("(")[0] for model, _ in ROWS} == set(KNOWN)


def test_llama_indexs_own_class_refuses_other_names(openai_server: str) -> None:
    with pytest.raises(ValueError, match="Unknown model 'qwen3'"):
        _ = OpenAI(model="qwen3").metadata


@pytest.mark.parametrize("llm", [OpenAI(model="gpt-5", max_retries=0), OpenAILike(model="qwen3", max_retries=0)])
def test_a_model_that_finds_no_key_when_it_is_asked_says_what_to_do(llm: LLM, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(RootModelError, match="the root LM failed in iteration 1: OpenAIError: ") as raised:
        RLMQueryEngine(llm, context=CONTRACTS).query(QUESTION)
    assert str(raised.value).endswith(KEY_REMEDY)


def test_the_remedy_names_a_part_of_the_readme() -> None:
    [part] = re.findall('"(.+)"', KEY_REMEDY)
    assert f"\n### {part}\n" in README
