"""How long a report page takes to open in headless Chromium, new and warm.

    python benches/page_load.py PAGE.html [--rounds 5]

"New" starts a browser for each round, "warm" opens the page again in the same one. Both are the
navigation's own time from its start to the end of its load event (W3C Navigation Timing). Needs
Chromium with its driver, and selenium.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
from pathlib import Path
from typing import Any

from selenium import webdriver

LOADED = "return performance.getEntriesByType('navigation')[0].loadEventEnd"
ASKED = "return performance.getEntriesByType('resource').map(entry => entry.name)"


def new_browser() -> Any:
    """A headless Chromium, as the page's tests start it."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome") or ""
    for argument in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "disable-gpu"):
        options.add_argument(f"--{argument}")
    options.add_argument("--window-size=1280,1600")
    service = webdriver.ChromeService(executable_path=shutil.which("chromedriver"))
    return webdriver.Chrome(options=options, service=service)


def opened(browser: Any, page: Path) -> float:
    """Milliseconds until `page` is loaded; exits if it asked for anything else."""
    browser.get("about:blank")
    browser.get(page.resolve().as_uri())
    outside = [name for name in browser.execute_script(ASKED) if not name.startswith("data:")]
    if outside:
        raise SystemExit(f"{page} asks for {outside[0]}")
    return float(browser.execute_script(LOADED))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("page", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    new, warm = [], []
    for _ in range(given.rounds):
        browser = new_browser()
        try:
            new.append(opened(browser, given.page))
            warm.append(opened(browser, given.page))
        finally:
            browser.quit()
    print(f"{given.page}: {given.page.stat().st_size / 1e6:.1f} MB, median of {given.rounds}")
    for name, times in (("new browser", new), ("warm", warm)):
        print(f"{name:12} {statistics.median(times):6.0f} ms (worst {max(times):.0f})")


if __name__ == "__main__":
    main()
