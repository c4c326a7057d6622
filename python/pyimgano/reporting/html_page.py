"""One self-contained HTML page: table, curves, pictures, filters, threshold slider."""

import base64
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyimgano.images.reading import image_size
from pyimgano.metrics import MetricInfo
from pyimgano.reporting.curves import score_curves, score_histogram
from pyimgano.reporting.image_result import ImageResult
from pyimgano.reporting.page_frame import PICTURE_BYTES, framed
from pyimgano.reporting.results import (
    BenchmarkResult,
    CategoryResult,
    ComparisonResult,
    Results,
    runs_of,
)
from pyimgano.reporting.svg import histogram_plot, line_plot
from pyimgano.reporting.table import explanations, metric_columns, table_of
from pyimgano.utils.text import escaped, printable

_TYPES = {".webp": "image/webp", ".png": "image/png", ".jpg": "image/jpeg"}


@dataclass
class Pictures:
    """Picture files as data URIs, each once, in the order asked for, up to a total size."""

    budget: int
    uris: list[str] = field(default_factory=list)
    left_out: int = 0  #: How many did not fit.
    _known: dict[str, int] = field(default_factory=dict)
    _spent: int = 0

    def add(self, path: Path) -> int | None:
        """The number of a picture; None if it is not there or there is no room for it."""
        try:
            data = path.read_bytes()
        except OSError:
            self.left_out += 1
            return None
        key = hashlib.sha256(data).hexdigest()
        if key not in self._known:
            kind = _TYPES.get(path.suffix.lower(), "application/octet-stream")
            uri = f"data:{kind};base64,{base64.b64encode(data).decode()}"
            if self._spent + len(uri) > self.budget:
                self.left_out += 1
                return None
            self._spent += len(uri)
            self._known[key] = len(self.uris)
            self.uris.append(uri)
        return self._known[key]


@dataclass(frozen=True)
class Block:
    """One category of one run, as the page shows it: the first seed that finished."""

    number: int
    run: int
    result: CategoryResult


def blocks_of(runs: Sequence[BenchmarkResult]) -> list[Block]:
    """All categories that finished with some seed; pictures are those of the first one."""
    found = [
        (r, next((one for one in group if any(i.pictures for i in one.images)), group[0]))
        for r, run in enumerate(runs)
        for row in run.rows
        for group in row.groups
    ]
    names = list(dict.fromkeys(one.title for _, one in found))
    found.sort(key=lambda item: (names.index(item[1].title), item[0]))
    return [Block(n, r, one) for n, (r, one) in enumerate(found)]


def page_data(
    runs: Sequence[BenchmarkResult], blocks: Sequence[Block], folder: Path, budget: int
) -> tuple[dict[str, Any], int]:
    """Plain data for the page, and the number of pictures that did not fit."""
    pictures = Pictures(budget)
    entries: dict[tuple[int, int], dict[str, Any]] = {
        (block.number, i): _image(image)
        for block in blocks
        for i, image in enumerate(block.result.images)
    }
    # The mistakes come first: theirs are the pictures that must not be missing.
    order = sorted(entries, key=lambda key: not _is_mistake(blocks[key[0]].result.images[key[1]]))
    for number, i in order:
        block = blocks[number]
        root = folder / runs[block.run].folder
        for kind, name in block.result.images[i].pictures.items():
            index = pictures.add(root / name)
            if index is not None:
                entries[number, i][kind] = index
                if kind == "image":
                    entries[number, i]["ratio"] = _ratio(root / name)
    plain = [
        {
            "id": block.number,
            "run": block.run,
            "category": printable(block.result.title),
            "threshold": _finite(block.result.threshold),
            "source": block.result.threshold_source or "the training images",
            "maps": any("heat" in image.pictures for image in block.result.images),
            "masks": any("mask" in image.pictures for image in block.result.images),
            "images": [entries[block.number, i] for i in range(len(block.result.images))],
        }
        for block in blocks
    ]
    data = {"runs": [run.title for run in runs], "blocks": plain, "pictures": pictures.uris}
    return data, pictures.left_out


def _image(image: ImageResult) -> dict[str, Any]:
    path = printable(image.path.replace(os.sep, "/"))
    return {
        "name": "/".join(path.split("/")[-2:]),
        "path": path,
        "label": image.label,
        "score": image.score,
    }


def _is_mistake(image: ImageResult) -> bool:
    return image.label is not None and image.label != image.predicted


def _finite(value: float) -> float | None:
    return value if abs(value) < float("inf") else None


def _ratio(path: Path) -> float:
    height, width = image_size(path)
    return round(width / height, 4)


def html_page(results: Results, folder: Path, *, picture_bytes: int = PICTURE_BYTES) -> str:
    """The page as text; every name in it is escaped.

    ``folder`` has the pictures that are named in the results. Those of mistakes come first, up to
    ``picture_bytes``; the page says what was left out.
    """
    runs = runs_of(results)
    blocks = blocks_of(runs)
    data, left_out = page_data(runs, blocks, folder, picture_bytes)
    notes = explanations(results)
    if left_out:
        notes.append(f"{left_out} pictures are missing or were left out to keep this page small")
    first = runs[0] if runs else None
    return framed(
        "benchmark",
        {
            "table": _table(results),
            "hint": escaped(_hint(results)),
            "notes": "".join(f"<li>{escaped(note)}</li>" for note in notes),
            "plots": "".join(_plots(block, runs[block.run]) for block in blocks),
        },
        data,
        title=_title(runs),
        subtitle=_subtitle(runs),
        footer=_versions(first) if first else "",
    )


def plots_of(block: Block, run: BenchmarkResult) -> dict[str, str]:
    """The four plots of a category as SVG, by kind."""
    result = block.result
    labels = [image.label for image in result.images]
    scores = [image.score for image in result.images]
    curves = score_curves(labels, scores)
    auroc, ap, aupro = (
        "n/a" if (v := result.metrics.get(key)) is None or v != v else f"{v:.4f}"
        for key in ("auroc", "average_precision", "aupro")
    )
    limit = run.integration_limit
    found = {
        "hist": histogram_plot("Scores", score_histogram(labels, scores), result.threshold),
        "roc": line_plot(
            "roc", f"ROC, AUROC {auroc}", curves.roc, x="false-positive rate", y="recall"
        ),
        "pr": line_plot("pr", f"Precision-recall, AP {ap}", curves.pr, x="recall", y="precision"),
    }
    if "aupro" in result.metrics:
        points = [(p[0], p[1]) for p in result.pro_curve]
        title = f"PRO up to {limit:g}, AUPRO {aupro}"
        found["pro"] = line_plot(
            "pro", title, points, x="false-positive rate of pixels", y="region overlap", x_max=limit
        )
    return found


def _plots(block: Block, run: BenchmarkResult) -> str:
    key = (
        '<span class="small"><span class="key" style="background:#2e8b57"></span>good'
        '<span class="key" style="background:#d1453b"></span>defect</span>'
    )
    parts = [
        f"<div>{svg}{key if kind == 'hist' else ''}</div>"
        for kind, svg in plots_of(block, run).items()
    ]
    return f'<div data-block="{block.number}">{"".join(parts)}</div>'


def _title(runs: list[BenchmarkResult]) -> str:
    sets = " and ".join(dict.fromkeys(run.dataset for run in runs))
    names = list(dict.fromkeys(c.category for run in runs for c in run.categories))
    what = names[0] if len(names) == 1 else f"{len(names)} categories"
    return f"Anomaly detection on {sets}: {what}"


def _subtitle(runs: list[BenchmarkResult]) -> str:
    models = ", ".join(run.title for run in runs)
    ok = [c for run in runs for c in run.categories if c.error is None]
    n_test = sum({c.category: c.n_test for c in ok}.values())
    n_train = sum({c.category: c.n_train for c in ok}.values())
    learnt = f"{n_train} training images"
    if runs and runs[0].shots:
        learnt = f"{', '.join(map(str, runs[0].shots))} training images per category"
    return f"{models} · {learnt} · {n_test} test images"


def _hint(results: Results) -> str:
    hint = (
        "I- stands for images, P- for pixels. Click a heading to sort, a row for its details;"
        " n/a: undefined, -: not computed."
    )
    if isinstance(results, ComparisonResult):
        hint += " The best value of each category is bold."
    return hint


def _versions(run: BenchmarkResult) -> str:
    return "Made with " + ", ".join(f"{name} {v}" for name, v in run.versions.items())


def _table(results: Results) -> str:
    header, rows = table_of(results)
    n_names = 2 if isinstance(results, ComparisonResult) else 1
    titles = [run.title for run in runs_of(results)]
    best = _best(rows, n_names, metric_columns(results)) if n_names == 2 else set()
    parts = []
    for i, name in enumerate(header):
        kind, side = ("text", ' class="name"') if i < n_names else ("number", "")
        parts.append(
            f'<th scope="col" data-kind="{kind}"{side}>'
            f'<button type="button">{escaped(name)}</button></th>'
        )
    body, foot = [], []
    n_means = sum(len(run.means) for run in runs_of(results))
    for r, row in enumerate(rows):
        cells = [_cell(cell, i < n_names, (r, i) in best) for i, cell in enumerate(row)]
        if r >= len(rows) - n_means:
            foot.append(f"<tr>{''.join(cells)}</tr>")
        elif row[n_names] == "failed":
            body.append(f'<tr class="failed">{"".join(cells)}</tr>')
        else:
            run = titles.index(row[1]) if n_names == 2 else 0
            attributes = f'data-category="{escaped(row[0])}" data-run="{run}"'
            link = f'<td class="name"><a href="#detail">{escaped(row[0])}</a></td>'
            body.append(f'<tr class="pick" {attributes}>{link}{"".join(cells[1:])}</tr>')
    return (
        f'<table id="table"><thead><tr>{"".join(parts)}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody><tfoot>{''.join(foot)}</tfoot></table>"
    )


def _cell(text: str, is_name: bool, is_best: bool) -> str:
    if is_name:
        return f'<td class="name">{escaped(text)}</td>'
    number = _number(text)
    value = "" if number is None else repr(number)
    style = "best" if is_best else "na" if number is None else ""
    return f'<td class="{style}" data-value="{value}">{escaped(text)}</td>'


def _number(text: str) -> float | None:
    try:
        return float(text.partition(" ±")[0])
    except ValueError:
        return None


def _best(
    rows: list[list[str]], n_names: int, metrics: Sequence[MetricInfo]
) -> set[tuple[int, int]]:
    """Cells that hold a category's best value of a metric."""
    found: set[tuple[int, int]] = set()
    for column, info in enumerate(metrics, start=n_names):
        for name in dict.fromkeys(row[0] for row in rows):
            values = {r: _number(row[column]) for r, row in enumerate(rows) if row[0] == name}
            known = {r: v for r, v in values.items() if v is not None}
            if len(known) > 1 and info.higher_is_better is not None:
                top = (max if info.higher_is_better else min)(known.values())
                found |= {(r, column) for r, v in known.items() if v == top}
    return found
