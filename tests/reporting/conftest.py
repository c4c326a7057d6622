"""A real browser for pages, and a detector to make some of."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pyimgano
from tests.conftest import texture, write_image


def of_textures(folder: Path, shape: tuple[int, int], image_size: int) -> Any:
    """A detector that has learnt from six good photos, which lie in the folder."""
    for i in range(6):
        write_image(folder / f"{i}.png", texture(i, shape))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = pyimgano.create_model("patchcore", backbone="filterbank", image_size=image_size)
        return made.fit(sorted(map(str, folder.iterdir())))


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    program = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("no chromium with chromedriver is installed")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for argument in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "disable-gpu"):
        options.add_argument(f"--{argument}")
    options.add_argument("--window-size=1280,1600")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(executable_path=driver)
    chrome = webdriver.Chrome(options=options, service=service)
    yield chrome
    chrome.quit()
