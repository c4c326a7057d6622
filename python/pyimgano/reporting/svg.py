"""Small plots as SVG text: no plotting library needed."""

import math
from collections.abc import Sequence
from html import escape

from pyimgano.reporting.curves import Histogram, Points

WIDTH, HEIGHT = 300, 236
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 14, 28, 40


class _Frame:
    """Axes with a title, and the way from data to the drawing."""

    def __init__(self, x: tuple[float, float], y: tuple[float, float]) -> None:
        self.x, self.y = x, y

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where a data point lies."""
        across = (x - self.x[0]) / (self.x[1] - self.x[0])
        up = (y - self.y[0]) / (self.y[1] - self.y[0])
        return (
            round(_LEFT + across * (WIDTH - _LEFT - _RIGHT), 2),
            round(HEIGHT - _BOTTOM - up * (HEIGHT - _TOP - _BOTTOM), 2),
        )

    def axes(self, title: str, x_name: str, y_name: str) -> list[str]:
        """Grid, ticks and names."""
        parts = [f'<text class="t" x="{_LEFT}" y="16">{escape(title)}</text>']
        bottom, top = HEIGHT - _BOTTOM, _TOP
        for value in ticks(*self.x):
            x, _ = self.at(value, self.y[0])
            parts.append(f'<path class="g" d="M{x} {top}V{bottom}"/>')
            parts.append(f'<text class="n m" x="{x}" y="{bottom + 14}">{short(value)}</text>')
        for value in ticks(*self.y):
            _, y = self.at(self.x[0], value)
            parts.append(f'<path class="g" d="M{_LEFT} {y}H{WIDTH - _RIGHT}"/>')
            parts.append(f'<text class="n e" x="{_LEFT - 5}" y="{y + 3.5}">{short(value)}</text>')
        middle = (_LEFT + WIDTH - _RIGHT) / 2
        parts.append(f'<text class="a m" x="{middle}" y="{HEIGHT - 6}">{escape(x_name)}</text>')
        height = (top + bottom) / 2
        parts.append(
            f'<text class="a m" transform="translate(11 {height}) rotate(-90)">'
            f"{escape(y_name)}</text>"
        )
        return parts


def ticks(low: float, high: float, n: int = 5) -> list[float]:
    """Round numbers within a range."""
    raw = (high - low) / n
    power = 10.0 ** math.floor(math.log10(raw))
    step = next((m * power for m in (1, 2, 2.5, 5) if m * power >= raw * 0.999), 10 * power)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


def short(value: float) -> str:
    """A tick's number without noise."""
    return f"{value:.4g}"


def _wrap(kind: str, parts: Sequence[str], description: str, data: str = "") -> str:
    return (
        f'<svg class="plot {kind}" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
        f' xmlns="http://www.w3.org/2000/svg" aria-label="{escape(description)}"{data}>'
        f"{''.join(parts)}</svg>"
    )


def line_plot(kind: str, title: str, points: Points, *, x: str, y: str, x_max: float = 1.0) -> str:
    """A curve in the unit square (or its left part); says so where there is none."""
    frame = _Frame((0.0, x_max), (0.0, 1.0))
    parts = frame.axes(title, x, y)
    if points:
        shown = _clip(points, x_max)
        path = "L".join(f"{a} {b}" for a, b in (frame.at(*p) for p in shown))
        if kind != "pr":
            right, floor = frame.at(shown[-1][0], 0.0)
            left, _ = frame.at(shown[0][0], 0.0)
            parts.append(f'<path class="f" d="M{left} {floor}L{path}L{right} {floor}Z"/>')
        parts.append(f'<path class="l" d="M{path}"/>')
        parts.append('<circle class="dot" r="4.5" cx="-20" cy="-20"/>')
    else:
        parts.append(_nothing())
    return _wrap(kind, parts, title)


def _clip(points: Points, x_max: float) -> Points:
    """The part up to ``x_max``, its last point interpolated."""
    kept = [p for p in points if p[0] <= x_max]
    beyond = next((p for p in points if p[0] > x_max), None)
    if beyond is not None and kept and kept[-1][0] < x_max:
        (x0, y0), (x1, y1) = kept[-1], beyond
        kept.append((x_max, y0 + (y1 - y0) * (x_max - x0) / (x1 - x0)))
    return kept


def histogram_plot(title: str, histogram: Histogram, threshold: float) -> str:
    """Scores of normal and anomalous images, with the threshold as a line."""
    edges = histogram.edges
    low, high = float(edges[0]), float(edges[-1])
    if math.isfinite(threshold):
        low, high = min(low, threshold), max(high, threshold)
    pad = 0.03 * (high - low)
    top = max(1, *(int(c.max()) for c in (histogram.normal, histogram.anomalous)))
    top = max(top, int(histogram.unknown.max()))
    frame = _Frame((low - pad, high + pad), (0.0, top * 1.08))
    parts = frame.axes(title, "image score", "images")
    for name, counts in (
        ("ok", histogram.normal),
        ("bad", histogram.anomalous),
        ("any", histogram.unknown),
    ):
        for i, count in enumerate(counts.tolist()):
            if count:
                x0, y0 = frame.at(float(edges[i]), count)
                x1, y1 = frame.at(float(edges[i + 1]), 0)
                width, height = max(1.0, round(x1 - x0 - 0.6, 2)), round(y1 - y0, 2)
                parts.append(
                    f'<rect class="{name}" x="{x0}" y="{y0}" width="{width}" height="{height}"/>'
                )
    (x_low, y_low), (x_high, y_high) = (
        frame.at(frame.x[0], 0.0),
        frame.at(frame.x[1], frame.y[1]),
    )
    at = frame.at(threshold, 0.0)[0] if math.isfinite(threshold) else -20
    parts.append(f'<path class="cut" d="M0 {y_low}V{y_high}" transform="translate({at} 0)"/>')
    data = (
        f' data-low="{frame.x[0]!r}" data-high="{frame.x[1]!r}"'
        f' data-left="{x_low}" data-right="{x_high}"'
    )
    return _wrap("hist", parts, title, data)


_STYLE = (
    "svg{font:11px sans-serif;background:#fff}.t{font-size:12.5px;font-weight:600}"
    ".n{font-size:10px;fill:#5c6977}.a{fill:#5c6977}.m{text-anchor:middle}.e{text-anchor:end}"
    ".g{stroke:#e8ecf0}.l{fill:none;stroke:#1f6feb;stroke-width:2}.f{fill:#1f6feb;opacity:.09}"
    ".dot{display:none}.ok{fill:#2e8b57;opacity:.62}.bad{fill:#d1453b;opacity:.62}"
    ".any{fill:#5c6977;opacity:.62}.cut{stroke:#1b2430;stroke-dasharray:4 3}"
)


def standalone(svg: str) -> str:
    """A plot as a file of its own: with its style and a size."""
    end = svg.index(">")
    size = f' width="{2 * WIDTH}" height="{2 * HEIGHT}"'
    return f"{svg[:end]}{size}><style>{_STYLE}</style>{svg[end + 1 :]}\n"


def _nothing() -> str:
    x, y = (_LEFT + WIDTH - _RIGHT) / 2, (HEIGHT + _TOP - _BOTTOM) / 2
    return f'<text class="a m" x="{x}" y="{y}">n/a</text>'
