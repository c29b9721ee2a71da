"""A real browser for the panel: the machine's Chromium, driven by Playwright."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
"""By preference: the headless shell, which has no window behind its pages, needs two thirds of the CPU."""
WAIT_MILLISECONDS = 30_000
_AXE = files("axe_playwright_python").joinpath("axe.min.js")


def executable() -> str | None:
    """The browser's program; None if it is not installed."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A running headless browser. Under root, its sandbox does not work."""
    arguments = ["--disable-gpu", *(["--no-sandbox"] if os.getuid() == 0 else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=arguments)
        try:
            yield browser
        finally:
            browser.close()


class PageProblems:
    """A page's problems: console errors, exceptions, requests to other origins."""

    def __init__(self, page: Page, origin: str) -> None:
        self.found: list[str] = []
        page.on("pageerror", lambda error: self.found.append(f"exception: {error}"))
        page.on("console", lambda message: self._console(message.type, message.text))
        page.on("request", lambda request: self._request(request.url, origin))

    def _console(self, kind: str, text: str) -> None:
        # A lost connection and a refused request are logged by the browser itself.
        if kind in ("error", "warning") and "Failed to load resource" not in text:
            self.found.append(f"{kind}: {text}")

    def _request(self, url: str, origin: str) -> None:
        if not url.startswith((origin, "data:", "blob:")):
            self.found.append(f"request to {url}")


def violations(page: Page) -> list[str]:
    """The findings of axe-core on the current page: each rule with the elements that violate it."""
    if page.evaluate("typeof window.axe") == "undefined":
        page.evaluate(_AXE.read_text())
    result: dict[str, Any] = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{violation['id']}: {node['target']} {node['failureSummary']}"
        for violation in result["violations"]
        for node in violation["nodes"]
    ]
