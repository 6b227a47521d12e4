"""Modules that a user names for the model's code."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from rlm_integrations import ProcessSandbox, RLMEngine
from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.sandboxes.process.helper_client import helper_client
from rlm_integrations.testing import ScriptedModel

MODULES = {
    "shop/__init__.py": "def price():\n    from shop.prices.table import PRICE\n    return PRICE\n",
    "shop/prices/__init__.py": "",
    "shop/prices/table.py": "PRICE = 7\n",
    "shop/needs_more.py": "import a_module_that_nobody_has\n",
    "shop/script.py": "import sys; sys.exit('usage: script FILE')\n",
    "shop/tests/__init__.py": "raise SystemError('tests are no part of a library')\n",
    "shop/prices/test_table.py": "import shop; shop.tested = True\n",
    "shop_broken.py": "raise RuntimeError('no licence\\nwas found')\n",
    "shop_script.py": "import sys; print('noise', file=sys.stderr); sys.exit(3)\n",
}


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of packages on this process's path."""
    for name, source in MODULES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.fixture
async def open_with(settings: Callable[..., Any], attach: Callable[..., Any]):
    """Opens a REPL in which modules can be imported; all are closed at the end of the test."""
    opened: list[Any] = []

    async def open_(*imports: str, **changes: Any) -> Any:
        repl = await ProcessSandbox(imports=imports).open(Corpus.of("text"), settings(**changes))
        opened.append(repl)
        return attach(repl)

    yield open_
    for repl in opened:
        await repl.close()


async def test_a_named_package_is_there_with_what_it_imports_on_use(open_with, shop):
    live = await open_with("shop")
    assert await live.value("import shop, shop.prices.table\nshop.price(), shop.prices.table.PRICE") == "(7, 7)"
    for missing in ("needs_more", "script", "tests", "prices.test_table"):
        name = f"shop.{missing}"
        refusal = (
            f"ModuleNotFoundError: No module named '{name}': not available in the REPL; available: shop, __future__"
        )
        assert (await live.error(f"import {name}")).startswith(refusal)
    assert await live.value("hasattr(shop, 'tested')") == "False"


async def test_a_named_submodule_is_there_with_its_own_parts_alone(open_with, shop):
    live = await open_with("shop.prices")
    assert await live.value("from shop.prices import table\ntable.PRICE") == "7"


async def test_the_hosts_folders_are_not_on_the_path_of_the_models_code(open_with, shop):
    live = await open_with("shop")
    assert await live.value(f"import sys\n{str(shop)!r} in sys.path, sys.argv") == "(False, [''])"


async def test_modules_of_one_sandbox_are_not_in_another(open_with, open_repl, shop):
    await open_with("shop")
    other = await open_repl()
    assert (await other.error("import shop")).startswith("ModuleNotFoundError: No module named 'shop'")


async def test_one_helper_serves_a_set_of_modules_in_any_order():
    assert helper_client(("json", "csv")) is helper_client(("csv", "json", "csv"))
    assert helper_client(("json",)) is not helper_client(())


@pytest.mark.parametrize(
    ("name", "why"),
    [("shop_broken", "RuntimeError: no licence was found"), ("shop_script", "SystemExit: 3")],
)
async def test_a_module_that_cannot_be_imported_is_an_error_when_the_first_repl_starts(name, why, open_with, shop):
    with pytest.raises(InvalidArgumentError) as first:
        await open_with(name)
    with pytest.raises(InvalidArgumentError) as again:
        RLMEngine(ScriptedModel(["```repl\n1\n```"]), sandbox=ProcessSandbox(imports=[name])).run("Q", "text")
    for caught in (first, again):
        assert str(caught.value) == (
            f"imports: cannot import {name}: {why}. The REPL has what {sys.executable} can import: "
            f"run `{sys.executable} -m pip install {name}`, or leave it out"
        )


def test_a_module_that_is_not_installed_is_an_error_at_once():
    with pytest.raises(InvalidArgumentError) as caught:
        ProcessSandbox(imports=["json", "nmupy.linalg"])
    assert str(caught.value).startswith("imports: cannot import nmupy.linalg: it is not installed. ")
    assert f"run `{sys.executable} -m pip install nmupy`, or leave it out" in str(caught.value)


@pytest.mark.parametrize("wrong", ["numpy", 5, None])
def test_what_is_no_list_of_names_is_refused(wrong):
    with pytest.raises(InvalidArgumentError, match=r"^imports: .* is no list of names; pass for instance \['numpy'"):
        ProcessSandbox(imports=wrong)


@pytest.mark.parametrize("wrong", ["import numpy", "numpy.", "", "scikit-learn", 5, "a;b", "../x"])
def test_what_is_no_name_is_refused(wrong):
    with pytest.raises(InvalidArgumentError, match=r"^imports: .* is no module's name; pass names as in an import"):
        ProcessSandbox(imports=[wrong])


def test_a_module_made_by_hand_cannot_be_had(monkeypatch):
    monkeypatch.setitem(sys.modules, "handmade", ModuleType("handmade"))
    with pytest.raises(InvalidArgumentError, match="cannot import handmade: it is not installed"):
        ProcessSandbox(imports=["handmade"])


async def test_two_runs_draw_different_random_numbers(open_with):
    draw = "import random, numpy\nrandom.random(), numpy.random.rand(), numpy.random.default_rng().random()"
    first, second = [(await (await open_with("numpy", "shlex")).value(draw)).split() for _ in range(2)]
    assert all(one != other for one, other in zip(first, second, strict=True))


async def test_numpy_is_bounded_and_confined_as_all_code(open_with):
    live = await open_with("numpy", "shlex", memory_mb=128)
    assert "MemoryError: Unable to allocate" in await live.error("import numpy as np\nnp.ones(200 << 20, dtype='u1')")
    assert await live.value("kept = np.ones(20 << 20, dtype='u1')\nint(kept.sum())") == str(20 << 20)
    for read in ("np.fromfile('/etc/passwd')", "np.memmap('/etc/passwd')", "np.load('/etc/passwd')"):
        assert (await live.error(read)).startswith("PermissionError: [Errno 1] Operation not permitted")


def test_the_root_lm_is_told_what_it_can_import():
    code = "```repl\nimport numpy as np\nanswer['content'] = int(np.arange(5).sum())\nanswer['ready'] = True\n```"
    with ScriptedModel([code]) as llm:
        engine = RLMEngine(llm, sandbox=ProcessSandbox(imports=["numpy", "shlex"]), limits={"inline_chars": 0})
        assert engine.run("How much?", "some text").answer == "10"
    assert "besides the standard library, numpy and shlex:" in llm.requests[0][0].content


def test_capabilities_stay_the_same(settings):
    plain, named = ProcessSandbox().capabilities(), ProcessSandbox(imports=["numpy"]).capabilities()
    assert (named.name, named.confined, named.layers) == (plain.name, plain.confined, plain.layers)
