"""The real OpenAI-compatible LLM of LlamaIndex, against a server on this machine."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from http.server import BaseHTTPRequestHandler

import pytest
from llama_index.core import Document
from llama_index.llms.openai_like import OpenAILike

from rlm_integrations.core.trace import RLMTrace
from rlm_integrations.llama_index import RLMQueryEngine

CODE = "```repl\nanswer['content'] = llm_query('What is the passphrase?')\nanswer['ready'] = True\n```"


def post(handler: BaseHTTPRequestHandler, body: bytes) -> None:
    """Chat completions: code for the root LM, the passphrase for a sub-call."""
    content = CODE if "```repl" in json.loads(body)["messages"][0]["content"] else "heliotrope under glass"
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
