"""Several models on the same categories."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pyimgano.errors import InvalidInputError
from pyimgano.models import create_model
from pyimgano.pipelines.checkpoints import ReportFile, keys
from pyimgano.pipelines.mvtec_visa import resolve_categories, run_benchmark
from pyimgano.pipelines.shots import DRAWS, check_shots
from pyimgano.reporting.output_folder import OutputFolder
from pyimgano.reporting.report import REPORT_FILES
from pyimgano.reporting.results import CategoryResult, ComparisonResult


@dataclass(frozen=True)
class ModelSpec:
    """A model with its parameters, and what it is called in tables."""

    model: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    label: str = ""

    @classmethod
    def parse(cls, text: str) -> ModelSpec:
        """``MODEL`` or ``MODEL:BACKBONE``."""
        model, colon, backbone = text.partition(":")
        if not model or (colon and not backbone):
            raise InvalidInputError(f"{text!r} is no model: give MODEL or MODEL:BACKBONE")
        return cls(model, {"backbone": backbone} if backbone else {}, text)

    @property
    def title(self) -> str:
        """The label, or the model's name."""
        return self.label or self.model

    @property
    def folder(self) -> str:
        """The title as a folder name."""
        return re.sub(r"[^A-Za-z0-9._-]+", "-", self.title).strip(".-") or "model"


def run_comparison(
    models: Sequence[str | ModelSpec],
    *,
    output: str | os.PathLike[str] | None = None,
    on_result: Callable[[str, CategoryResult], None] | None = None,
    **options: Any,
) -> ComparisonResult:
    """Run the benchmark with several models, one after the other.

    Parameters
    ----------
    models
        :class:`ModelSpec`, or text as for :meth:`ModelSpec.parse`.
    output
        Folder with one folder per model, each as :func:`run_benchmark` writes it (resumable in the
        same way), and ``results.json`` with all of them, rewritten after every model.
    on_result
        Called with the model's title and each finished or failed category.
    **options
        Everything else that :func:`run_benchmark` takes except ``model`` and ``label``; parameters
        of models are those of the specs.

    Raises
    ------
    PyimganoError
        As :func:`run_benchmark` does; names and parameters of all models are checked first.
    """
    specs = [ModelSpec.parse(m) if isinstance(m, str) else m for m in models]
    if not specs:
        raise InvalidInputError("models is empty: name at least one")
    for names in ([s.title for s in specs], [s.folder for s in specs]):
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise InvalidInputError(f"two models are called {twice!r}: give them labels")
    for spec in specs:
        detector = create_model(spec.model, **spec.parameters)
        if hasattr(detector, "validate"):
            detector.validate()
    result = ComparisonResult([])
    with ExitStack() as stack:
        report = None
        if output is not None:
            report = _report_file(
                stack.enter_context(OutputFolder(output, "benchmark")), specs, options
            )
        for spec in specs:
            run = run_benchmark(
                model=spec.model,
                label=spec.title,
                output=None if output is None else Path(output, spec.folder),
                on_result=None if on_result is None else _named(on_result, spec.title),
                **options,
                **spec.parameters,
            )
            result.runs.append(replace(run, folder=spec.folder))
            if report is not None:
                report.write(result)
    return result


def _report_file(
    output: OutputFolder, specs: Sequence[ModelSpec], options: Mapping[str, Any]
) -> ReportFile:
    names = resolve_categories(options["dataset"], options["root"], options.get("categories"))
    seeds, shots = options.get("seeds", (0,)), options.get("shots")
    numbers = [None] if shots is None else check_shots(shots, seeds, options.get("draw", DRAWS[0]))
    wanted = {key for spec in specs for key in keys(spec.title, names, seeds, numbers)}
    output.check(*REPORT_FILES)
    return ReportFile(output, wanted, overwrite=options.get("overwrite", False))


def _named(
    report: Callable[[str, CategoryResult], None], title: str
) -> Callable[[CategoryResult], None]:
    return lambda one: report(title, one)
