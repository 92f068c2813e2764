"""A browser to drive pages with, where one is installed: Chromium over the WebDriver protocol."""

import json
import shutil
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"]  # fmt: skip


class Browser:
    """A page in a browser; `js` runs the body of a function in it."""

    def __init__(self, server, options):
        self.url, self.ids = f"{server}/session", ""
        self.downloads = Path(options["prefs"]["download.default_directory"])
        always = {"goog:chromeOptions": options, "unhandledPromptBehavior": "accept"}
        self.ids = self.send("POST", "", capabilities={"alwaysMatch": always})["sessionId"]
        self.url = f"{self.url}/{self.ids}"

    def send(self, method, path, **body):
        data = json.dumps(body).encode() if method == "POST" else None
        request = urllib.request.Request(f"{self.url}{path}", data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return json.load(response)["value"]
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(json.load(error)["value"]["message"]) from None

    def open(self, page):
        self.send("POST", "/url", url=page.as_uri())

    def js(self, body, *args):
        return self.send("POST", "/execute/sync", script=body, args=args)

    def text(self, css):
        return self.js("return document.querySelector(arguments[0]).innerText", css)

    def click(self, css):
        self.send("POST", f"/element/{self._found(css)}/click")

    def type(self, css, text):
        self.send("POST", f"/element/{self._found(css)}/value", text=text)

    def drag(self, start, end):
        """The pointer pressed at one point of the window and let go at another."""
        steps = [{"type": "pointerMove", "x": start[0], "y": start[1]}, {"type": "pointerDown", "button": 0},
                 {"type": "pointerMove", "x": end[0], "y": end[1]}, {"type": "pointerUp", "button": 0}]  # fmt: skip
        self.send("POST", "/actions", actions=[{"type": "pointer", "id": "mouse", "actions": steps}])

    def _found(self, css):
        return next(iter(self.send("POST", "/element", using="css selector", value=css).values()))

    def saved(self, name):
        """The rows of the file that the page saved."""
        file = self.downloads / name
        for _ in range(100):
            if file.exists():
                rows = [json.loads(line) for line in file.read_text().split("\n")[:-1]]
                file.unlink()
                return rows
            self.js("return 0")
        raise AssertionError(f"{name} wasn't saved")


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    driver, chromium = shutil.which("chromedriver"), shutil.which("chromium")
    if not driver or not chromium:
        pytest.skip("no chromium and chromedriver here")
    home = tmp_path_factory.mktemp("browser")
    options = {
        "binary": chromium,
        "args": [*FLAGS, f"--user-data-dir={home / 'profile'}"],
        "prefs": {"download.default_directory": str(home)},
    }
    with subprocess.Popen([driver, "--port=0"], stdout=subprocess.PIPE, text=True) as process:
        try:
            told = next(line for line in process.stdout if "started successfully on port" in line)
            opened = Browser(f"http://127.0.0.1:{told.split()[-1].rstrip('.')}", options)
            opened.send("POST", "/window/rect", width=1000, height=1400)
            yield opened
            opened.send("DELETE", "")
        finally:
            process.terminate()
            process.stdout.close()
