"""The Python of the WASI sandbox: what it has, and what the root LM is told that it has not."""

from __future__ import annotations

import pytest

from rlm_integrations import RLMEngine
from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.sandboxes.wasi.sandbox import WasiSandbox
from rlm_integrations.testing import ScriptedModel

pytestmark = pytest.mark.usefixtures("wasi_component")


async def test_it_knows_the_time_and_draws_its_own_chance(open_wasi):
    draws = set()
    for _ in range(2):
        live = await open_wasi()
        draws.add(await live.value("import random, uuid, time, os\nrandom.random(), uuid.uuid4(), os.urandom(4)"))
        assert await live.value("import time, datetime\ndatetime.date.today().year >= 2026") == "True"
        assert await live.value("import zoneinfo\nstr(zoneinfo.ZoneInfo('Europe/Berlin'))") == "Europe/Berlin"
        assert await live.value("import os, sys\ndict(os.environ), sys.argv") == "({}, [''])"
    assert len(draws) == 2


REFUSED = {
    "import socket\nsocket.gethostbyname('example.com')": "Operation not permitted: 'example.com' (this session has no",
    "import socket\nsocket.getfqdn()": "Operation not permitted (this session has no files, network",
    "import os\nos.system('ls')": "Operation not permitted: 'ls' (this session has no files",
    "import signal\nsignal.raise_signal(signal.SIGINT)": "Operation not permitted (this session has no",
    "import hashlib\nhashlib.scrypt(b'a', salt=b'b', n=16, r=8, p=1)": "hashlib.sha256 and its like are here",
    "import hashlib\nhashlib.pbkdf2_hmac('sha256', b'a', b'b', 10)": "(this Python has no OpenSSL: hashlib.sha256",
    "import resource": "nothing here tells what a process takes: time.perf_counter tells how long",
    "import asyncio\nawait asyncio.create_subprocess_exec('ls')": "Operation not permitted (this session has no files,",
    "import asyncio\nawait asyncio.create_subprocess_shell('ls')": "Operation not permitted (this session has no",
}


async def test_what_it_has_not_is_refused_in_words_and_loses_no_repl(open_wasi):
    live = await open_wasi()
    await live.value("kept = 42")
    for code, words in REFUSED.items():
        assert words in await live.error(code), code
    assert await live.value("import uuid\nlen(str(uuid.uuid1())), kept") == "(36, 42)"
    assert await live.value("import time\n0 <= time.thread_time() <= time.thread_time_ns()") == "True"


async def test_its_warnings_are_shown_as_anywhere(open_wasi):
    live = await open_wasi()
    code = "import warnings\nfor _ in range(3): warnings.warn('careful')\nwarnings.warn('kept', DeprecationWarning)"
    assert await live.value(code) == (
        "<step 1 block 1>:2: UserWarning: careful\n  for _ in range(3): warnings.warn('careful')\n"
        "<step 1 block 1>:3: DeprecationWarning: kept\n  warnings.warn('kept', DeprecationWarning)"
    )


THERE = "csv dataclasses decimal difflib enum fractions hashlib heapq json sqlite3 statistics unicodedata zlib zoneinfo"


async def test_what_the_root_lm_is_told_of_its_python_is_true(open_wasi):
    live = await open_wasi()
    said = WasiSandbox().subset
    assert "Python 3.14" in said
    assert (await live.value("import sys\nsys.version")).startswith("3.14")
    _, missing = said.removesuffix(" are missing.").split("The modules ")
    for name in missing.replace(" and ", ", ").split(", "):
        assert f"No module named '{name}'" in await live.error(f"import {name}")
    assert await live.value(f"import {', '.join(THERE.split())}\n'all there'") == "all there"


def test_the_root_lm_is_told():
    with ScriptedModel(["```repl\nFINAL(len(context))\n```"]) as llm:
        result = RLMEngine(llm, sandbox="wasi", limits={"inline_chars": 0}).run("How long?", "twelve chars")
    assert result.answer == "12"
    system, said = llm.requests[0][0].content, WasiSandbox().subset
    assert system.index("`answer`: ") < system.index(said) < system.index("Two replies are often enough")
    with ScriptedModel(["```repl\nFINAL(len(context))\n```"]) as llm:
        RLMEngine(llm, sandbox="wasi", system_prompt="Use `context`.", instructions="Hurry.").run("How long?", "text")
    assert llm.requests[0][0].content == f"Use `context`.\n\n{said}\n\nFurther instructions:\nHurry."


async def test_equal_seeds_are_equal_chances(settings, attach):
    drawn = []
    for seed in (7, 7, 8):
        repl = await WasiSandbox().open(Corpus.of(None), settings(seed=seed))
        drawn.append(await attach(repl).value("import random\nrandom.random(), [*{'a', 'b', 'c', 'd', 'e'}]"))
        await repl.close()
    assert drawn[0] == drawn[1]
    assert drawn[0].partition(",")[0] != drawn[2].partition(",")[0]


async def test_a_corpus_that_cannot_be_sent_is_an_error_that_names_the_document(settings):
    metadata: dict = {}
    for _ in range(100_000):
        metadata = {"in": metadata}
    with pytest.raises(InvalidArgumentError, match="context: the metadata of document 'deep' is nested too deeply"):
        await WasiSandbox().open(Corpus([Document("deep", "text", metadata)]), settings())
    while metadata:  # its destructor recurses
        metadata = metadata["in"]
