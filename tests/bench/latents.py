"""What is an architecture worth, and what a beginning? Networks that draw in the latents of `autoencoder-emoji`, at equal
multiply-adds: a U-Net and a Transformer from fresh weights, and a U-Net from those of a model of small pictures. And what are
latents worth? The same U-Net in 16 x 16 pixels, from fresh weights, too.

`python tests/bench/latents.py scratch latent-emoji DIR` trains a preset's U-Net from fresh weights, as long as `dit-emoji`;
`glide-emoji` is the one in pixels, and the others are presets.
`python tests/bench/latents.py score SCRATCH DIT BEGUN PIXELS` scores four runs: notebook 09 shows the rows, which are in
`ddpm_lite/assets/studies/latents.json`. Each training takes 35 to 80 minutes of one core, each score about 5.
`python tests/bench/latents.py cost` times ten pictures of each way to draw, in turn, and prints the rows of
`ddpm_lite/assets/studies/cost.json`: seconds of one core for a picture, the median of the rounds.
"""

import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import torch

from ddpm_lite import __main__ as cli
from ddpm_lite.models import evaluation, presets, trained
from ddpm_lite.networks.unet import UNet

KEYS = ("composed_colour", "composed_number", "composed_worn", "composed_place", "names", "frechet_drawn")
WISHES, ROUNDS, HOW = ["a panda with a party hat"] * 10, 9, {"steps": 15, "method": "dpm-solver++", "scale": 4.0}
NAMES = ("U-Net", "Transformer", "U-Net that has drawn small pictures", "U-Net in 16 x 16 pixels")


def scratch(name: str, folder: str) -> int:
    """Train the U-Net of a preset from fresh weights."""
    presets.PRESETS[name] = replace(presets.PRESETS[name], begin=None)
    steps = presets.PRESETS["dit-emoji"].training.steps
    return cli.main(["train", name, "--steps", str(steps), "--out", folder, "--resume"])


def score(*folders: str) -> int:
    """Print the rows of the study."""
    rows = []
    for name, folder in zip(NAMES, folders, strict=True):
        model = trained.load(folder, "cpu")
        assert model.made is not None, "a run says how long it took"
        found = evaluation.score(model)  # details are those of 64 x 64 pixels
        done = {"pictures": model.made.step * model.recipe.training.batch_size, "minutes": round(model.made.seconds / 60, 1)}
        rows.append({"name": name, **done, **{key: round(found[key], 4) for key in KEYS if key in found}})
    print(json.dumps(rows, indent=2))
    return 0


def cost() -> int:
    """Print the seconds of one core that a picture takes."""
    torch.set_num_threads(1)
    small, enlarger, latent = (trained.load(name, "cpu") for name in ("glide-emoji", "upsampler-emoji", "latent-emoji"))
    wide = {**latent.recipe.network, "size": 64, "channels": 3, "attention": [32, 16]}
    wide["caption"] = {**wide["caption"], "vocabulary": len(latent.recipe.words)}
    at_64, x, at = UNet(**wide).eval(), torch.zeros(len(WISHES), 3, 64, 64), torch.full((len(WISHES),), 500)
    said = latent.tokens(WISHES)
    ways: dict[str, tuple[Callable, int]] = {  # and how often it is done for a picture
        "16 x 16 pixels alone": (lambda: small.draw(WISHES, seed=0, **HOW), 1),
        "latents, decoded": (lambda: latent.draw(WISHES, seed=0, **HOW), 1),
        "the cascade": (lambda: enlarger.draw(small.draw(WISHES, seed=0, **HOW), WISHES), 1),
        "64 x 64 pixels": (lambda: at_64(x, at, said), 2 * HOW["steps"]),  # untrained: only for its time
    }
    took: dict[str, list[float]] = {name: [] for name in ways}
    with torch.no_grad():
        for _ in range(ROUNDS + 1):  # the first is not counted
            for name, (run, times) in ways.items():
                begun = time.process_time()
                run()
                took[name].append((time.process_time() - begun) * times / len(WISHES))
    machine = f"{platform.machine()}, 1 thread, torch {torch.__version__}"
    rows = [{"way": name, "seconds": round(statistics.median(each[1:]), 3), "machine": machine} for name, each in took.items()]
    print(json.dumps(rows, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit({"scratch": scratch, "score": score, "cost": cost}[sys.argv[1]](*sys.argv[2:]))
