"""docs/repl.md: each function of the REPL is there with its signature, and each example runs in a real one."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever

from rlm_integrations import RLMEngine
from rlm_integrations.core.language_model import Message
from rlm_integrations.langchain import RLMRunnable, collect_rlm_traces
from rlm_integrations.repl.chunks import Chunks
from rlm_integrations.repl.cite import Cite
from rlm_integrations.repl.host_calls import Retrieve
from rlm_integrations.repl.interpreter import Interpreter
from rlm_integrations.repl.llm_map import LlmMap
from rlm_integrations.repl.llm_reduce import LlmReduce
from rlm_integrations.repl.search import Search
from rlm_integrations.repl.sub_calls import SubCalls
from rlm_integrations.testing import ScriptedModel
from rlm_integrations.testing.langchain import ScriptedChatModel
from rlm_integrations.wire.names import ANSWER, CONTEXT, OWN_NAMES

PAGE = (Path(__file__).parents[2] / "docs/repl.md").read_text(encoding="utf-8")
HEADINGS = re.findall(r"^### `(\w+)(?:\((.*)\))?`$", PAGE, flags=re.MULTILINE)
EXAMPLES = re.findall(r"^```repl\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
WITH_RETRIEVER = [code for code in EXAMPLES if "retrieve(" in code]
PRINTED = re.compile(r"print\(.*\)  # -> (.+)$", re.MULTILINE)
FUNCTIONS: dict[str, Any] = {
    "search": Search.search,
    "chunks": Chunks.chunks,
    "cite": Cite.cite,
    "retrieve": Retrieve.retrieve,
    "llm_query": SubCalls.llm_query,
    "llm_query_batched": SubCalls.llm_query_batched,
    "llm_map": LlmMap.llm_map,
    "llm_filter": LlmMap.llm_filter,
    "llm_pairs": LlmMap.llm_pairs,
    "drop_unresolved": LlmMap.drop_unresolved,
    "llm_reduce": LlmReduce.llm_reduce,
    "rlm_query": SubCalls.rlm_query,
    "rlm_query_batched": SubCalls.rlm_query_batched,
    "SHOW_VARS": Interpreter._show_vars,
    "FINAL": Interpreter._final,
    "FINAL_VAR": Interpreter._final_var,
}


def judge(text: str) -> str:
    return "complaint" if re.search("leaks|flickers|kettle", text) else "praise"


def read(messages: Sequence[Message]) -> str:
    """The sub-LM: a verdict, or one for each marked item."""
    asked = messages[-1].content
    form = verdict if "yes or no" in asked.lower() else judge
    items = re.split(r"^\[(\d+-\w{4})\] ", asked, flags=re.MULTILINE)[1:]
    found = "\n".join(f"[{mark}] {form(item)}" for mark, item in zip(items[::2], items[1::2], strict=True))
    return found or form(asked.partition("alone.\n\n")[2] or asked)


def verdict(text: str) -> str:
    return "yes" if judge(text) == "complaint" and "A: a kettle" not in text else "no"


def letters() -> dict[str, str]:
    [program] = re.findall(r"^(letters = \{.*?^\})", PAGE, flags=re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(program, names)
    return names["letters"]


class ByWord(BaseRetriever):
    """Letters with the word; for a question none but the first."""

    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        if query == "broken":
            raise OSError("no index")
        documents = [Document(text, id=name) for name, text in letters().items()]
        return [document for document in documents if query in document.page_content] or documents[:1]


def step(code: str) -> str:
    return f"```repl\n{code}```"


def printed(trace: Any) -> list[list[str]]:
    for iteration in trace.iterations:
        assert iteration.execution.error is None, iteration.execution.error
    return [iteration.execution.output.splitlines() for iteration in trace.iterations]


def test_the_examples_print_what_they_say() -> None:
    examples = [code for code in EXAMPLES if code not in WITH_RETRIEVER]
    with ScriptedModel([step(code) for code in examples]) as llm:
        engine = RLMEngine(llm, sub_llm=ScriptedModel(always=read), limits={"inline_chars": 0})
        result = engine.run("Who complains?", letters())
    assert printed(result.trace) == [PRINTED.findall(code) for code in examples]
    assert result.answer == '{"complaints": ["ann", "cy"]}'
    assert [citation.cited_text for citation in result.citations] == ["The kettle leaks."]


def test_the_example_over_a_retriever_prints_what_it_says() -> None:
    [code] = WITH_RETRIEVER
    with collect_rlm_traces() as traces:
        RLMRunnable(llm=ScriptedChatModel([step(code), step("FINAL(1)\n")]), context=ByWord()).invoke("Who complains?")
    assert printed(traces[0])[0] == PRINTED.findall(code)


def test_what_fails_in_a_retriever_or_a_tool_is_a_runtime_error() -> None:
    def weigh(name: str) -> int:
        """Weighs a letter."""
        raise OSError("no scales")

    calls = ('retrieve("broken")', 'weigh("ann")', 'retrieve("spent")')
    code = "".join(f"try:\n    {call}\nexcept RuntimeError as error:\n    print(error)\n" for call in calls)
    with collect_rlm_traces() as traces:
        llm = ScriptedChatModel([step(code), step("FINAL(1)\n")])
        RLMRunnable(llm=llm, context=ByWord(), tools=[weigh], limits={"max_tool_calls": 2}).invoke("Who complains?")
    broken, weighed, spent = printed(traces[0])[0]
    assert "no index" in broken
    assert "no scales" in weighed
    assert "the 2 calls of tools and `retrieve` of this run are made" in spent


@pytest.mark.parametrize(("name", "arguments"), HEADINGS)
def test_a_heading_is_the_signature(name: str, arguments: str) -> None:
    if name in (CONTEXT, ANSWER):
        return
    parameters = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in inspect.signature(FUNCTIONS[name]).parameters.values()
        if parameter.name != "self"
    ]
    assert f"({arguments})" == str(inspect.Signature(parameters))


def test_every_name_of_the_repl_is_there() -> None:
    assert {name for name, _ in HEADINGS} == {*FUNCTIONS, CONTEXT, ANSWER}
    assert [name for name in OWN_NAMES if not re.search(rf"\b{name}\b", PAGE)] == []
