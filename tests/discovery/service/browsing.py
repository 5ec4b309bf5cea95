"""A real Chromium and a service in this process, for tests of the page."""

from __future__ import annotations

import os
import shutil
import socket
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
WAIT_S = 90.0

needs_chromium = pytest.mark.skipif(
    not (CHROMIUM and DRIVER),
    reason="there is no Chromium with its driver: apt-get install chromium chromium-driver",
)


@contextmanager
def served(app: Any) -> Iterator[str]:
    """Serves an application on a free port of this machine and gives its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(app, log_level="error", lifespan="off", timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    finally:
        server.should_exit = True
        thread.join(30)
        listener.close()


class Browser:
    """A Chromium without a window. What it cannot do shows itself as an error of the test."""

    def __init__(self, downloads: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from selenium import webdriver
            from selenium.webdriver.chrome.service import Service
        options = webdriver.ChromeOptions()
        options.binary_location = str(CHROMIUM)
        for argument in (
            "--headless=new",
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
            "--window-size=1300,1000",
        ):
            options.add_argument(argument)
        options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        options.set_capability("unhandledPromptBehavior", "ignore")  # a script that asks is to be seen
        self.driver = webdriver.Chrome(options=options, service=Service(DRIVER))
        self.driver.set_script_timeout(WAIT_S)
        self.driver.set_page_load_timeout(WAIT_S)

    def close(self) -> None:
        """Ends it."""
        self.driver.quit()

    def open(self, address: str) -> None:
        """Goes to an address, and forgets the page that was there."""
        self.driver.get("about:blank")
        self.faults()
        self.driver.get(address)

    def run(self, script: str, *values: object) -> Any:
        """Returns what a script returns, a promise's value included."""
        body = f"const done = arguments[arguments.length - 1]; (async () => {{ {script} }})().then(done, (e) => done({{error: String(e)}}))"
        found = self.driver.execute_async_script(body, *values)
        assert not (isinstance(found, dict) and "error" in found), found
        return found

    def wait(self, condition: str | Callable[[], Any], *values: object) -> Any:
        """Waits until an expression, or a function, holds, and returns its value."""
        from selenium.webdriver.support.ui import WebDriverWait

        def look(_: object) -> Any:
            return condition() if callable(condition) else self.run(f"return {condition}", *values)

        return WebDriverWait(self.driver, WAIT_S, 0.2).until(look, f"it did not come to: {condition}")

    def click(self, selector: str, label: str = "") -> None:
        """Clicks the first element of a selector that shows this text."""
        found = "[...document.querySelectorAll(arguments[0])].find((e) => e.offsetParent && e.textContent.includes(arguments[1]))"
        self.wait(f"!!{found}", selector, label)
        self.run(f"{found}.click()", selector, label)

    def type(self, selector: str, text: str) -> None:
        """Writes into a field, as keys do."""
        from selenium.webdriver.common.by import By

        field = self.driver.find_element(By.CSS_SELECTOR, selector)
        field.clear()
        field.send_keys(text)

    def text(self, selector: str = "body") -> str:
        """Returns what an element shows."""
        return str(self.run("return document.querySelector(arguments[0])?.innerText ?? ''", selector))

    def faults(self) -> list[str]:
        """Returns what the console holds of errors since the last look."""
        entries = self.driver.get_log("browser")
        return [entry["message"] for entry in entries if entry["level"] == "SEVERE"]

    def shoot(self, name: str, folder: Path, *, whole: bool = True) -> None:
        """Saves the page, `whole` or as far as it is seen, wide and narrow, in a folder or where DISCOVERY_SCREENSHOTS says."""
        folder = Path(os.environ.get("DISCOVERY_SCREENSHOTS", folder))
        folder.mkdir(parents=True, exist_ok=True)
        for width in (1300, 400):
            self.size(width, 900)
            height = self.run("return document.documentElement.scrollHeight")
            self.size(width, min(int(height), 8000) if whole else 900)
            assert self.run("return document.documentElement.scrollWidth") <= width, (
                f"{name} is wider than {width} px"
            )
            self.driver.save_screenshot(str(folder / f"{name}-{width}.png"))
        self.size(1300, 1000)

    def size(self, width: int, height: int) -> None:
        """Gives the page a size, and two frames to draw itself."""
        shape = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", shape)
        self.run(
            "for (let n = 0; n < 3; n++) await new Promise(requestAnimationFrame); await new Promise((r) => setTimeout(r, 300))"
        )
