"""From the `sandbox` argument to a sandbox, and what it says of itself."""

from __future__ import annotations

import subprocess
import sys

import pytest

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.errors import InvalidArgumentError, MissingExtraError, SandboxUnavailableError
from rlm_integrations.sandboxes import choose
from rlm_integrations.sandboxes.choose import resolve_sandbox
from rlm_integrations.sandboxes.process_worker import seccomp
from rlm_integrations.sandboxes.wasi import sandbox as wasi
from rlm_integrations.wire.steps import StepDone


@pytest.fixture(autouse=True)
def nothing_chosen_yet():
    choose._process_sandbox.cache_clear()
    choose._unconfined_sandbox.cache_clear()


@pytest.mark.parametrize("name", ["auto", "process"])
async def test_the_process_sandbox_says_what_it_isolates(name, settings, attach):
    sandbox = resolve_sandbox(name)
    capabilities = sandbox.capabilities()
    assert (capabilities.name, capabilities.confined) == ("process", True)
    assert capabilities.layers["seccomp"].startswith("allow-list of ")
    assert set(capabilities.layers) >= {"landlock", "namespaces", "capabilities", "non-dumpable", "memory"}
    repl = await sandbox.open(Corpus.of("text"), settings())
    assert await attach(repl).value("context") == "text"
    await repl.close()


async def test_unconfined_runs_with_a_warning_and_with_this_users_rights(settings, attach, tmp_path):
    sandbox = resolve_sandbox("unconfined")
    assert not sandbox.capabilities().confined
    (tmp_path / "note").write_text("readable")
    with pytest.warns(RuntimeWarning, match="runs with this process's rights"):
        repl = await sandbox.open(Corpus.of("text"), settings())
    live = attach(repl)
    assert await live.value(f"print(open({str(tmp_path / 'note')!r}).read(), llm_query('x'))") == "readable x"
    assert (await live.error("'a' * (3 << 30)")).startswith("MemoryError")
    await repl.close()


@pytest.mark.parametrize("name", ["auto", "process"])
def test_a_machine_that_cannot_confine_is_refused_with_a_remedy(name, monkeypatch):
    monkeypatch.setattr(seccomp, "why_unavailable", lambda: "it needs Linux, and this is Darwin")
    monkeypatch.setattr(wasi, "is_installed", lambda: False)
    with pytest.raises(SandboxUnavailableError) as caught:
        resolve_sandbox(name)
    message = str(caught.value)
    assert "it needs Linux, and this is Darwin" in message
    assert "sandbox='unconfined'" in message
    assert 'pip install "rlm-integrations[wasi]"' in message


@pytest.mark.usefixtures("wasi_component")
def test_auto_takes_wasi_where_the_process_sandbox_cannot_run(monkeypatch):
    monkeypatch.setattr(seccomp, "why_unavailable", lambda: "it needs Linux, and this is Darwin")
    capabilities = resolve_sandbox("auto").capabilities()
    assert (capabilities.name, capabilities.confined) == ("wasi", True)
    assert "CPython 3.14 below wasmtime" in capabilities.layers["WebAssembly"]


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "wasmtime", None)
    with pytest.raises(MissingExtraError, match=r'pip install "rlm-integrations\[wasi\]"'):
        resolve_sandbox("wasi")


def test_unconfined_without_linux_is_refused(monkeypatch):
    monkeypatch.setattr("sys.platform", "win32")
    with pytest.raises(SandboxUnavailableError, match="needs Linux as well, and this is win32"):
        resolve_sandbox("unconfined")


# A filter that lets everything but the installation of another one through stands for a container that forbids it.
NO_FILTERS = """
import ctypes, errno, struct
from rlm_integrations.sandboxes.process_worker import seccomp
seccomp.build_filter = lambda machine: [
    (0x20, 0, 0, 0), (0x15, 0, 1, seccomp._SECCOMP_NR[machine]), (0x06, 0, 0, 0x50001), (0x06, 0, 0, 0x7FFF0000)
]
import asyncio, platform
ctypes.CDLL(None).prctl(38, 1, 0, 0, 0)
seccomp.Filter(platform.machine()).install()
from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.errors import SandboxUnavailableError
from rlm_integrations.wire.settings import ReplSettings
from rlm_integrations.sandboxes.choose import resolve_sandbox
settings = ReplSettings(depth=0, sub_call_chars=10, max_output_chars=1000, step_timeout_s=60, memory_mb=128)
try:
    asyncio.run(resolve_sandbox("auto").open(Corpus.of(None), settings))
except SandboxUnavailableError as error:
    print(error)
"""


def test_a_kernel_that_refuses_the_filter_means_no_repl(run_program):
    host = run_program(NO_FILTERS, fresh=True)
    assert "cannot be confined here: seccomp refused the filter (EPERM)" in host.stdout, host.stderr


def test_a_sandbox_of_ones_own_is_taken_as_it_is():
    own = resolve_sandbox("process")
    assert resolve_sandbox(own) is own


class Half:
    modules = ()

    def capabilities(self):
        raise NotImplementedError


def test_a_sandbox_of_ones_own_without_all_of_the_contract_is_told_what_is_missing():
    with pytest.raises(
        InvalidArgumentError, match=r"^sandbox: .*Half object.* is not one \(it has no open, subset\); pass"
    ):
        resolve_sandbox(Half())


@pytest.mark.parametrize("wrong", ["docker", "", None, 5])
def test_anything_else_is_an_error_that_names_the_argument(wrong):
    with pytest.raises(
        InvalidArgumentError, match=r"^sandbox: .* is not one; pass 'auto', 'process', 'wasi', 'unconfined'"
    ):
        resolve_sandbox(wrong)


async def test_a_repl_is_of_the_contracts_types(settings, attach):
    repl = await resolve_sandbox("auto").open(Corpus.of("text"), settings())
    done = await attach(repl).run("x = 1\nprint('out')", "answer.update(content='done', ready=True)")
    await repl.close()
    assert isinstance(done, StepDone)
    assert (done.answer.ready, done.answer.content) == (True, "done")
    assert done.output.head == "out\n"
    assert any(line.startswith("x: int") for line in done.variables)


def test_no_module_that_the_helper_needs_imports_more_than_the_standard_library():
    code = (
        "import sys, types, pathlib\npackage = types.ModuleType('rlm_integrations')\n"
        "package.__path__ = [sys.argv[1]]\nsys.modules['rlm_integrations'] = package\n"
        "import rlm_integrations.sandboxes.process_worker.helper\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules if not name.startswith('_sysconfigdata')} "
        "- set(sys.stdlib_module_names) - {'__main__'}))"
    )
    import rlm_integrations

    run = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, rlm_integrations.__path__[0]],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert run.stdout.strip() == "['rlm_integrations']", run.stderr
