"""What a session needs after no file can be opened any more, in a process as a sandbox starts it."""

from __future__ import annotations

import importlib.util
import json
import py_compile
import subprocess
import sys
from encodings.aliases import aliases
from pathlib import Path

import pytest

import rlm_integrations
from rlm_integrations.repl import kept_code

ROOT = Path(rlm_integrations.__file__).parent.parent

CONFINED = """
import importlib, json, os, sys
result_file = os.fdopen(os.dup(1), "w")  # the session takes the standard streams
steps = json.load(sys.stdin)
sys.path.insert(0, sys.argv[1])
from rlm_integrations.repl import kept_code
from rlm_integrations.repl.preload import guard_imports, preload
from rlm_integrations.repl.interpreter import Interpreter
from rlm_integrations.wire.settings import ReplSettings

class Host:
    def call(self, call):
        return {"map": 1, "values": [[0, "x"]], "left": []} if call.function == "llm_map" else 1
    def call_all(self, calls): return ["reply"] * len(calls)
    def print_head(self, text): head.append(text)

def refuse(event, arguments):
    if event == "open":
        refused.append(str(arguments[0]))
        raise PermissionError(f"opened {arguments[0]}")

head, refused = [], []
outside = [name for name in sys.modules if name.partition(".")[0] in ("pydantic", "site", "typing_extensions")]
names = preload()
kept = [*kept_code._kept]
run_already = [name for name in ("optparse", "encodings.cp437", "encodings.shift_jis") if name in sys.modules]
documents = [{"id": "d", "text": "the text", "metadata": {}}]
settings = ReplSettings(
    depth=1, sub_call_chars=1000, max_output_chars=8192, step_timeout_s=20.0, memory_mb=64, retriever=True,
    tools=("tool",),
)
interpreter = Interpreter(documents, Host(), settings)
guard_imports()
sys.addaudithook(refuse)
results = []
for step in steps:
    head.clear()
    done = interpreter.run([step])
    results.append(["".join(head) + done.output.tail, done.error and done.error.message])
unimportable = []
for name in kept:
    try:
        importlib.import_module(name)
    except ImportError:
        unimportable.append(name)
facts = {"outside": outside, "names": names, "run_already": run_already, "results": results, "refused": refused}
facts |= {"kept": kept, "unimportable": unimportable}
json.dump(facts, result_file)
result_file.close()
"""

STEPS = [
    "import datetime; datetime.datetime.strptime('5 Mar 2024', '%d %b %Y').month",
    "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(2) as p: print(list(p.map(abs, [-1])))",
    "import asyncio\nasync def f(): return await asyncio.wait_for(asyncio.sleep(0, 'slept'), 1)\nasyncio.run(f())",
    "async with asyncio.timeout(1):\n    print(await asyncio.gather(f()))",
    "'bücher'.encode('idna'), 'x'.encode('utf-16'), b'\\xe9'.decode('cp1252'), b'a'.hex(), 'é'.encode('latin-1')",
    "import codecs; codecs.encode('abc', 'rot_13'), 'a\\\\n'.encode().decode('unicode_escape')",
    "import xml.etree.ElementTree as ET; ET.fromstring('<a><b>1</b></a>').find('b').text",
    "from email import message_from_string; message_from_string('Subject: hi\\n\\nbody')['Subject']",
    "import decimal, fractions, statistics; statistics.mean([decimal.Decimal('1.5'), 2])",
    "import sqlite3; sqlite3.connect(':memory:').execute('select 1').fetchone()",
    "import logging; logging.warning('careful')",
    "import traceback\ntry: 1/0\nexcept ZeroDivisionError: traceback.print_exc()",
    "import inspect\ndef g(): pass\ninspect.getsource(g)",
    "import re\nre.compile('(?P<a>x)', re.DEBUG) and None",
    "import pickle, dataclasses, enum, uuid, secrets, zoneinfo, tomllib, pprint\npprint.pprint(tomllib.loads('a = 1'))",
    "import warnings; warnings.warn('old')",
    "import locale, calendar; calendar.month_name[3]",
    "import threading\nt = threading.Thread(target=lambda: 1/0); t.start(); t.join()",
    "import urllib.parse, html; urllib.parse.quote('a b'), html.unescape('&eacute;')",
    "import string; f'{1234.5:n}', format(3.14159, '.2f'), string.Template('$a').substitute(a=1)",
    "import random; random.seed('text'); random.randint(1, 1)",
    "class Bad:\n    def __repr__(self): raise OSError\ntry:\n    print(Bad())\nexcept OSError: print('bad')",
    "llm_reduce('Q')",
    "llm_query_batched(['a', 'b']), llm_map('Q', ['x']), [m.id for m in search('the text')], cite('text')",
    "from __future__ import annotations",
    "import math, itertools, _random, marshal; marshal.dumps(1)",
    "import cProfile, cmd, colorsys, getopt, optparse, pickletools, profile, pstats, symtable; cProfile.run('1 + 1')",
    "import http.cookies, logging.handlers, xml.dom.minidom, xml.dom.pulldom\n"
    "xml.dom.minidom.parseString('<a>1</a>').toxml(), str(http.cookies.SimpleCookie('a=1')), colorsys.__file__[-3:]",
    "import codecs, encodings.aliases\n"
    "names = sorted({*encodings.aliases.aliases.values()} - {'mbcs', 'oem'})\n"
    "len([codecs.lookup(name) for name in names]), 'é'.encode('cp437'), 'こ'.encode('shift_jis'), 'Я'.encode('koi8-r')",
    "try: 'a'.encode('no-such-codec')\nexcept LookupError as error: print(error)",
]


@pytest.fixture(scope="module")
def confined(tmp_path_factory) -> dict:
    """The steps in a bare interpreter (`-I -S`) in which opening a file fails."""
    script: Path = tmp_path_factory.mktemp("confined") / "run_confined.py"
    script.write_text(CONFINED)
    steps = [*STEPS, "import requests", "from sklearn import metrics", "import json.nothing"]
    done = subprocess.run(
        [sys.executable, "-I", "-S", script, ROOT], input=json.dumps(steps), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_repl_needs_the_standard_library_only(confined):
    assert confined["outside"] == []


def test_common_programs_run_when_no_file_can_be_opened(confined):
    failed = {step: error for step, (_, error) in zip(STEPS, confined["results"], strict=False) if error is not None}
    assert failed == {}


def test_what_they_show_is_right(confined):
    shown = [output for output, _ in confined["results"]]
    assert shown[0] == "3\n"
    assert shown[1] == "[1]\n"
    assert shown[2] == "slept\n"
    assert shown[3] == "['slept']\n"
    assert shown[7] == "hi\n"
    assert shown[10] == "WARNING:root:careful\n"
    assert shown[11].endswith("ZeroDivisionError: division by zero\n")
    assert shown[12] == "def g(): pass\n\n"


def test_what_is_rare_is_there_when_it_is_imported(confined):
    shown = dict(zip(STEPS, (output for output, _ in confined["results"]), strict=False))
    *_, xml, codecs, unknown = shown.values()
    assert xml.split(",", 1)[0] == "('<?xml version=\"1.0\" ?><a>1</a>'"
    assert xml.endswith("'.py')\n")
    assert confined["run_already"] == []
    count = len({*aliases.values()} - {"mbcs", "oem"})
    assert codecs == rf"({count}, b'\x82', b'\x82\xb1', b'\xf1')" + "\n"
    assert unknown == "unknown encoding: no-such-codec\n"


def test_all_that_is_kept_finds_what_it_imports(confined):
    assert {"argparse", "email.mime.text", "encodings.cp437", "tomllib._parser", "xml.dom.minidom"} <= set(
        confined["kept"]
    )
    assert set(confined["unimportable"]) <= {"encodings.mbcs", "encodings.oem"}  # of Windows


def test_a_module_that_is_not_there_is_refused_in_words(confined):
    errors = [error for _, error in confined["results"][len(STEPS) :]]
    assert errors[0] == (
        "ModuleNotFoundError: No module named 'requests': there is no network here: "
        "all there is stands in the variables of this session"
    )
    assert errors[1].startswith(
        "ModuleNotFoundError: No module named 'sklearn': not available in the REPL; available: __future__, "
    )
    assert errors[2].startswith("ModuleNotFoundError: No module named 'json.nothing'")
    assert ", json, " in errors[1]


def test_preload_tells_what_can_be_imported(confined):
    assert {"re", "json", "datetime", "asyncio", "collections", "math"} <= set(confined["names"])
    assert len(confined["names"]) > 70


@pytest.mark.parametrize("cached", [None, b"", b"of another Python"])
def test_what_is_kept_is_the_code_as_it_is_now(tmp_path, monkeypatch, cached):
    """Whatever lies in the cache, and however the file is changed afterwards."""
    file = tmp_path / "kept_for_now.py"
    file.write_text("said = 'before'")
    compiled = Path(py_compile.compile(str(file)))
    file.write_text("said = 'after all'")
    if cached is not None:
        compiled.write_bytes(cached)
    monkeypatch.syspath_prepend(tmp_path)
    kept_code.keep(file.stem)
    spec = kept_code.kept(file.stem)
    file.unlink()
    compiled.unlink()
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.said == "after all"
    kept_code.take_kept()
