"""A real headless Chromium, driven over its debugging pipe: two descriptors, JSON, and no further program.

On Debian: apt-get install chromium, or the smaller chromium-headless-shell. Nothing is installed here.
"""

import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from types import TracebackType
from typing import Any, Final, Self

PROGRAMS: Final = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
WAIT_S: Final = 60.0
# The browser reads what is asked of it from descriptor 3 and answers on 4.
_LAUNCHER: Final = 'asked=$1 answered=$2; shift 2; exec 3<&"$asked" 4>&"$answered"; exec "$@"'


def find_chromium() -> str | None:
    """Return the path of a browser, or None where there is none."""
    return next((path for name in PROGRAMS if (path := shutil.which(name))), None)


class Chromium:
    """One browser with one page. It has no network but loopback: every other host is unknown to it."""

    def __init__(self, program: str) -> None:
        self._home = tempfile.mkdtemp(prefix="chromium-")
        asked, self._in = os.pipe()
        self._out, answered = os.pipe()
        options = [
            "--headless",
            "--no-sandbox",  # Chromium's own needs what a container may not have; the pages are ours
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--remote-debugging-pipe",
            f"--user-data-dir={self._home}",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        ]
        self._process = subprocess.Popen(
            [
                "/bin/bash",
                "-c",
                _LAUNCHER,
                "chromium",
                str(asked),
                str(answered),
                program,
                *options,
                "about:blank",
            ],
            pass_fds=(asked, answered),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(asked)
        os.close(answered)
        self._buffer = b""
        self._number = 0
        self._session: str | None = None
        self.errors: list[str] = []
        """What the page wrote to its console as an error, and exceptions that nobody caught."""

    def __enter__(self) -> Self:
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self._ask(f"{domain}.enable")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._in)
        # The other processes of the browser end with the first, and close this when they have.
        while os.read(self._out, 65536):
            pass
        os.close(self._out)
        shutil.rmtree(self._home, ignore_errors=True)

    def open(self, url: str) -> None:
        """Go to a page and wait until it is there."""
        self.errors.clear()
        self._ask("Page.navigate", url=url)
        self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    def evaluate(self, expression: str) -> Any:
        """Return the value of an expression in the page."""
        said = self._ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in said, said
        return said["result"].get("value")

    def until(self, expression: str) -> Any:
        """Wait until an expression is true, and return its value."""
        give_up = time.monotonic() + WAIT_S
        while time.monotonic() < give_up:
            if found := self.evaluate(expression):
                return found
            time.sleep(0.02)
        raise AssertionError(f"{expression} did not become true: {self.evaluate('document.body.innerText')}")

    def type(self, selector: str, text: str) -> None:
        """Put text in place of what a field holds, as a person would."""
        chosen = json.dumps(selector)
        self.evaluate(f"document.querySelector({chosen}).focus()")
        self.evaluate("document.activeElement.select()")
        self._ask("Input.insertText", text=text)

    def click(self, selector: str) -> None:
        """Click on the middle of an element."""
        box = self.evaluate(
            f"(() => {{ const b = document.querySelector({json.dumps(selector)}).getBoundingClientRect();"
            " return {x: b.x + b.width / 2, y: b.y + b.height / 2} })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self._ask("Input.dispatchMouseEvent", type=kind, **box, button="left", clickCount=1)

    def _ask(self, method: str, **params: Any) -> Any:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._in, json.dumps(message).encode() + b"\0")
        while True:
            said = self._hear()
            if said.get("id") == self._number:
                assert "error" not in said, (method, said)
                return said["result"]
            self._note(said)

    def _hear(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._out], [], [], WAIT_S)
            part = os.read(self._out, 65536) if ready else b""
            assert part, "the browser says nothing more"
            self._buffer += part
        message, _, self._buffer = self._buffer.partition(b"\0")
        said: dict[str, Any] = json.loads(message)
        return said

    def _note(self, said: dict[str, Any]) -> None:
        params = said.get("params", {})
        if said.get("method") == "Runtime.exceptionThrown":
            self.errors.append(str(params["exceptionDetails"]))
        elif said.get("method") == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.errors.append(params["entry"]["text"])
