"""What the README says is so: its snippets run, on real objects with scripted models, and its tables are the code's."""

from __future__ import annotations

import ast
import inspect
import pkgutil
import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document as LangChainDocument
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from langchain_core.vectorstores import InMemoryVectorStore
from langgraph.graph import MessagesState, StateGraph
from llama_index.core import Document as LlamaIndexDocument
from llama_index.core import Settings, SummaryIndex
from typer.testing import CliRunner

import rlm_integrations
from rlm_integrations import RLMEngine, RLMError, RLMLimits
from rlm_integrations.cli import settings as _settings  # noqa: F401 - before a test puts another OpenAIModel in its place
from rlm_integrations.cli.app import app
from rlm_integrations.core.language_model import Message
from rlm_integrations.core.trace.summary import SUMMARY_BYTES
from rlm_integrations.demo.delivery_log import make_log
from rlm_integrations.demo.report import TOP_K
from rlm_integrations.langchain import RLMRunnable
from rlm_integrations.llama_index import RLMQueryEngine
from rlm_integrations.sandboxes.choose import resolve_sandbox
from rlm_integrations.testing import ScriptedModel
from rlm_integrations.testing.langchain import ScriptedChatModel
from rlm_integrations.testing.llama_index import ScriptedLLM

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [path.name for path in ROOT.glob("*.md")]
QUESTION = "Which contracts end before June?"
CONTRACTS = {
    f"contract-{n:02}": f"contract-{n:02} ends on 2026-{1 + n % 12:02}-28. "
    + "The parties keep each other informed. " * 20
    for n in range(40)
}
ENDING = sorted(name for name, text in CONTRACTS.items() if re.search(r"2026-0[1-5]", text))

FIND = """```repl
found = search(r"contract-\\d\\d ends on 2026-0[1-5]", limit=None)
for match in found:
    cite(match.text, match.id)
names = sorted({match.text.split()[0] for match in found})
"""
SAY = 'answer["content"] = llm_query("Say these: " + ", ".join(names))\nanswer["ready"] = True\n```'
FILL = 'answer["content"] = {"contracts": names}\nanswer["ready"] = True\n```'
SAID = f"They are {', '.join(ENDING)}."


def play(messages: Sequence[Message]) -> str:
    """The replies of every model in the README: as the root LM code that answers QUESTION, as a sub-LM one sentence."""
    if "```repl" not in messages[0].content:
        return f"They are {messages[-1].content.rpartition('Say these: ')[2]}."
    return FIND + (FILL if '"contracts"' in messages[1].content else SAY)


class ChatModel(ScriptedChatModel):
    """Plays, and asks the one tool that an agent offers it."""

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Any:
        call = {"name": tools[0].name, "args": {"question": QUESTION}, "id": "1"}

        def reply(messages: list[BaseMessage]) -> AIMessage:
            last = messages[-1]
            return AIMessage(last.text) if last.type == "tool" else AIMessage("", tool_calls=[call])

        return RunnableLambda(reply)


def python_blocks() -> dict[str, list[str]]:
    """The README's Python, by section; what stands before the first section is under ""."""
    blocks: dict[str, list[str]] = {}
    for section in re.split(r"^## ", f"\n{README}", flags=re.MULTILINE):
        heading = section.partition("\n")[0]
        found = re.findall(r"^```python\n(.*?)^```$", section, flags=re.MULTILINE | re.DOTALL)
        if found:
            blocks[heading] = found
    return blocks


BLOCKS = python_blocks()
OPENING = BLOCKS[""]


def table(header: str) -> list[list[str]]:
    """The cells of the table whose first column has that header."""
    rows = re.search(rf"^\| {header} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", README, flags=re.MULTILINE)
    assert rows is not None
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows[1].splitlines()]


def code_names(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def run(block: str, names: dict[str, Any]) -> list[Any]:
    """Execute a snippet in the namespace. Every chain that it makes, in order."""
    chains: list[Any] = []
    for statement in ast.parse(block).body:
        exec(compile(ast.Module([statement], []), "README.md", "exec"), names)
        if isinstance(statement, ast.Assign) and "chain" in ast.unparse(statement.targets[0]):
            chains.append(names["chain"])
    return chains


@pytest.fixture
def langchain_names(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What a LangChain user has: documents, prompts, a retriever, and ChatOpenAI with a scripted model behind it."""
    monkeypatch.setattr("langchain_openai.ChatOpenAI", lambda model: ChatModel(always=play, model=model))
    documents = [LangChainDocument(text, id=name) for name, text in CONTRACTS.items()]
    store = InMemoryVectorStore(DeterministicFakeEmbedding(size=8))
    store.add_documents(documents)
    return {
        "documents": documents,
        "prompt": ChatPromptTemplate.from_template("{question}"),
        "rag_prompt": ChatPromptTemplate.from_template("Answer from this:\n{context}\n\nQuestion: {question}"),
        "retriever": store.as_retriever(search_kwargs={"k": len(documents)}),
        "load_all": lambda question: documents,
        "graph": StateGraph(MessagesState),
    }


@pytest.fixture
def llama_index_names() -> Iterator[dict[str, Any]]:
    """What a LlamaIndex user has: documents, an index, and a scripted model in the Settings."""
    documents = [LlamaIndexDocument(text=text, doc_id=name) for name, text in CONTRACTS.items()]
    former, Settings.llm = Settings._llm, ScriptedLLM(always=play)
    yield {"documents": documents, "index": SummaryIndex.from_documents(documents)}
    Settings._llm = former


def test_no_snippet_is_left_out():
    assert {heading: len(blocks) for heading, blocks in BLOCKS.items()} == {
        "": 2,
        "LangChain": 5,
        "LlamaIndex": 1,
        "Without a framework": 1,
        "What comes back": 1,
        "Configuration": 1,
        "Testing code that uses it": 1,
    }


def test_the_first_snippets(langchain_names, llama_index_names):
    [chain] = run(OPENING[0], langchain_names)
    assert chain.invoke({"question": QUESTION}).content == SAID
    run(OPENING[1], llama_index_names)


def test_the_langchain_snippets(langchain_names):
    run(OPENING[0], langchain_names)
    chains, reading, typed, _agents, chat = (run(block, langchain_names) for block in BLOCKS["LangChain"])
    questions = [{"question": QUESTION}, QUESTION, QUESTION, QUESTION]
    assert [chain.invoke(question).content for chain, question in zip(chains, questions, strict=True)] == [SAID] * 4
    assert (reading, typed, chat) == ([], [], [])
    message, rlm = langchain_names["message"], langchain_names["rlm"]
    assert message.content == SAID
    assert message.usage_metadata["total_tokens"] > 0
    cited = [citation["cited_text"].split()[0] for citation in message.response_metadata["rlm"]["citations"]]
    assert sorted(cited) == ENDING
    assert rlm.with_structured_output(langchain_names["Ending"]).invoke(QUESTION).contracts == ENDING
    sources = rlm.with_sources().invoke(QUESTION)["context"]
    assert sorted(document.id for document in sources[: len(ENDING)]) == ENDING
    assert all(document in langchain_names["documents"] for document in sources)
    graph = langchain_names["graph"].set_entry_point("rlm").compile()
    assert graph.invoke({"messages": [("user", QUESTION)]})["messages"][-1].content == SAID
    assert langchain_names["tool"].invoke({"question": QUESTION}) == SAID
    state = langchain_names["agent"].invoke({"messages": [("user", QUESTION)], "context": CONTRACTS})
    assert state["messages"][-1].text == SAID
    assert langchain_names["chat"].invoke(QUESTION).content == SAID


def test_the_snippet_with_numpy_and_pandas(langchain_names):
    run(OPENING[0], langchain_names)
    run(BLOCKS["LangChain"][0], langchain_names)
    [snippet] = BLOCKS["Configuration"]
    [chain] = run(snippet, langchain_names)
    assert chain.invoke(QUESTION).content == SAID


def test_the_llama_index_snippets_and_reading_the_trace(llama_index_names, capsys):
    [snippet], [reading] = BLOCKS["LlamaIndex"], BLOCKS["What comes back"]
    run(snippet, llama_index_names)
    response = llama_index_names["response"]
    assert response.response == SAID
    assert sorted(source.node.ref_doc_id for source in response.source_nodes[: len(ENDING)]) == ENDING
    assert len(response.metadata["rlm"]["citations"]) == len(ENDING)
    run("from rlm_integrations import RLMTrace", llama_index_names)
    run(reading, llama_index_names)
    assert capsys.readouterr().out.startswith(FIND)
    assert llama_index_names["trace"].sub_call_count == 1


def test_the_engine_snippet_and_the_command(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for folder in ("contracts", "minutes"):
        Path(folder).mkdir()
        for name, text in CONTRACTS.items():
            Path(folder, f"{name}.md").write_text(text)
    Path("statutes.md").write_text("The board decides.")

    def made(name: str, *_: Any, **__: Any) -> ScriptedModel:
        return ScriptedModel(always=play, model=name)

    monkeypatch.setattr("rlm_integrations.openai.OpenAIModel", made)
    names: dict[str, Any] = {}
    [snippet] = BLOCKS["Without a framework"]
    run(snippet, names)
    result = names["result"]
    assert (result.answer, result.stop_reason, len(result.citations)) == (SAID, "answer", len(ENDING))

    monkeypatch.setattr("rlm_integrations.cli.settings.OpenAIModel", made)
    [command] = re.findall(r"^rlm-integrations (ask .*)$", README, flags=re.MULTILINE)
    done = CliRunner().invoke(app, shlex.split(command))
    assert (done.exit_code, done.stdout.splitlines()[0]) == (0, SAID)


def test_the_snippet_for_tests():
    [snippet] = BLOCKS["Testing code that uses it"]
    names: dict[str, Any] = {}
    run(snippet, names)
    names["test_the_length_is_counted"]()


def test_the_limits():
    told = {
        name: default.replace(",", "") for [name], default in ((code_names(row[0]), row[1]) for row in table("limit"))
    }
    fields = RLMLimits.model_fields
    assert list(told) == list(fields)
    for name, default in told.items():
        assert (None if default == "none" else float(default)) == fields[name].default, name


@pytest.mark.parametrize("face", [RLMEngine.__init__, RLMRunnable.__init__, RLMQueryEngine.__init__])
def test_the_arguments_are_common_to_all_faces(face: Callable[..., Any]):
    fields = RLMRunnable.model_fields
    for row in table("argument"):
        [name], default = code_names(row[0]), row[1].strip("`").strip('"')
        if face is RLMRunnable.__init__:  # at run time it takes its fields
            actual = fields[name].get_default(call_default_factory=True)
        else:
            actual = inspect.signature(face).parameters[name].default
        if name in ("sandbox", "on_limit"):
            assert actual == default
        else:
            assert actual in (None, (), RLMLimits())


def test_the_errors():
    told = {code_names(row[0])[0]: code_names(row[0])[1:] for row in table("error")}
    public = {name: getattr(rlm_integrations, name) for name in rlm_integrations.__all__}
    kinds = {name: kind for name, kind in public.items() if isinstance(kind, type) and issubclass(kind, Exception)}
    assert set(told) == set(kinds) - {"RLMError"}
    for name, also in told.items():
        assert issubclass(kinds[name], RLMError)
        named = {parent.__name__ for parent in kinds[name].__bases__} - {"RLMError"}
        assert set(also) == named, name


def test_the_layers():
    assert [row[0] for row in table("layer")] == list(resolve_sandbox("auto").capabilities().layers)


def test_the_numbers():
    words = " ".join(README.split())
    assert f"a log of {make_log().chars // 1_000_000} MB" in words
    assert f"top-{TOP_K[0]}, {TOP_K[1]} and {TOP_K[2]} retrieval" in words
    assert f"at most {SUMMARY_BYTES // 1024} KB" in words
    assert f"more than {RLMLimits().message_chars:,} characters" in words


def test_every_dotted_name_is_there():
    found = set(re.findall(r"`(rlm_integrations(?:\.\w+)+)`", README))
    assert "rlm_integrations.testing.langchain.ScriptedChatModel" in found
    for name in found:
        pkgutil.resolve_name(name)  # raises where there is nothing of that name


@pytest.mark.parametrize("page", PAGES)
def test_links_and_make_targets_lead_somewhere(page: str):
    text, makefile = (ROOT / page).read_text(encoding="utf-8"), (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
        assert (ROOT / target).exists(), target
    for target in re.findall(r"^make (\w+)", text, flags=re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target
