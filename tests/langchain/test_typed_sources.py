"""A typed answer with the documents that it rests on, whichever was asked for first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pydantic.v1
import pytest
from langchain_core.documents import Document
from pydantic import BaseModel

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.trace.run_errors import LimitReachedError
from rlm_integrations.langchain import RLMRunnable

WHALE, COW = Document("The whale is large.", id="w"), Document("The cow is not.", id="c")
CODE = "cite('whale', 'w')\nanswer['content'] = {0}\nanswer['ready'] = True"


class Animal(BaseModel):
    name: str


class OldAnimal(pydantic.v1.BaseModel):
    name: str


ORDERS: list[Callable[..., Any]] = [
    lambda rlm, schema, **options: rlm.with_sources().with_structured_output(schema, **options),
    lambda rlm, schema, **options: rlm.with_structured_output(schema, **options).with_sources(),
    lambda rlm, schema, **options: rlm.with_sources().with_config(tags=["t"]).with_structured_output(schema, **options),
    lambda rlm, schema, **options: rlm.with_structured_output(schema, **options).with_sources().with_sources(),
]


def animal_rlm(root_model: Any, value: object, **options: Any) -> RLMRunnable:
    return RLMRunnable(llm=root_model(*[CODE.format(value)] * 3), context=[WHALE, COW], **options)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    ("schema", "answer"),
    [
        (Animal, Animal(name="whale")),
        (OldAnimal, OldAnimal(name="whale")),
        (Animal.model_json_schema(), {"name": "whale"}),
    ],
)
async def test_both_are_there_in_either_order(order: Any, schema: Any, answer: object, root_model: Any) -> None:
    asked = order(animal_rlm(root_model, {"name": "whale"}), schema)
    for given in (asked.invoke("q"), await asked.ainvoke("q")):
        assert (given["answer"], given["context"]) == (answer, [WHALE])
        assert given["message"].text == '{"name":"whale"}'
        assert set(given) == {"answer", "context", "message"}
    pieces = list(asked.stream("q"))
    assert [list(piece) for piece in pieces] == [["context"], ["answer"], ["message"]]
    assert pieces[1]["answer"] == answer


@pytest.mark.parametrize("order", ORDERS)
def test_an_answer_that_never_fits(order: Any, root_model: Any) -> None:
    rlm = animal_rlm(root_model, {"nam": "whale"}, limits={"max_iterations": 1})
    given = order(rlm, Animal, include_raw=True).invoke("q")
    assert (given["answer"], given["context"]) == (None, [WHALE])
    assert isinstance(given["parsing_error"], LimitReachedError)
    assert "name: Field required" in str(given["parsing_error"])

    rlm = animal_rlm(root_model, {"nam": "whale"}, limits={"max_iterations": 1})
    with pytest.raises(LimitReachedError, match="name: Field required"):
        order(rlm, Animal).invoke("q")


def test_without_sources_the_raw_output_is_as_it_was(root_model: Any) -> None:
    given = animal_rlm(root_model, {"name": "whale"}).with_structured_output(Animal, include_raw=True).invoke("q")
    assert set(given) == {"raw", "parsed", "parsing_error"}


def test_what_would_forget_the_sources_is_refused(root_model: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="as_node: a node adds a message alone"):
        animal_rlm(root_model, {}).with_sources().as_node()


def test_a_typed_runnable_goes_into_chains(root_model: Any) -> None:
    typed = animal_rlm(root_model, {"name": "whale"}).with_structured_output(Animal)
    chain = (lambda q: {"question": q}) | typed | (lambda animal: animal.name)
    assert chain.invoke("q") == "whale"
    assert typed.batch(["q"]) == [Animal(name="whale")]
