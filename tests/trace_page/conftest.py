"""A real browser for the page of a trace: Chromium over a pipe, and traces that real runs left."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from rlm_integrations import Completion, Message, RLMEngine, RLMTrace, RunError, Twice, Usage
from rlm_integrations.testing import ScriptedModel

from ..shared_in_folder import SharedInFolder  # noqa: TID252 - of the tests, which are no package

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    "--disable-extensions",
    "--disable-features=BackForwardCache,ProactivelySwapBrowsingInstance,RenderDocument",  # a process for each page
    "--disable-threaded-compositing",  # nobody looks at the screen
    "--js-flags=--stack-size=250",  # a quarter of what it is: a function takes a quarter of the arguments
    "--remote-debugging-pipe",
)
_WITH_A_PIPE = """
import fcntl, os, sys
near, far = (fcntl.fcntl(int(each), fcntl.F_DUPFD, 10) for each in sys.argv[1:3])
os.dup2(near, 3)
os.dup2(far, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
_PAGE_S = 30
_BROWSER_S = 60


class Chromium:
    """A browser of its own: commands of its DevTools protocol go to it, each as JSON with a NUL behind it.

    To open a tab takes two thirds of what a page takes in a new one, so tabs are used again: those in `free_tabs`.
    """

    def __init__(self, program: str, profile: Path) -> None:
        read, self._commands = os.pipe()
        self._replies, write = os.pipe()
        command = [sys.executable, "-c", _WITH_A_PIPE, str(read), str(write), program, *_FLAGS]
        self._process = subprocess.Popen(
            [*command, f"--user-data-dir={profile}", "about:blank"], pass_fds=(read, write), stderr=subprocess.DEVNULL
        )
        os.close(read)
        os.close(write)
        self._rest = b""
        self._number = 0
        self.events: list[dict[str, Any]] = []
        targets = self.send("Target.getTargets")["targetInfos"]
        self.free_tabs: list[str] = [each["targetId"] for each in targets if each["type"] == "page"]

    def send(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """The result of a command; events that come meanwhile are kept."""
        self._number += 1
        command = {"id": self._number, "method": method, "params": parameters}
        os.write(self._commands, json.dumps(command | ({"sessionId": session} if session else {})).encode() + b"\0")
        while (message := self._next()).get("id") != self._number:
            self.events.append(message)
        assert "error" not in message, (method, message["error"])
        return message["result"]

    def receive_event(self) -> None:
        self.events.append(self._next())

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            assert select.select([self._replies], [], [], _BROWSER_S)[0], "the browser does not answer"
            piece = os.read(self._replies, 1 << 20)
            assert piece, "the browser has gone"
            self._rest += piece
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)

    def close(self) -> None:
        self.send("Browser.close")
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._commands)
        os.close(self._replies)


class Tab:
    """A page that is open in the browser, or a frame of one with a process of its own."""

    def __init__(self, browser: Chromium, target: str, session: str) -> None:
        self._browser, self._target, self._session = browser, target, session
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")

    @classmethod
    def of(cls, browser: Chromium, url: str, width: int, height: int, scheme: str) -> Tab:
        if browser.free_tabs:
            target = browser.free_tabs.pop()
        else:
            target = browser.send("Target.createTarget", url="about:blank")["targetId"]
        tab = cls(browser, target, browser.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"])
        tab.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        tab.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        tab.send("Page.bringToFront")
        tab.open(url)
        return tab

    def frame(self) -> Tab:
        """The frame in it."""
        self.send("Target.setAutoAttach", autoAttach=True, waitForDebuggerOnStart=False, flatten=True)
        (attached,) = self.events("Target.attachedToTarget")
        return Tab(self._browser, attached["targetInfo"]["targetId"], attached["sessionId"])

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self._browser.send(method, self._session, **parameters)

    def open(self, url: str) -> None:
        self.send("Page.navigate", url=url)
        while not self.events("Page.loadEventFired"):
            self._browser.receive_event()
        self.until("document.querySelector('#steps h2') !== null")

    def evaluate(self, expression: str, **options: Any) -> Any:
        """The value of an expression of JavaScript; what it throws fails the test."""
        result = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True, **options)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def until(self, condition: str) -> None:
        """Waits for what the page does when it comes to it. The page itself looks, as each message takes a while."""
        became_so = self.evaluate(
            f"(async () => {{ const end = Date.now() + {_PAGE_S * 1000};"
            f"while (!({condition})) {{ if (Date.now() > end) return false;"
            "await new Promise(resolve => setTimeout(resolve, 5)); } return true; })()"
        )
        assert became_so, f"it did not become so: {condition}"

    def until_complaint(self, words: str) -> None:
        """Waits until the browser complains of something in these words."""
        deadline = time.monotonic() + _PAGE_S
        while not any(words in json.dumps(each) for each in self.complaints):
            assert time.monotonic() < deadline, (words, self.complaints)
            self.evaluate("new Promise(resolve => setTimeout(resolve, 10))")

    def press(self, key: str) -> None:
        text = {"text": key} if len(key) == 1 else {}
        self.send("Input.dispatchKeyEvent", type="keyDown", key=key, **text)
        self.send("Input.dispatchKeyEvent", type="keyUp", key=key)

    def type(self, text: str) -> None:
        self.send("Input.insertText", text=text)

    def click(self, selector: str) -> None:
        """With the mouse, in its middle."""
        place = self.evaluate(
            f"(() => {{ const found = document.querySelector({json.dumps(selector)}); found.scrollIntoViewIfNeeded(); "
            "const { x, y, width, height } = found.getBoundingClientRect(); "
            "return [x + width / 2, y + height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.send("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1)

    def unfold_everything(self) -> None:
        self.until(
            "[...document.querySelectorAll('details')].map(each => { each.open = true; return each; })"
            ".every(each => each.querySelector('.body').childNodes.length)"
        )

    def events(self, *methods: str) -> list[dict[str, Any]]:
        return [
            event["params"]
            for event in self._browser.events
            if event.get("sessionId") == self._session and event["method"] in methods
        ]

    @property
    def complaints(self) -> list[Any]:
        """All that stands in its console."""
        return self.events("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")

    @property
    def requested(self) -> list[str]:
        return [event["request"]["url"] for event in self.events("Network.requestWillBeSent")]

    def close(self) -> None:
        """Leaves it to the next page, unless this one had something to say that may come late."""
        if self.complaints:
            self._browser.send("Target.closeTarget", targetId=self._target)
        else:
            self._browser.send("Target.detachFromTarget", sessionId=self._session)
            self._browser.free_tabs.append(self._target)


_chromium: SharedInFolder[Chromium] = SharedInFolder(__file__)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(nextitem: pytest.Item | None) -> None:
    _chromium.end_unless_wanted(nextitem)


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Chromium:
    """The one of all tests here."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip("no Chromium is installed here (Debian: apt-get install chromium): the page is not tried")
    return _chromium.get(lambda: closing(Chromium(program, tmp_path_factory.mktemp("profile"))))


OpenTab = Callable[..., Tab]


@pytest.fixture
def open_tab(chromium: Chromium, tmp_path: Path) -> Iterator[OpenTab]:
    """Opens a trace, or the text of a page, in a tab that is closed at the end of the test."""
    tabs: list[Tab] = []

    def opened(
        content: RLMTrace | str, link: str = "", width: int = 1440, height: int = 900, scheme: str = "light"
    ) -> Tab:
        path = tmp_path / f"page-{len(tabs)}.html"
        if isinstance(content, str):
            path.write_text(content, encoding="utf-8")
        else:
            content.to_html(path)
        tabs.append(Tab.of(chromium, f"{path.as_uri()}{link}", width, height, scheme))
        return tabs[-1]

    yield opened
    for tab in tabs:
        tab.close()
    chromium.events.clear()


def _repl(code: str) -> str:
    return f"I look.\n\n```repl\n{code}\n```\n"


@pytest.fixture(scope="session")
def small_trace() -> RLMTrace:
    """Of a run with a failed call, a repeated one, a batch, a tool, a citation, thoughts and an error of the code."""

    def sub_reply(messages: Sequence[Message]) -> Completion:
        if "note-3" in messages[-1].content:
            raise ValueError("the server said no")
        return Completion("It says no.", thoughts="Is it a yes? It is not.", model="small")

    def weather(day: str) -> str:
        """What the weather was."""
        return f"rain on {day}"

    replies = [
        _repl("notes = [f'Is it a yes? {d[\"id\"]}' for d in context]\nsaid = llm_query_batched(notes)\nprint(said)"),
        _repl("print(llm_query('Is it a yes? note-0'), weather('Monday'))\nraise KeyError('plot')"),
        _repl("print(cite('The answer is no.', 'note-1'))\nFINAL('None says yes.')"),
    ]
    notes = {f"note-{n}": f"Note {n}. The answer is no. " + "Nothing else of note. " * 200 for n in range(8)}
    engine = RLMEngine(
        ScriptedModel(replies, model="large"), sub_llm=ScriptedModel(always=sub_reply, model="small"), tools=[weather]
    )
    return engine.run("Which notes say yes?", notes).trace


@pytest.fixture(scope="session")
def folded_trace() -> RLMTrace:
    """Of a run whose root LM sums up its older iterations, once at least."""
    steps = iter(range(1, 100))

    def reply(messages: Sequence[Message]) -> str:
        if "sum it up" in messages[-1].content:
            return "Nothing was found so far; the rest is to be read."
        step = next(steps)
        return _repl(f"v{step} = {step}\nprint(context[:2_000])" if step <= 12 else "FINAL(v1)")

    book = "".join(f"line {n}: nothing to see, or little of note\n" for n in range(2_000))
    return RLMEngine(ScriptedModel(always=reply, max_input_tokens=8_000)).run("What is to see?", book).trace


@pytest.fixture(scope="session")
def deep_trace() -> RLMTrace:
    """Of a run with 2,070 model calls below its root, 200 of them failed, at depth 4."""

    def sub_reply(messages: Sequence[Message]) -> str:
        asked = "\n".join(message.content for message in messages)
        if not messages[0].content.startswith("You answer a question about a corpus"):
            if messages[-1].content.startswith("Read 7:"):
                raise ValueError("the server said no")
            return "Nothing of note."
        below = {"Level one?": "Level two?", "Level two?": "Level three?"}
        for question, next_question in below.items():
            if question in asked:
                code = f"said = rlm_query_batched([({next_question!r}, context[n::2]) for n in range(2)])"
                return _repl(f"{code}\nFINAL('|'.join(said))")
        code = "said = llm_query_batched([f'Read {n}: {context[n % len(context)][\"text\"]}' for n in range(50)])"
        return _repl(f"{code}\nFINAL('50')")

    root = [
        _repl("said = rlm_query_batched([('Level one?', context[n::10]) for n in range(10)])"),
        _repl("FINAL(' '.join(said))"),
    ]
    texts = {f"doc-{n}": f"Document {n}. " + "Nothing of note. " * 20 for n in range(200)}
    limits = {"max_depth": 4, "max_sub_calls": 10_000, "max_total_tokens": None}
    engine = RLMEngine(ScriptedModel(root), sub_llm=ScriptedModel(always=sub_reply), limits=limits)
    return engine.run("How many?", texts).trace


@pytest.fixture(scope="session")
def checked_trace() -> RLMTrace:
    """Of two blind runs and a third that reconciles them, each answer checked; the first is refused once."""

    def is_short(answer: str, result: object) -> str | None:
        """Takes short answers alone."""
        return None if len(answer) < 20 else "it is too long: say it in a word"

    verdict = {"verdict": "second", "why": "it stands there", "answer": None}
    cited = "cite('The kiln stands on plot 7.')\n"
    replies = [
        _repl("print(llm_query('Where is the kiln?'))\nFINAL('somewhere behind the old barn')"),
        _repl("FINAL('plot 6')"),
        _repl(f"{cited}FINAL('plot 7')"),
        _repl(f"FINAL({verdict!r})"),
    ]
    engine = RLMEngine(
        ScriptedModel(replies, model="large"),
        sub_llm=ScriptedModel(always=lambda messages: "On plot 7.", model="small"),
        verify=[is_short, Twice()],
    )
    return engine.run("Where is the kiln?", "The kiln stands on plot 7. The barn is old.").trace


@pytest.fixture(scope="session")
def resumed_trace(tmp_path_factory: pytest.TempPathFactory) -> RLMTrace:
    """Of a run that a journal gave back the first half of."""
    usage = Usage(input_tokens=1_000, output_tokens=10, cost_usd=0.25)
    steps = [_repl("x = llm_query('one')\nprint(x)"), _repl("y = llm_query('two')\nFINAL(x + y)")]
    sub = ScriptedModel(always=lambda messages: "yes", model="small", usage=usage)
    journal = tmp_path_factory.mktemp("journal") / "runs.sqlite"
    for scripted in ([steps[0], RuntimeError("down")], [steps[1]]):
        with suppress(RunError):
            root = ScriptedModel(scripted, model="large", usage=usage)
            return RLMEngine(root, sub_llm=sub, journal=journal).run("How many?", "text").trace
    raise AssertionError
