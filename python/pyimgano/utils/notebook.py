"""What results show in a notebook: tables in HTML, frames of pandas, axes of matplotlib."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pyimgano.utils.optional_deps import require
from pyimgano.utils.text import escaped


def html_table(header: Sequence[str], rows: Iterable[Sequence[str]], caption: str = "") -> str:
    """A table in HTML; every text in it is escaped."""
    head = "".join(f'<th scope="col">{escaped(one)}</th>' for one in header)
    body = "".join(f"<tr>{''.join(f'<td>{escaped(c)}</td>' for c in row)}</tr>" for row in rows)
    title = f"<caption>{escaped(caption)}</caption>" if caption else ""
    return f"<table>{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def frame(columns: Mapping[str, Any]) -> Any:
    """A pandas.DataFrame; without pandas a MissingDependencyError says how to install it."""
    return require("pandas", extra="pandas", purpose="to_pandas()").DataFrame(dict(columns))


def axes(ax: Any = None) -> Any:
    """The matplotlib axes to draw on: those given, or new ones; as for :func:`frame`."""
    if ax is not None:
        return ax
    pyplot = require("matplotlib.pyplot", extra="plot", purpose="plot()")
    return pyplot.subplots(layout="constrained")[1]
