"""Every error and warning that pyimgano raises on purpose.

Each error derives from :class:`PyimganoError` and from the built-in it specialises, so that
``except ValueError`` keeps working, and its message names the file or argument at fault.
"""


class PyimganoError(Exception):
    """Base of all errors of this package."""


class InvalidInputError(PyimganoError, ValueError):
    """An argument has a value that cannot be used."""


class InvalidTypeError(PyimganoError, TypeError):
    """An argument has the wrong type or dtype."""


class UnknownNameError(PyimganoError, ValueError):
    """A model, dataset or layer of that name does not exist; the message lists near ones."""


class NotFittedError(PyimganoError, ValueError, AttributeError):
    """A detector was used before ``fit`` (both bases as in scikit-learn's error of this name)."""


class ImageReadError(PyimganoError, OSError):
    """One or more image files could not be read; the message names them all."""


class DatasetError(PyimganoError, ValueError):
    """A dataset folder does not have the expected layout."""


class WeightsError(PyimganoError, OSError):
    """Backbone weights are missing, cannot be obtained or do not fit the network."""


class BackboneError(PyimganoError, ValueError):
    """A backbone fails, or gives something else than its info says; the message names it."""


class NotEnoughMemoryError(PyimganoError, MemoryError):
    """What was asked for does not fit the memory there is; the message has the numbers."""


class DetectorFileError(PyimganoError, ValueError, OSError):
    """A fitted-detector file cannot be read, is damaged, or holds what no detector can be."""


class OutputError(PyimganoError, OSError):
    """A result could not be written."""


class WorkerError(PyimganoError, RuntimeError):
    """A process or a machine that worked for this one was lost, and its work with it."""


class MissingDependencyError(PyimganoError, ImportError):
    """An optional package is needed and is not there, or is broken."""


class CheckFailedError(PyimganoError, AssertionError):
    """A detector does not keep what every detector promises."""


class UndefinedMetricWarning(UserWarning):
    """A metric has no value for this input (one class only, no defect region) and is NaN."""


class RepeatedImageWarning(UserWarning):
    """A training image was listed more than once; it is used once."""


class ThresholdWarning(UserWarning):
    """The threshold asked for cannot be estimated from so few training images."""


class RegionWarning(UserWarning):
    """No region of interest, or no foreground, was found in good images: they count whole."""


class PluginWarning(UserWarning):
    """A package that adds to pyimgano (entry-point group ``pyimgano.plugins``) does not load."""
