"""The real OpenAI-compatible LLM of LlamaIndex, against a server on this machine."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler

import pytest
from llama_index.core import Document
from llama_index.llms.openai_like import OpenAILike

from rlm_integrations.core.trace.records import RLMTrace
from rlm_integrations.llama_index import RLMQueryEngine

CODE = "```repl\nanswer['content'] = llm_query('What is the passphrase?')\nanswer['ready'] = True\n```"


def post(handler: BaseHTTPRequestHandler, body: bytes) -> None:
    """Chat completions: code for the root LM, the passphrase for a sub-call."""
    content = CODE if "```repl" in json.loads(body)["messages"][0]["content"] else "heliotrope under glass"
    reply(handler, content)


def reply(handler: BaseHTTPRequestHandler, content: str) -> None:
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 10,
        "total_tokens": 110,
        "prompt_tokens_details": {"cached_tokens": 60},
    }
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content}}
    reply = {"id": "1", "object": "chat.completion", "created": 1, "model": "served-1", "usage": usage}
    data = json.dumps(reply | {"choices": [choice]}).encode()
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data)


@pytest.fixture
async def llm(serve_posts: Callable[..., str]) -> AsyncIterator[OpenAILike]:
    llm = OpenAILike(model="any", api_base=serve_posts(post), api_key="none", is_chat_model=True, max_retries=0)
    yield llm
    llm._get_client().close()
    await llm._get_aclient().close()


async def test_one_llm_object_on_the_sync_and_the_async_path_in_turn(llm, long_text):
    engine = RLMQueryEngine.from_documents([Document(text=long_text)], llm=llm)
    responses = [engine.query("q?"), await engine.aquery("q?"), engine.query("q?"), await engine.aquery("q?")]
    for response in responses:
        assert response.response == "heliotrope under glass"
        trace = RLMTrace.of(response)
        assert (trace.usage.input_tokens, trace.usage.output_tokens, trace.usage.cached_tokens) == (200, 20, 120)
        assert trace.iterations[0].call.model == "served-1"


RUNS, SUB_CALLS = 5, 6
FAN_OUT = f"""```repl
names = [f"{{run}}/{{n}}" for run in [QUESTION] for n in range({SUB_CALLS})]
answer["content"] = " ".join(llm_query_batched(names))
answer["ready"] = True
```"""


@pytest.fixture
async def counting(serve_posts: Callable[..., str]) -> AsyncIterator[tuple[OpenAILike, Counter[str]]]:
    """One client, without retries, of a server that echoes sub-calls and counts what it was asked."""
    asked: Counter[str] = Counter()
    lock = threading.Lock()

    def post(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        messages = json.loads(body)["messages"]
        is_root = "```repl" in messages[0]["content"]
        name = messages[-1]["content"].rpartition("run ")[2].split()[0] if is_root else messages[-1]["content"]
        with lock:
            asked[name] += 1
        reply(handler, FAN_OUT.replace("QUESTION", repr(name)) if is_root else name)

    llm = OpenAILike(model="any", api_base=serve_posts(post), api_key="none", is_chat_model=True, max_retries=0)
    yield llm, asked
    llm._get_client().close()
    await llm._get_aclient().close()


def answers(runs: range) -> list[str]:
    return [" ".join(f"{run}/{n}" for n in range(SUB_CALLS)) for run in runs]


def each_once(runs: range) -> Counter[str]:
    return Counter(str(run) for run in runs) + Counter(f"{run}/{n}" for run in runs for n in range(SUB_CALLS))


async def test_one_client_for_a_running_loop_gathered_queries_and_threads_loses_no_call(counting, long_text):
    """As in a notebook: `query` in the running loop, then `aquery`, then both at once, with the same objects."""
    llm, asked = counting
    engine = RLMQueryEngine.from_documents([Document(text=long_text)], llm=llm)
    in_loop = [engine.query(f"run {run} .") for run in range(2)]
    gathered = await asyncio.gather(*(engine.aquery(f"run {run} .") for run in range(2, RUNS)))
    with ThreadPoolExecutor(4) as pool:
        threads = [asyncio.wrap_future(pool.submit(engine.query, f"run {run} .")) for run in range(RUNS, 2 * RUNS)]
        both = await asyncio.gather(*threads, *(engine.aquery(f"run {run} .") for run in range(2 * RUNS, 3 * RUNS)))
    responses = [*in_loop, *gathered, *both]
    assert [response.response for response in responses] == answers(range(3 * RUNS))
    assert asked == each_once(range(3 * RUNS))
    assert {RLMTrace.of(response).sub_call_count for response in responses} == {SUB_CALLS}
