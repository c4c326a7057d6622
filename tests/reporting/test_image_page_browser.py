"""The page of scored images in a real browser, by mouse and by keyboard."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyimgano.reporting.image_page import DETECTED, ImagePage
from pyimgano.types import Prediction
from tests.conftest import texture, with_blot
from tests.reporting.conftest import of_textures

pytestmark = pytest.mark.slow

DARK = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return of_textures(tmp_path_factory.mktemp("good"), (96, 128), 64)


@pytest.fixture
def page(browser: Any, detector: Any, tmp_path: Path) -> Any:
    """Images a to e, of scores 1 to 5 thresholds; b and d are dark; one file is broken."""
    target = ImagePage(
        tmp_path / "page.html", detector, DETECTED, groups=("checked images", "good photos")
    )
    found = detector.predict_one(with_blot(texture(9, (96, 128))))
    for i, name in enumerate(("a", "b", "<b>c", "d \u597d \u0635\u0648\u0631\u0629", "e")):
        score = detector.threshold_ * (0.5 + 0.25 * i)
        told = ("darker: 3 of 10",) if i in (1, 3) else ()
        label = int(score > detector.threshold_)
        target.add(
            with_blot(texture(9, (96, 128))),
            Prediction(f"in/{name}.png", score, label, found.anomaly_map, told, found.nearest),
        )
    target.add_error("in/broken.png", "damaged or cut short")
    target.add_other("good/1.png", 0.5, (), group=1)
    target.write()
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    browser.get((tmp_path / "page.html").as_uri())
    yield browser
    assert [entry["message"] for entry in browser.get_log("browser")] == []


def js(page: Any, code: str) -> Any:
    return page.execute_script(f"return {code}")


def names(page: Any) -> list[str]:
    return js(page, "[...document.querySelectorAll('#table tbody button')].map(b => b.textContent)")


def tally(page: Any) -> list[str]:
    return js(page, "[...document.querySelectorAll('#tally b')].map(b => b.textContent)")


def who(page: Any) -> str:
    return js(page, "document.getElementById('who').textContent")


def press(page: Any, selector: str) -> None:
    page.find_element("css selector", selector).click()


def choose(page: Any, field: str, value: str) -> None:
    page.execute_script(
        "const s = document.getElementById(arguments[0]); s.value = arguments[1];"
        "s.dispatchEvent(new Event('change')); s.dispatchEvent(new Event('input'))",
        field,
        value,
    )


HIGH = "in/e.png", "in/d \u597d \u0635\u0648\u0631\u0629.png"
LOW = "in/<b>c.png", "in/b.png", "in/a.png"


def test_verdicts_are_counted_again_as_the_threshold_moves(page: Any) -> None:
    assert tally(page) == ["2 defect", "3 ok", "1 not scored"]
    choose(page, "threshold", "0")
    assert tally(page) == ["5 defect", "0 ok", "1 not scored"]
    choose(page, "threshold", "1000")
    assert tally(page) == ["0 defect", "5 ok", "1 not scored"]
    assert js(page, "document.querySelectorAll('#table .badge.v0').length") == 5
    assert js(page, "document.getElementById('verdict').textContent") == "ok"
    press(page, "#reset")
    assert tally(page) == ["2 defect", "3 ok", "1 not scored"]


def test_filters_and_sorting(page: Any) -> None:
    assert names(page) == [*HIGH, *LOW, "in/broken.png"]
    press(page, "[data-filter='1']")
    assert names(page) == [*HIGH]
    press(page, "[data-filter=none]")
    assert names(page) == ["in/broken.png"]
    assert "damaged or cut short" in js(page, "document.getElementById('notes').textContent")
    press(page, "[data-filter=all]")
    choose(page, "warned", "darker")
    assert names(page) == [HIGH[1], LOW[1]]
    choose(page, "warned", "none")
    choose(page, "text", "C.PNG")
    assert names(page) == [LOW[0]]
    choose(page, "text", "nothing")
    assert js(page, "document.getElementById('empty').hidden") is False
    assert js(page, "document.getElementById('detail').hidden") is True
    choose(page, "warned", "")
    choose(page, "text", "")
    press(page, "th[data-key=name] button")
    assert names(page)[0] == LOW[0]  # in the order of the locale, marks before letters
    press(page, "th[data-key=score] button")
    press(page, "th[data-key=score] button")
    assert names(page) == [*reversed(LOW), *reversed(HIGH), "in/broken.png"]
    choose(page, "group", "1")
    assert names(page) == ["good/1.png"]
    assert tally(page) == ["2 defect", "3 ok", "1 not scored"]


def test_arrow_keys_go_from_image_to_image_and_the_table_is_one_stop(page: Any) -> None:
    stops = "document.querySelectorAll('#table tbody [tabindex=\"0\"]').length"
    assert (who(page), js(page, stops)) == (HIGH[0], 1)
    page.find_element("css selector", "#table tbody [tabindex='0']").send_keys("\ue015")
    assert who(page) == HIGH[1]
    active = page.switch_to.active_element
    assert active.text == HIGH[1]
    assert js(page, "getComputedStyle(document.activeElement).outlineStyle") == "solid"
    active.send_keys("\ue010")  # End
    assert who(page) == "in/broken.png"
    page.switch_to.active_element.send_keys("\ue011")  # Home
    assert who(page) == HIGH[0]
    page.switch_to.active_element.send_keys("\ue013")  # nothing is above the first
    assert (who(page), js(page, stops)) == (HIGH[0], 1)
    unnamed = "[...document.querySelectorAll('input, select, button')].filter(n => !n.textContent"
    unnamed += " && !n.labels?.length && !n.ariaLabel).length"
    assert js(page, unnamed) == 0


def test_the_chosen_image_has_its_place_the_good_photo_and_a_legend(page: Any) -> None:
    captions = js(page, "[...document.querySelectorAll('#pair figcaption')].map(n => n.innerText)")
    assert captions[0].startswith("Full resolution")
    assert captions[1].startswith("Nearest good photo")
    assert "frame: the patch that the place was compared with" in captions[1]
    loaded = "[...document.querySelectorAll('#detail img')].map(i => i.naturalWidth > 0)"
    for _ in range(50):
        if all(js(page, loaded)):
            break
        time.sleep(0.1)
    assert js(page, loaded) == [True] * 5
    told = js(page, "document.getElementById('legend').ariaLabel")
    assert all(word in told for word in ("no colour below", "highest here", "map threshold"))
    press(page, "#heat-on")
    assert js(page, "getComputedStyle(document.getElementById('heat')).opacity") == "0"
    assert js(page, "performance.getEntriesByType('resource')"
              ".filter(e => !e.name.startsWith('data:')).length") == 0  # fmt: skip


def test_it_is_dark_where_the_system_is(page: Any) -> None:
    light = js(page, "getComputedStyle(document.body).backgroundColor")
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", DARK)
    dark = js(page, "getComputedStyle(document.body).backgroundColor")
    assert (light, dark) == ("rgb(245, 247, 249)", "rgb(20, 24, 29)")
    assert np.mean(eval(js(page, "getComputedStyle(document.body).color")[3:])) > 200
