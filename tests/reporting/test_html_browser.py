"""The report page in a real browser."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from pyimgano.reporting.report import save_run_report
from tests.reporting.support import NASTY, category, run, undefined, with_pictures

pytestmark = pytest.mark.slow


@pytest.fixture
def page(browser: Any, tmp_path: Path) -> Any:
    runs = [
        run(with_pictures(tmp_path), category("nut", 0.5), undefined(), label="first"),
        run(category("bolt", 0.25), category("nut", 1.0), label="second"),
    ]
    path = save_run_report(tmp_path, runs)[0]
    browser.get(path.as_uri())
    yield browser
    assert [entry["message"] for entry in browser.get_log("browser")] == []


def js(page: Any, code: str) -> Any:
    return page.execute_script(f"return {code}")


def column(page: Any, number: int) -> list[str]:
    rows = "[...document.querySelectorAll('#table tbody tr')]"
    return js(page, f"{rows}.map(r => r.cells[{number}].textContent)")


def counts(page: Any) -> list[int]:
    return [int(js(page, f"document.getElementById('{k}').textContent")) for k in COUNTS]


def names(page: Any) -> list[str]:
    return js(page, "[...document.querySelectorAll('#gallery .who')].map(n => n.textContent)")


def press(page: Any, selector: str) -> None:
    page.find_element("css selector", selector).click()


COUNTS = ("tp", "fn", "fp", "tn")


def test_the_table_sorts_both_ways_with_undefined_values_last(page: Any) -> None:
    assert column(page, 2) == ["0.7500", "0.2500", "0.5000", "1.0000", "n/a"]
    heading = "#table th:nth-child(3) button"
    press(page, heading)
    assert column(page, 2) == ["1.0000", "0.7500", "0.5000", "0.2500", "n/a"]
    press(page, heading)
    assert column(page, 2) == ["0.2500", "0.5000", "0.7500", "1.0000", "n/a"]
    press(page, "#table th:nth-child(1) button")
    assert column(page, 0) == ["bolt", "bolt", "nut", "nut", "plain"]
    assert js(page, "document.querySelectorAll('th[aria-sort]').length") == 1


def test_counts_and_labels_follow_the_threshold(page: Any) -> None:
    assert counts(page) == [2, 1, 1, 2]
    assert js(page, "document.getElementById('recall').textContent") == "66.7 %"
    slide = "const s = document.getElementById('threshold'); s.value = arguments[0];"
    slide += "s.dispatchEvent(new Event('input'))"
    page.execute_script(slide, 0)
    assert counts(page) == [3, 0, 3, 0]
    page.execute_script(slide, 1000)
    assert counts(page) == [0, 3, 0, 3]
    assert js(page, "document.querySelectorAll('#gallery .missed').length") == 3
    # Typed: 2 is a score of a defect, and a score is anomalous only above the threshold.
    field = page.find_element("id", "threshold-value")
    for value, expected in (("1.999", [3, 0, 1, 2]), ("2", [2, 1, 1, 2])):
        field.clear()
        field.send_keys(value)
        assert counts(page) == expected
    press(page, "#reset")
    assert counts(page) == [2, 1, 1, 2]
    assert float(field.get_attribute("value")) == 3.0


def test_filters_show_the_mistakes(page: Any) -> None:
    assert len(names(page)) == 6
    press(page, "[data-filter=missed]")
    assert names(page) == ["blot/c.png"]
    press(page, "[data-filter=alarm]")
    assert names(page) == ["good/d.png"]
    press(page, "[data-filter=good]")
    assert names(page) == ["good/d.png", "good/e.png", "good/f.png"]
    js(page, "document.getElementById('order').value = 'low'")
    js(page, "document.getElementById('order').dispatchEvent(new Event('change'))")
    assert names(page) == ["good/f.png", "good/e.png", "good/d.png"]
    assert js(page, "document.getElementById('shown').textContent") == "3 of 6 images"


def test_pictures_show_and_names_do_no_harm(page: Any) -> None:
    card = "document.querySelector('#gallery .shot')"
    assert NASTY.rpartition("/")[2] in js(page, f"{card}.querySelector('.who').textContent")
    assert js(page, "window.hacked === undefined")
    captions = js(page, f"[...{card}.querySelectorAll('figcaption')].map(c => c.textContent)")
    assert captions == ["image", "mask", "heat map", "overlay"]
    time.sleep(0.3)
    widths = js(page, f"[...{card}.querySelectorAll('img')].map(i => i.naturalWidth)")
    assert widths == [64, 64, 64, 64, 64]
    press(page, "#gallery .pic")
    assert js(page, "document.getElementById('zoom').open")
    press(page, "#zoom")


def test_a_row_opens_its_category_and_model(page: Any) -> None:
    press(page, "#table tbody tr:nth-child(4) td:nth-child(2)")
    assert js(page, "document.getElementById('detail-title').textContent") == "nut, second"
    assert "AUROC 1.0000" in js(page, "document.querySelector('#plots .roc').textContent")
    press(page, "#table tbody tr:nth-child(5) td:nth-child(2)")
    assert "No threshold" in js(page, "document.getElementById('threshold-note').textContent")
    assert counts(page) == [0, 0, 0, 2]
    assert js(page, "document.getElementById('recall').textContent") == "n/a"


def test_the_page_of_the_screw_run_is_small_and_shows_the_rest_on_request(
    browser: Any, shared_data: Path, tmp_path: Path
) -> None:
    from selenium.webdriver.common.keys import Keys

    from pyimgano.pipelines.mvtec_visa import run_benchmark

    result = run_benchmark(
        dataset="mvtec",
        root=shared_data,
        categories="screw",
        backbone="embedded",
        coreset_ratio=0.01,
        output=tmp_path,
        n_overlays=0,
    )
    path = save_run_report(tmp_path, result)[0]
    assert path.stat().st_size < 25e6
    browser.get(path.as_uri())
    assert len(names(browser)) == 60  # the rest comes on request
    assert js(browser, "document.getElementById('shown').textContent") == "61 of 61 images"
    # By key: cards get their height when they come into sight, so a button at the very end
    # moves while a mouse travels to it.
    browser.find_element("css selector", "#more").send_keys(Keys.ENTER)
    assert len(names(browser)) == 61
    assert sum(counts(browser)) == 61
