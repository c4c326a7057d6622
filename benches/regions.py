"""Figures with and without a region of interest: `docs/ignoring-the-background.md` has them.

Usage: python benches/regions.py ROOT [--dataset mvtec] [--categories NAME ...] [--roi FILE ...]

Each category is learnt and tested as a whole image and with each region; a row for each.
"""

from __future__ import annotations

import argparse

from pyimgano.pipelines.mvtec_visa import run_benchmark

COLUMNS = ("auroc", "pixel_auroc", "pixel_ap", "aupro")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root")
    parser.add_argument("--dataset", default="mvtec")
    parser.add_argument("--categories", nargs="+")
    parser.add_argument("--roi", nargs="+", default=["auto"])
    args = parser.parse_args()
    print("| category | region | left out | " + " | ".join(COLUMNS) + " | found | false alarms |")
    for roi in [None, *args.roi]:
        run = run_benchmark(
            dataset=args.dataset,
            root=args.root,
            categories=args.categories,
            backbone="embedded",
            image_size=256,
            coreset_ratio=0.1,
            roi=roi,
        )
        for one in run.categories:
            said = [note for note in one.notes if "region" in note or "whole" in note]
            left_out = said[0].rpartition(": ")[2] if said else ""
            figures = " | ".join(f"{one.metrics[key]:.3f}" for key in COLUMNS)
            counts = [
                f"{sum(i.predicted for i in these)} of {len(these)}"
                for these in ([i for i in one.images if i.label == k] for k in (1, 0))
            ]
            print(f"| {one.category} | {roi} | {left_out} | {figures} | {' | '.join(counts)} |")


if __name__ == "__main__":
    main()
