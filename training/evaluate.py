"""A student inside PatchCore: what the package's own benchmark says of it and of others."""

from __future__ import annotations

from pathlib import Path

from pyimgano.cli import benchmark
from training.errors import TrainingError
from training.network import read_network, to_onnx

SYNTHETIC = (
    *("blister", "board", "brushed_metal", "cap", "fabric"),
    *("gear", "leather", "mesh", "wood"),
)


def evaluate(network: Path, folder: Path, sets: dict[str, Path], others: list[str]) -> None:
    """PatchCore at 256 px, coreset 10 %, for each set; tables and reports go to ``folder``.

    Parameters
    ----------
    network
        Released file of a student; its ONNX export is written to ``folder``.
    sets
        Root of each data set by its name: ``synthetic`` or ``mvtec``.
    others
        Further backbones in the same tables: ``embedded``, ONNX files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    exported = folder / f"{network.stem}.onnx"
    to_onnx(read_network(network)[0], exported)
    models = [f"patchcore:{backbone}" for backbone in (str(exported), *others)]
    for dataset, root in sets.items():
        categories = SYNTHETIC if dataset == "synthetic" else ["all"]
        options = ["--dataset", dataset, "--root", str(root), "--category", *categories]
        options += ["--model", *models, "--image-size", "256", "--coreset-ratio", "0.1"]
        options += ["--metric-size", "256", "--output", str(folder / dataset), "--overwrite"]
        if benchmark.main(options) != 0:
            raise TrainingError(f"{root}: the benchmark of {dataset} failed, see above")
