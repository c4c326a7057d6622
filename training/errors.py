"""The one error that a user of ``training`` meets."""

from __future__ import annotations


class TrainingError(Exception):
    """Says in one line what is wrong with the input, and the way out."""
