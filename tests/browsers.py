"""A browser, where there is one: Debian's Chromium, led by Playwright."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)


@contextmanager
def opened(file: Path, **context: Any) -> "Iterator[tuple[Page, list[str]]]":
    """Open a file in a fresh browser; what the page says in the console or asks for besides itself is in the list."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as browsers:
        browser = browsers.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page, heard = browser.new_context(**context).new_page(), list[str]()
        page.on("console", lambda one: heard.append(one.text))
        page.on("pageerror", lambda one: heard.append(str(one)))
        page.on("request", lambda one: heard.append(one.url) if one.url != file.as_uri() else None)
        page.goto(file.as_uri())
        yield page, heard
        browser.close()
