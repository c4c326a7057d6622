from __future__ import annotations

import csv
import json
import math
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from pyimgano.errors import InvalidInputError, OutputError
from pyimgano.reporting.report import report_schema, save_run_report
from pyimgano.reporting.results import CategoryResult, ComparisonResult
from pyimgano.reporting.table import table_of
from tests.reporting.support import NASTY, category, run, undefined, with_pictures


class Page(HTMLParser):
    """Tags, texts and the data of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)
        start = text.index('<script type="application/json" id="data">') + 42
        self.data = json.loads(text[start : text.index("</script>", start)])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def read(path: Path) -> Page:
    return Page(path.read_text(encoding="utf-8"))


def test_a_folder_gets_every_part(tmp_path: Path) -> None:
    written = save_run_report(tmp_path / "new/out", run(category("bolt", 0.75)))
    names = [path.relative_to(tmp_path / "new/out").as_posix() for path in written]
    assert names == [
        "report.html",
        "results.json",
        "results.csv",
        "images.csv",
        "results.md",
        "results.tex",
        "plots/bolt-hist.svg",
        "plots/bolt-roc.svg",
        "plots/bolt-pr.svg",
        "plots/bolt-pro.svg",
    ]
    assert all(path.is_file() for path in written)
    for path in written[6:]:
        assert ET.parse(path).getroot().tag.endswith("svg")


@pytest.mark.parametrize("name", ["a.html", "a.json", "a.csv", "a.md", "a.tex"])
def test_a_file_name_gets_one_part(tmp_path: Path, name: str) -> None:
    assert save_run_report(tmp_path / name, run(category("bolt", 0.75))) == [tmp_path / name]
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_json_follows_its_schema(tmp_path: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    check = jsonschema.Draft202012Validator(report_schema())
    jsonschema.Draft202012Validator.check_schema(report_schema())
    failed = CategoryResult(category="nut", seed=0, error="no images")
    one = run(category("bolt", 0.75), undefined(), failed)
    for results in (one, ComparisonResult([replace(one, label="a"), replace(one, label="b")])):
        save_run_report(tmp_path / "r.json", results)
        data = json.loads((tmp_path / "r.json").read_text(), parse_constant=pytest.fail)
        check.validate(data)
    data["runs"][0]["categories"][0]["metrics"]["auroc"] = 1.5
    assert not check.is_valid(data)


def test_json_has_the_mean_and_null_for_what_is_undefined(tmp_path: Path) -> None:
    one = run(category("bolt", 0.5), category("nut", 1.0), undefined())
    save_run_report(tmp_path / "r.json", one)
    data = json.loads((tmp_path / "r.json").read_text())
    assert data["mean"]["auroc"] == 0.75
    plain = data["categories"][2]
    assert plain["metrics"]["auroc"] is None
    assert plain["threshold"] is None
    assert CategoryResult.from_json(plain).threshold == math.inf


def test_csv_rows(tmp_path: Path) -> None:
    failed = CategoryResult(category="nut", seed=1, error='bad "file", gone')
    save_run_report(tmp_path, run(category("bolt", 0.75), undefined(), failed))
    with (tmp_path / "results.csv").open(newline="") as file:
        bolt, plain, nut = list(csv.DictReader(file))
    assert (bolt["category"], bolt["auroc"], bolt["threshold"]) == ("bolt", "0.75", "3.0")
    assert (bolt["pixel_auroc"], bolt["peak_memory_mb"]) == ("", "")
    assert (plain["auroc"], plain["threshold"]) == ("n/a", "inf")
    assert (nut["seed"], nut["auroc"], nut["error"]) == ("1", "", 'bad "file", gone')
    with (tmp_path / "images.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 8
    assert rows[2] == {
        "model": "patchcore",
        "category": "bolt",
        "shots": "",
        "seed": "0",
        "file": "test/blot/c.png",
        "label": "1",
        "score": "2.0",
        "predicted": "0",
        "verdict": "ok",
        "defect_type": "",
        "group": "",
    }


def test_markdown_shows_undefined_numbers_and_escapes_names(tmp_path: Path) -> None:
    save_run_report(tmp_path / "r.md", run(category("a|b<c", 0.75), undefined()))
    lines = (tmp_path / "r.md").read_text().splitlines()
    assert lines[2].startswith("| a\\|b&lt;c | 0.7500 | 0.9000 | 0.8000 | - | - | 0.3750 | 1.5 |")
    assert lines[3].startswith("| plain | n/a | n/a | n/a | - | - | n/a |")
    assert "- plain: all images are normal: image metrics are undefined" in lines


def test_the_page_escapes_every_name(tmp_path: Path) -> None:
    nasty = replace(with_pictures(tmp_path), category='"><img src=x onerror=alert(1)>')
    page_path = save_run_report(tmp_path, run(nasty, label="<b>model</b>"))[0]
    page = read(page_path)
    allowed = {"script": 2, "b": 6, "img": 0}
    for tag, count in allowed.items():
        assert sum(t == tag for t, _ in page.tags) == count, tag
    assert page.data["blocks"][0]["images"][0]["path"].endswith(NASTY)
    assert page.data["blocks"][0]["category"] == nasty.category
    assert nasty.category in page.texts


def test_the_page_needs_no_network(tmp_path: Path) -> None:
    page_path = save_run_report(tmp_path, run(with_pictures(tmp_path)))[0]
    page = read(page_path)
    sources = [v for _, a in page.tags for k, v in a.items() if k in ("src", "href", "action")]
    assert all(v is None or v.startswith(("data:", "#")) for v in sources)
    assert all(uri.startswith("data:image/") for uri in page.data["pictures"])
    first, last = page.data["blocks"][0]["images"][0], page.data["blocks"][0]["images"][5]
    assert {"image", "heat", "mask"} <= first.keys()
    assert "mask" not in last
    # Two images without a defect share one empty heat map.
    assert page.data["blocks"][0]["images"][4]["heat"] == last["heat"]


def test_pictures_beyond_the_budget_are_left_out_mistakes_last(tmp_path: Path) -> None:
    from pyimgano.reporting.html_page import html_page

    one = run(with_pictures(tmp_path))
    full = len(html_page(one, tmp_path))
    page = Page(html_page(one, tmp_path, picture_bytes=3000))
    assert sum(map(len, page.data["pictures"])) <= 3000 < full
    kept = [i for i, image in enumerate(page.data["blocks"][0]["images"]) if "image" in image]
    assert kept[:1] == [2]
    assert any("left out to keep this page small" in text for text in page.texts)


def test_a_run_without_pictures_or_with_undefined_metrics_has_a_page(tmp_path: Path) -> None:
    failed = CategoryResult(category="nut", seed=0, error="no <images>")
    page = read(save_run_report(tmp_path / "r.html", run(undefined(), failed))[0])
    assert page.data["blocks"][0]["threshold"] is None
    assert page.texts.count("n/a") >= 4
    assert any("nut: failed: no <images>" in text for text in page.texts)
    only_failed = read(save_run_report(tmp_path / "f.html", run(failed))[0])
    assert only_failed.data["blocks"] == []


def test_the_best_value_of_each_category_is_marked(tmp_path: Path) -> None:
    runs = [run(category("bolt", a), label=name) for a, name in ((0.5, "a"), (0.75, "b"))]
    page_path = save_run_report(tmp_path / "r.html", runs)[0]
    text = page_path.read_text()
    assert '<td class="best" data-value="0.75">0.7500</td>' in text
    assert '<td class="" data-value="0.5">0.5000</td>' in text


def test_a_folder_that_cannot_be_written_to_and_a_full_disk(
    tmp_path: Path, full_disk: Callable[[str], None]
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        save_run_report(tmp_path / "file", run(category("bolt", 0.75)))
    full_disk("")
    with pytest.raises(OutputError, match=r"report\.html: No space left on device"):
        save_run_report(tmp_path / "out", run(category("bolt", 0.75)))
    with pytest.raises(InvalidInputError, match="no run"):
        save_run_report(tmp_path / "out", [])


def test_categories_may_be_called_as_rows_and_cells_of_tables_are(tmp_path: Path) -> None:
    from pyimgano.reporting.html_page import html_page

    one, two = run(category("mean", 0.5), category("failed", 0.7), label="one"), run(label="two")
    for results in (one, ComparisonResult([one, two])):
        header, rows = table_of(results)
        assert [(row[0], row[header.index("I-AUROC")]) for row in rows] == [
            ("mean", "0.5000"),
            ("failed", "0.7000"),
            ("mean", "0.6000"),
        ]
        page = html_page(results, tmp_path)
        assert page.count('<tr class="pick"') == 2
        assert '<tr class="failed"' not in page
