"""The settings of a REPL: what is sent is what is read, and the sizes that follow from them."""

from __future__ import annotations

import json
import keyword
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_integrations.wire.names import ANSWER, CONTEXT, helper_names, is_own_name
from rlm_integrations.wire.settings import ReplSettings

settings_of_any_run = st.builds(
    ReplSettings,
    depth=st.integers(0, 3),
    sub_call_chars=st.integers(1, 1 << 40),
    max_output_chars=st.integers(1, 1 << 40),
    step_timeout_s=st.floats(0.0, 1e6),
    memory_mb=st.integers(1, 1 << 20),
    retriever=st.booleans(),
    tools=st.lists(st.text(max_size=5), max_size=3).map(tuple),
)


@given(settings_of_any_run)
def test_settings_that_were_sent_are_read_as_they_were(settings: ReplSettings):
    assert ReplSettings.from_json(json.loads(json.dumps(settings.to_json()))) == settings


@given(settings_of_any_run)
def test_what_follows_from_settings_keeps_within_them(settings: ReplSettings):
    assert settings.printed_chars < settings.max_output_chars
    assert not settings.depth or settings.chunk_chars < settings.sub_call_chars


def test_chunks_are_for_sub_calls_where_there_are_any_and_else_for_printing():
    bounds: dict[str, Any] = {"sub_call_chars": 100_000, "max_output_chars": 8_192}
    limits: dict[str, Any] = {"step_timeout_s": 1.0, "memory_mb": 64}
    assert ReplSettings(depth=1, **bounds, **limits).chunk_chars == 80_000
    assert ReplSettings(depth=0, **bounds, **limits).chunk_chars == 8_000
    assert ReplSettings(depth=0, **bounds, **limits).printed_chars == 6_144


@given(settings_of_any_run)
def test_every_name_of_every_run_is_the_repls_own(settings: ReplSettings):
    assert all(map(is_own_name, (CONTEXT, ANSWER, *helper_names(settings))))


@pytest.mark.parametrize("name", ["exit", "SubCallError", "_rlm_show", "__builtins__", "__name__"])
def test_what_a_session_and_python_keep_for_themselves_are_own_names(name: str):
    assert is_own_name(name)


@pytest.mark.parametrize("name", ["look_up", "_private", "__x", "rlm", "print", *keyword.softkwlist])
def test_other_names_are_free(name: str):
    assert not is_own_name(name)
