"""Errors that are scikit-learn's as well: imported when one is raised, for that takes a moment."""

from sklearn import exceptions

from pyimgano import errors


class NotFittedError(errors.NotFittedError, exceptions.NotFittedError):  # type: ignore[misc]
    """What a detector raises that was not fitted, for whoever expects either of the two."""
