"""The engine as a tool of LlamaIndex's agents, and as a step of a workflow."""

from __future__ import annotations

import asyncio

import pytest
from llama_index.core.agent.workflow import AgentWorkflow, FunctionAgent, ReActAgent, ToolCallResult
from llama_index.core.tools import QueryEngineTool
from llama_index.core.workflow import StartEvent, StopEvent, Workflow, step

from rlm_integrations.core.trace.records import RLMTrace
from rlm_integrations.llama_index import RLMQueryEngine
from rlm_integrations.testing.llama_index import tool_call

pytestmark = [  # LlamaIndex's agents do both themselves
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning"),
    pytest.mark.filterwarnings("ignore:is_running called from within a step:DeprecationWarning"),
]

FOUND = "heliotrope under glass"
ACT = 'Thought: I need the ledger.\nAction: ledger\nAction Input: {"input": "What is the passphrase?"}'
ANSWER = "Thought: I can answer without using any more tools.\nAnswer: It is heliotrope under glass."


async def run(agent):
    """The agent's answer, and what its tools gave."""
    handler = agent.run("What is the passphrase?")
    results = [event async for event in handler.stream_events() if isinstance(event, ToolCallResult)]
    return str(await handler), [result.tool_output for result in results]


def check(output):
    assert (output.content, output.is_error) == (FOUND, False)
    assert [source.node_id for source in output.raw_output.source_nodes] == ["ledger"]
    assert RLMTrace.of(output.raw_output).answer == FOUND


@pytest.mark.parametrize("streaming", [True, False])
async def test_a_react_agent(streaming, ledger_tool, scripted):
    with scripted([ACT, ANSWER]) as llm:
        answer, [output] = await run(ReActAgent(tools=[ledger_tool], llm=llm, streaming=streaming))
        assert answer == "It is heliotrope under glass."
        assert f"Observation: {FOUND}" in llm.requests[1][-1].content
    check(output)


@pytest.mark.parametrize("streaming", [True, False])
async def test_a_function_agent(streaming, ledger_tool, scripted):
    replies = [tool_call("ledger", input="What is the passphrase?"), "It is found."]
    with scripted(replies, is_function_calling_model=True) as llm:
        answer, [output] = await run(FunctionAgent(tools=[ledger_tool], llm=llm, streaming=streaming))
        assert answer == "It is found."
        assert llm.requests[1][-1].content == FOUND
    check(output)


async def test_agents_that_hand_over(ledger_tool, scripted):
    first = scripted([tool_call("handoff", to_agent="clerk", reason="It is in the ledger.")])
    second = scripted([tool_call("ledger", input="What is the passphrase?"), "It is found."])
    for llm in (first, second):
        llm.is_function_calling_model = True
    workflow = AgentWorkflow(
        [
            FunctionAgent(name="porter", description="Knows who knows.", llm=first, can_handoff_to=["clerk"]),
            FunctionAgent(name="clerk", description="Reads the ledger.", llm=second, tools=[ledger_tool]),
        ],
        root_agent="porter",
    )
    answer, [_, output] = await run(workflow)
    assert answer == "It is found."
    check(output)


async def test_a_run_that_fails_is_told_to_the_agent(long_text, scripted):
    engine = RLMQueryEngine(scripted([ConnectionError("the line is dead")] * 2), context=long_text)
    tool = QueryEngineTool.from_defaults(engine, name="ledger", description="Questions on the ledger.")
    llm = scripted([tool_call("ledger", input="q?"), "I could not look."], is_function_calling_model=True)
    answer, [output] = await run(FunctionAgent(tools=[tool], llm=llm))
    assert answer == "I could not look."
    assert output.is_error
    assert "the line is dead" in output.content


class Asking(Workflow):
    """Asks the engine for each question at once, in one step."""

    def __init__(self, engine, **options):
        super().__init__(**options)
        self.engine = engine

    @step
    async def ask(self, event: StartEvent) -> StopEvent:
        responses = await asyncio.gather(*(self.engine.aquery(question) for question in event.questions))
        return StopEvent(result=responses)


class AskingInSync(Asking):
    @step
    async def ask(self, event: StartEvent) -> StopEvent:
        return StopEvent(result=[self.engine.query(question) for question in event.questions])


@pytest.mark.parametrize("workflow", [Asking, AskingInSync])
async def test_a_step_of_a_workflow(workflow, ledger_engine):
    responses = await workflow(ledger_engine).run(questions=["q1", "q2", "q3"])
    assert [response.response for response in responses] == [FOUND] * 3
    assert [RLMTrace.of(response).question for response in responses] == ["q1", "q2", "q3"]
