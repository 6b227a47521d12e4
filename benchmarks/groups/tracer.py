"""What a tracer is sent for one run over a large corpus, in each form in which LangChain users pass one.

A real langsmith client sends to an HTTP server on loopback, which counts the bytes of the bodies, uncompressed. The
models are scripted. And what ten turns leave in a LangGraph checkpointer, by what the message carries.
"""

from __future__ import annotations

import gc
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from langchain_core.documents import Document
from langchain_core.messages import HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable, RunnableLambda, RunnablePassthrough
from langchain_core.tracers.langchain import LangChainTracer
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langsmith import Client

from benchmarks.registry import Group, Scale
from benchmarks.repls import LINE, text_of
from benchmarks.row import Row
from rlm_integrations.core.trace.result import TraceDetail
from rlm_integrations.langchain import RLMRunnable
from rlm_integrations.testing.langchain import ScriptedChatModel

QUESTION = "How long is it?"
DOCUMENT_CHARS = 100_000
LOOK = "```repl\nprint(type(context), len(context))\n```"
ASK = '```repl\nanswer["content"] = llm_query("How long?")\nanswer["ready"] = True\n```'
BATCHES = {
    "use_multipart_endpoint": True,
    "size_limit": 100,
    "size_limit_bytes": 20_971_520,
    "scale_up_qsize_trigger": 1_000,
    "scale_up_nthreads_limit": 16,
    "scale_down_nempty_trigger": 4,
}
"""As LangSmith's server tells a client; compression is left out, so that sizes are those of the runs."""
PROMPT = ChatPromptTemplate.from_template("Answer from this:\n{context}\n\nQuestion: {question}")


class CountedServer(ThreadingHTTPServer):
    """Takes what a tracer sends, and counts it."""

    bytes_taken = 0


class TakeAll(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: CountedServer

    def do_POST(self) -> None:
        left = int(self.headers["Content-Length"])
        self.server.bytes_taken += left
        while left:
            left -= len(self.rfile.read(min(left, 1 << 20)))
        self.send_response(202)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    do_PATCH = do_POST  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def counted_server() -> Iterator[CountedServer]:
    server = CountedServer(("127.0.0.1", 0), TakeAll)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def tracer_bytes(runnable: Runnable[Any, Any], value: Any) -> int:
    """Bytes that a LangSmith client sends for one call."""
    with counted_server() as server:
        client = Client(
            f"http://127.0.0.1:{server.server_port}",
            api_key="none",
            info={"batch_ingest_config": BATCHES},
        )
        runnable.invoke(value, {"callbacks": [LangChainTracer(client=client)]})
        client.flush()
        client.close()
        return server.bytes_taken


def rlm(context: object = None) -> RLMRunnable:
    return RLMRunnable(llm=ScriptedChatModel([LOOK, ASK]), sub_llm=ScriptedChatModel(["long"]), context=context)


def forms(text: str, documents: list[Document]) -> dict[str, Callable[[], tuple[Runnable[Any, Any], Any]]]:
    """What is called, with what, by its name in the table."""
    all_of_them: Any = RunnableLambda(lambda _: documents)
    retrieved: Any = {"context": all_of_them, "question": RunnablePassthrough()}
    asked = HumanMessage(QUESTION)
    return {
        "`RLMRunnable(context=text)`": lambda: (rlm(text), QUESTION),
        "`RLMRunnable(context=documents)`": lambda: (rlm(documents), QUESTION),
        "`prompt | RLMRunnable(context=documents)`": lambda: (
            ChatPromptTemplate.from_template("{question}") | rlm(documents),
            {"question": QUESTION},
        ),
        '`invoke({"context": documents, "question": ...})`': lambda: (
            rlm(),
            {"context": documents, "question": QUESTION},
        ),
        '`invoke({"context": text, "question": ...})`': lambda: (rlm(), {"context": text, "question": QUESTION}),
        "`invoke(prompt.invoke(...))`, the text in the prompt": lambda: (
            rlm(),
            PROMPT.invoke({"context": text, "question": QUESTION}),
        ),
        '`invoke({"messages": [...]})`, the text in a message': lambda: (
            rlm(),
            {"messages": [HumanMessage(text), asked]},
        ),
        "`RLMRunnable(context=retriever)` that brings all of it": lambda: (rlm(all_of_them), QUESTION),
        '`{"context": retriever, ...} | RLMRunnable`': lambda: (retrieved | rlm(), QUESTION),
        '`{"context": retriever, ...} | prompt | RLMRunnable`': lambda: (retrieved | PROMPT | rlm(), QUESTION),
        "classic RAG, `... | prompt | llm | StrOutputParser()`": lambda: (
            retrieved | PROMPT | ScriptedChatModel(["long"]) | StrOutputParser(),
            QUESTION,
        ),
    }


def checkpoint_bytes(detail: TraceDetail | None, turns: int) -> tuple[int, int]:
    """Bytes of the messages after so many turns, and of all checkpoints. None: `as_node()`."""
    parts = "parts = llm_query_batched([line for line in context.splitlines()[:20]])\nprint(context[:4000])"
    replies = [f"```repl\n{parts}\n```", f"```repl\n{parts}\n```", ASK] * turns
    runnable = RLMRunnable(
        llm=ScriptedChatModel(replies),
        sub_llm=ScriptedChatModel(always=lambda messages: messages[-1].content),
        context=LINE * 1_000,
        trace=detail or "summary",
    )
    node: Any = runnable.as_node() if detail is None else lambda state: {"messages": [runnable.invoke(state)]}
    saver = InMemorySaver()
    graph = StateGraph(MessagesState).add_node("rlm", node).add_edge(START, "rlm").compile(checkpointer=saver)
    messages: list[Any] = []
    for _ in range(turns):
        asked = {"messages": [HumanMessage(QUESTION)]}
        messages = graph.invoke(asked, {"configurable": {"thread_id": "1"}})["messages"]
    kept = sum(len(data) for _, data in saver.blobs.values())
    return len(saver.serde.dumps_typed(messages)[1]), kept


def sent(scale: Scale) -> list[Row]:
    """For one run over 100 MB in documents of 100 KB."""
    logging.getLogger("langsmith").setLevel(logging.ERROR)  # of a run larger than a batch may be, it warns
    text = text_of(scale.of(100, 0.3))
    documents = [Document(text[at : at + DOCUMENT_CHARS]) for at in range(0, len(text), DOCUMENT_CHARS)]
    rows: list[Row] = []
    for title, make in forms(text, documents).items():
        rows.append(Row(f"sent to a tracer: {title}", "KB", tracer_bytes(*make()) / 1_000))
        gc.collect()
    return rows


def kept(scale: Scale) -> list[Row]:
    """By LangGraph's InMemorySaver, after ten turns of three iterations and 41 sub-calls each."""
    details: dict[str, TraceDetail | None] = {
        "`as_node()`": None,
        '`trace="none"`': "none",
        '`trace="summary"`': "summary",
        '`trace="full"`': "full",
    }
    rows: list[Row] = []
    for title, detail in details.items():
        messages, checkpoints = checkpoint_bytes(detail, scale.of(10, 1))
        label = f"ten turns with {title}: all checkpoints of the thread"
        rows.append(Row(label, "KB", checkpoints / 1_000, {"the messages": messages / 1_000}))
    return rows


GROUP = Group("What a tracer is sent, and what checkpoints hold", (sent, kept))
