"""Results as a table for LaTeX, with the packages that it needs named."""

from collections.abc import Sequence

from pyimgano.reporting.results import ComparisonResult, Results
from pyimgano.reporting.table import explanations, table_of
from pyimgano.utils.text import printable

#: What LaTeX would take for a command.
_SPECIAL = {
    **{c: f"\\{c}" for c in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "±": r"$\pm$",
}


def latex_table(results: Results) -> str:
    """The table as a LaTeX ``tabular``, with its explanations as comments before it."""
    header, rows = table_of(results)
    n_left = 2 if isinstance(results, ComparisonResult) else 1
    return latex_tabular(header, rows, n_left, explanations(results))


def latex_tabular(
    header: Sequence[str], rows: Sequence[Sequence[str]], n_left: int, notes: Sequence[str]
) -> str:
    """A ``tabular`` of the package booktabs: first columns to the left, others to the right."""
    columns = "l" * n_left + "r" * (len(header) - n_left)
    body = [" & ".join(map(latex_text, row)) + r" \\" for row in (header, *rows)]
    lines = ["% needs \\usepackage{booktabs}", *(f"% {printable(note)}" for note in notes)]
    lines += [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", body[0], r"\midrule", *body[1:]]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def latex_text(text: str) -> str:
    """Text in which nothing is a command."""
    return "".join(_SPECIAL.get(c, c) for c in printable(text))
