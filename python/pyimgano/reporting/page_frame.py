"""What the HTML pages of this package have in common: one file, with styles, data and script."""

import json
import re
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from pyimgano.utils.text import escaped

#: Most bytes of pictures in a page, in the form in which they are inlined.
PICTURE_BYTES = 23_000_000


def framed(
    name: str,
    fields: Mapping[str, str],
    data: Any,
    *,
    title: str,
    subtitle: str,
    footer: str,
    wide: bool = False,
) -> str:
    """A page as text.

    ``NAME.html`` of the folder ``page`` is its body, with ``fields`` in HTML; ``NAME.js`` is its
    script, which finds ``data`` in ``data``.
    """
    return _fill(
        _asset("frame.html"),
        {
            "title": escaped(title),
            "subtitle": escaped(subtitle),
            "style": _asset("style.css"),
            "width": "wide" if wide else "",
            "main": _fill(_asset(f"{name}.html"), fields),
            "footer": escaped(footer),
            "data": _embed(data),
            "common": _asset("common.js"),
            "script": _asset(f"{name}.js"),
        },
    )


def _asset(name: str) -> str:
    return files("pyimgano.reporting").joinpath("page", name).read_text(encoding="utf-8")


def _fill(template: str, values: Mapping[str, str]) -> str:
    """Replace the fields of a template in one pass: what is put in is not looked at again."""
    return re.sub(r"\{\{(\w+)\}\}", lambda match: values[match[1]], template)


def _embed(data: Any) -> str:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
