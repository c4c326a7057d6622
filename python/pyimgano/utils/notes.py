"""Warnings of this package as notes in a result."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def noting(*categories: type[Warning]) -> Iterator[list[str]]:
    """Collect the texts of some warnings, each once; all others are passed on at the end."""
    notes: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        for category in categories:
            warnings.simplefilter("always", category)
        yield notes
    for warning in caught:
        text = str(warning.message)
        if not issubclass(warning.category, categories):
            warnings.warn_explicit(
                warning.message, warning.category, warning.filename, warning.lineno
            )
        elif text not in notes:
            notes.append(text)
