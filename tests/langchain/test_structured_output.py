"""Schemas that LangChain users pass, as types that answers are checked with."""

from __future__ import annotations

import json
import sys
import typing
from typing import Annotated, Any, Literal

import pydantic.v1
import pytest
from pydantic import BaseModel

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.loop.answer_type import AnswerType
from rlm_integrations.langchain import ChatRLM, RLMRunnable
from rlm_integrations.langchain.structured_output import StructuredOutput


class Party(BaseModel):
    name: str
    parent: Party | None = None


class Contract(BaseModel):
    parties: list[Party]
    value: float
    status: Literal["open", "ended"] = "open"
    notes: str | None = None


SCHEMA = Contract.model_json_schema()
GOOD = {"parties": [{"name": "Rossi", "parent": {"name": "Fiat"}}], "value": 12}


def read(schema: Any, value: object) -> Any:
    answer = AnswerType(StructuredOutput.of(schema).answer_type)
    text = json.dumps(value)
    return answer.misfit(text, True) or answer.read(text, True)


def test_an_answer_that_fits_a_json_schema_stays_as_it_is():
    assert read(SCHEMA, GOOD) == GOOD
    assert isinstance(read(SCHEMA, GOOD)["value"], int)
    assert read(SCHEMA, {**GOOD, "extra": 1}) == {**GOOD, "extra": 1}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"parties": [{}]}, "parties.0: 'name' is a required property"),
        ({"parties": "Rossi"}, "parties: 'Rossi' is not of type 'array'"),
        ({"value": "much"}, "value"),
        ({"status": "lost"}, "status: 'lost' is not one of ['open', 'ended']"),
        ({"notes": 5}, "notes"),
    ],
)
def test_what_does_not_fit_is_named(change, says):
    assert says in read(SCHEMA, {**GOOD, **change})


def test_no_more_than_the_schema_names_where_it_says_so():
    closed = {"type": "object", "properties": {"a": {"type": ["integer", "null"]}}, "additionalProperties": False}
    assert read(closed, {"a": None}) == {"a": None}
    assert "Additional properties are not allowed ('b' was unexpected)" in read(closed, {"b": 1})


def test_the_root_lm_is_told_of_the_schema_itself(root_model):
    llm = root_model('answer["content"] = {"city": "Rome"}\nanswer["ready"] = True')
    schema = {"title": "Place", "type": "object", "properties": {"city": {"type": "string", "description": "in Italy"}}}
    assert RLMRunnable(llm=llm, context="c").with_structured_output(schema).invoke("q") == {"city": "Rome"}
    assert "in Italy" in "".join(message.content for message in llm.requests[0])


def test_a_model_of_pydantic_1_and_the_form_of_an_openai_function(root_model):
    class Old(pydantic.v1.BaseModel):
        city: str

    code = 'answer["content"] = {"city": "Rome"}\nanswer["ready"] = True'
    rlm = RLMRunnable(llm=root_model(code, code), context="c")
    assert rlm.with_structured_output(Old).invoke("q") == Old(city="Rome")
    function = {"name": "place", "description": "A place.", "parameters": Old.schema()}
    assert rlm.with_structured_output({"type": "function", "function": function}).invoke("q") == {"city": "Rome"}


def test_the_form_of_an_openai_response_format_and_a_schema_that_begins_with_a_reference(root_model):
    code = 'answer["content"] = {"name": "Rossi", "parent": {"name": "Fiat"}}\nanswer["ready"] = True'
    rlm, rossi = RLMRunnable(llm=root_model(code, code), context="c"), {"name": "Rossi", "parent": {"name": "Fiat"}}
    schema = Party.model_json_schema()
    assert "$ref" in schema
    assert rlm.with_structured_output(schema).invoke("q") == rossi
    wrapped = {"type": "json_schema", "json_schema": {"name": "party", "schema": schema, "strict": True}}
    assert rlm.with_structured_output(wrapped).invoke("q") == rossi


@pytest.mark.parametrize("schema", [Contract | None, int | None, {"type": ["object", "null"]}, Annotated[None, "no"]])
def test_an_answer_may_be_none_where_the_schema_says_so(schema: Any, root_model: Any) -> None:
    nothing = "answer.update(content=None, ready=True)"
    rlm = RLMRunnable(llm=root_model(nothing, nothing), context="a line")
    assert rlm.with_structured_output(schema).invoke("q") is None
    given = rlm.with_structured_output(schema, include_raw=True).invoke("q")
    assert (given["parsed"], given["parsing_error"], given["raw"].text) == (None, None, "null")


def test_none_is_no_answer_elsewhere(root_model: Any) -> None:
    llm = root_model("answer.update(content=None, ready=True)", "answer.update(content={'parties': [], 'value': 1})")
    rlm = RLMRunnable(llm=llm, context="a line", limits={"max_iterations": 1})
    assert rlm.with_structured_output(Contract).invoke("q") == Contract(parties=[], value=1)


class Street(typing.TypedDict):
    """A street."""

    name: Annotated[str, ..., "without the number"]


class Place(typing.TypedDict, total=False):
    """A place."""

    city: str
    streets: list[Street]


@pytest.mark.parametrize("face", [RLMRunnable, ChatRLM])
def test_a_typed_dict_of_typing_is_a_schema_under_every_python(face, root_model):
    place = {"city": "Rome", "streets": [{"name": "Via Appia"}]}
    wrong = {"city": "Rome", "streets": [{"name": 7}]}
    llm = root_model(*(f"answer['content'] = {each}\nanswer['ready'] = True" for each in (wrong, place)))
    assert face(llm=llm, context="c").with_structured_output(Place).invoke("q") == place
    assert "streets" in llm.requests[1][-1].content


class Letter(typing.TypedDict):
    sender: Annotated[str, ..., "as signed"]
    places: typing.NotRequired[list[Place] | None]
    seals: typing.NotRequired[dict[str, typing.Optional[Street]]]  # noqa: UP045 - as users write it


class Tree(typing.TypedDict):
    name: typing.NotRequired[str]
    below: list[Tree]


class Journey(typing.TypedDict):
    name: str
    places: list[Place]


class Partial(typing.TypedDict, total=False):
    sender: typing.Required[str]


@pytest.mark.parametrize("face", [RLMRunnable, ChatRLM])
@pytest.mark.parametrize(
    ("schema", "value", "wrong"),
    [
        (Letter, {"sender": "Ann"}, {"places": []}),
        (Letter, {"sender": "Ann", "places": [{}], "seals": {"a": None}}, {"sender": "Ann", "places": [{"city": 7}]}),
        (Partial, {"sender": "Ann"}, {}),
        (Journey, {"name": "North", "places": [{}, {"city": "Rome"}]}, {"name": "North", "places": [{"city": 7}]}),
    ],
)
def test_keys_that_may_be_missing_may_be_missing(face, root_model, schema, value, wrong):
    llm = root_model(*(f"answer['content'] = {each}\nanswer['ready'] = True" for each in (wrong, value)))
    assert face(llm=llm, context="c").with_structured_output(schema).invoke("q") == value
    assert "does not fit the schema" in llm.requests[1][-1].content
    if schema is Letter and sys.version_info < (3, 12):  # from then on pydantic reads it, and no such notes
        assert "as signed" in llm.requests[0][-1].content


def test_a_typed_dict_that_holds_itself_is_read_or_refused_with_the_remedy(root_model):
    rlm = RLMRunnable(llm=root_model("answer.update(content={'below': []}, ready=True)"), context="c")
    if sys.version_info >= (3, 12):
        assert rlm.with_structured_output(Tree).invoke("q") == {"below": []}
        return
    with pytest.raises(InvalidArgumentError, match=r"schema: the TypedDict Tree .*holds itself.* typing_extensions"):
        rlm.with_structured_output(Tree)


@pytest.mark.parametrize(("schema", "named"), [(None, "None"), (len, "a function"), (lambda city: city, "a function")])
def test_what_is_no_schema_is_refused_before_a_run(root_model, schema, named):
    for face in (RLMRunnable, ChatRLM):
        with pytest.raises(InvalidArgumentError, match=f"schema: {named} given; pass a pydantic model"):
            face(llm=root_model(), context="c").with_structured_output(schema)


@pytest.mark.parametrize("schema", [{}, {"city": "str"}, {"type": "city"}])
def test_a_dict_that_is_no_schema_is_refused(root_model, schema):
    with pytest.raises(InvalidArgumentError, match="schema: a dict with the keys"):
        RLMRunnable(llm=root_model("say:x")).with_structured_output(schema)
