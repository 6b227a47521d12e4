"""Each message of docs/troubleshooting.md is what the code says, word for word, when a user does what leads to it."""

from __future__ import annotations

import gc
import io
import re
import socket
import subprocess
import sys
import warnings
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document as LangChainDocument
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import HumanMessage
from langchain_openai import ChatOpenAI
from langchain_text_splitters import RecursiveCharacterTextSplitter
from langgraph.graph import MessagesState, StateGraph
from llama_index.core import Document, Settings, SummaryIndex
from pydantic import BaseModel

from rlm_integrations import Completion, ProcessSandbox, RLMEngine, RLMTrace
from rlm_integrations.core.language_model import Message
from rlm_integrations.langchain import ChatRLM, RLMRunnable
from rlm_integrations.llama_index import install
from rlm_integrations.sandboxes.cannot_confine import cannot_confine
from rlm_integrations.testing import ScriptedModel
from rlm_integrations.testing.langchain import ScriptedChatModel
from rlm_integrations.testing.llama_index import ScriptedLLM

PAGE = (Path(__file__).parents[2] / "docs/troubleshooting.md").read_text(encoding="utf-8")
MESSAGES = re.findall(r"^\| `(.+?)` \|", PAGE.partition("## Without a message of ours")[0], flags=re.MULTILINE)
LONG = " ".join(f"Word {n}." for n in range(3_000))


def looping(messages: Sequence[Message]) -> str:
    return "```repl\nprint(len(context))\n```"


def failing(messages: Sequence[Message]) -> str:
    return "```repl\npd.DataFrame(context)\n```"


def answering_late(messages: Sequence[Message]) -> str:
    return "Because." if len(messages) > 7 else looping(messages)


def silent(messages: Sequence[Message]) -> str:
    return ""


def cut(messages: Sequence[Message]) -> Completion:
    return Completion("And then", finish="length")


def chat() -> ScriptedChatModel:
    return ScriptedChatModel(always=looping)


@cache
def index() -> SummaryIndex:
    """Made once: LlamaIndex takes nearly a second for it."""
    return SummaryIndex.from_documents([Document(text=LONG)])


def splits() -> list[Any]:
    words = " ".join(f"word{n}" for n in range(2_000))
    return RecursiveCharacterTextSplitter(chunk_size=500, chunk_overlap=100).create_documents(
        [words], [{"source": "a"}]
    )


def unreachable() -> None:
    llm = ChatOpenAI(model="gpt-5", base_url="http://127.0.0.1:9/v1", api_key="none", max_retries=0)
    RLMRunnable(llm=llm, context=LONG).invoke("Why?")


def default_model() -> None:
    Settings._llm = None
    index().as_query_engine(engine="rlm")


def without_langchain() -> None:
    """In a process of its own, where the framework cannot be imported."""
    code = "import sys; sys.modules['langchain_core'] = None; import rlm_integrations.langchain"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    raise RuntimeError(ended.stderr)


def node_by_itself() -> None:
    rlm = RLMRunnable(llm=ScriptedChatModel(["Because."]))
    graph: Any = StateGraph(MessagesState).add_node("rlm", rlm).set_entry_point("rlm").compile()
    graph.invoke({"messages": [("user", "Why?")]})


def no_sandbox() -> None:
    """What the choice of a sandbox raises, for this machine has one."""
    raise cannot_confine("it needs seccomp")


def below_gevent() -> None:
    """With sockets as gevent has them, which need not be installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "socket", type("socket", (socket.socket,), {"__module__": "gevent._socket3"}))
        ProcessSandbox()


class Total(BaseModel):
    """All of whose fields have defaults."""

    count: int | None = None


def changed_index() -> None:
    changed = SummaryIndex.from_documents([Document(text=LONG)])
    engine = changed.as_query_engine(engine="rlm", llm=ScriptedLLM(["Because.", "Because."]))
    changed.insert(Document(text="One more."))
    engine.query("Why?")


def unresolved() -> None:
    code = "```repl\nllm_map('Count.', ['a', 'b'], schema=int)\nFINAL(2)\n```"
    sub_llm = ScriptedModel(always=lambda messages: "no idea")
    RLMEngine(ScriptedModel([code]), sub_llm=sub_llm, limits={"max_iterations": 1}).run("Why?", LONG)


WAYS: dict[str, Callable[[], object]] = {
    "context: the str": lambda: RLMRunnable(llm=chat(), context="letters"),
    "context: StringIO": lambda: RLMRunnable(llm=chat(), context=io.StringIO("a line")),
    "context: the … str": lambda: RLMRunnable(llm=chat(), context=["a.txt", "b.txt"]),
    "context: a dict": lambda: RLMRunnable(llm=chat(), context={"id": "a", "text": "a text"}),
    "context: the metadata": lambda: RLMRunnable(
        llm=chat(), context=[LangChainDocument("a text", id="d7", metadata={"a": 10**5_000})]
    ),
    "input: 'documents'": lambda: RLMRunnable(llm=chat()).invoke({"question": "Why?", "documents": splits()}),
    "input: message 1": lambda: RLMRunnable(llm=chat()).invoke(
        [HumanMessage([{"type": "image", "url": "https://x/y.png"}])]
    ),
    "max_iterations: unknown": lambda: RLMRunnable(llm=chat(), max_iterations=5),
    "the RLM query engine has no": lambda: index().as_query_engine(engine="rlm", max_iterations=5),
    "context: …": lambda: RLMRunnable(llm=chat(), context=splits()),
    "the root LM failed": unreachable,
    "the root LM replied": lambda: RLMEngine(ScriptedModel(always=silent)).run("Why?", LONG),
    "the root LM wrote code": lambda: RLMEngine(ScriptedModel(always=looping), protocol="tool").run("Why?", LONG),
    'protocol: "tool"': lambda: RLMRunnable(llm=FakeListChatModel(responses=["x"]), protocol="tool"),
    "the run reached": lambda: RLMEngine(ScriptedModel(always=looping), limits={"max_iterations": 3}).run("Why?", LONG),
    "a limit was met": lambda: RLMEngine(ScriptedModel(always=answering_late), limits={"max_iterations": 3}).run(
        "Why?", LONG
    ),
    "question: holds documents": lambda: RLMRunnable(llm=ScriptedChatModel(["2"])).invoke(
        f"{[LangChainDocument('Letter 0.'), LangChainDocument('Letter 1.')]} How many letters are these?"
    ),
    "no code ran": lambda: RLMEngine(ScriptedModel(["Yes.", "Yes."])).run("Why?", LONG),
    "…, and the last call gave no answer;": lambda: RLMEngine(
        ScriptedModel(always=failing), limits={"max_iterations": 3}
    ).run("Why?", LONG),
    "…, and the last call gave no answer (": lambda: RLMEngine(ScriptedModel(always=cut)).run("Why?", LONG),
    "…, and the last call gave no answer that fits": lambda: RLMEngine(
        ScriptedModel(always=lambda messages: "```repl\nFINAL({'total': 3})\n```"),
        answer_type=Total,
        limits={"max_iterations": 1},
    ).run("Why?", LONG),
    "unresolved results: ": unresolved,
    "sandbox: model-written": no_sandbox,
    "sandbox: gevent": below_gevent,
    "rlm_integrations.langchain needs": without_langchain,
    "llm: none given": default_model,
    "as_query_engine: ": lambda: index().as_query_engine(engine="RLM"),
    "the RLM query engine does not": lambda: index().as_query_engine(engine="rlm", similarity_top_k=5),
    "as_chat_engine: ": lambda: index().as_chat_engine(engine="rlm", chat_mode="best"),
    "SummaryIndex: its nodes have changed": changed_index,
    "SummaryIndex: it holds": lambda: SummaryIndex([]).as_query_engine(engine="rlm"),
    "RLMRunnable: it is a node": node_by_itself,
    "tools: ": lambda: ChatRLM(llm=chat()).bind_tools([print]),
    "carrier: ": lambda: RLMTrace.of({}),
}
"""What a user does, by the beginning of the message that comes of it."""


@pytest.fixture
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """With a folder of letters, and LlamaIndex as its users have it."""
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    monkeypatch.chdir(tmp_path)
    Path("letters").mkdir()
    install()
    former, Settings._llm = Settings._llm, ScriptedLLM(always=looping)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # a chat's memory says so when it is let go of
        yield
        gc.collect()
    Settings._llm = former


def said_of(way: Callable[[], object]) -> list[str]:
    """What is raised, and what is warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        warnings.simplefilter("always", RuntimeWarning)
        try:
            way()
        except Exception as error:
            return [str(error)]
    return [str(warning.message) for warning in caught]


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_is_what_the_code_says(message: str, in_a_folder: None) -> None:
    [way] = [way for beginning, way in WAYS.items() if message.startswith(beginning)]
    pattern = ".*".join(map(re.escape, message.strip("…").split("…")))
    said = said_of(way)
    assert any(re.search(pattern, each, flags=re.DOTALL) for each in said), said


def test_each_way_has_its_message() -> None:
    assert len(MESSAGES) == len(WAYS) >= 10
