"""What is an architecture worth, and what a beginning? Networks that draw in the latents of `autoencoder-emoji`, at equal
multiply-adds: a U-Net and a Transformer from fresh weights, and a U-Net from those of a model of small pictures.

`python tests/bench/latents.py scratch DIR` trains the U-Net from fresh weights, as long as `dit-emoji`; the others are presets.
`python tests/bench/latents.py score SCRATCH DIT BEGUN` scores three runs: notebook 09 shows the rows, which are in
`ddpm_lite/assets/studies/latents.json`. Each training takes 35 to 80 minutes of one core, each score about 5.
"""

import json
import sys
from dataclasses import replace

from ddpm_lite import __main__ as cli
from ddpm_lite.models import evaluation, presets, trained

KEYS = ("composed_colour", "composed_number", "composed_worn", "composed_place", "names", "frechet_drawn")
NAMES = ("U-Net", "Transformer", "U-Net that has drawn small pictures")


def scratch(folder: str) -> int:
    """Train the U-Net of latent-emoji from fresh weights."""
    long = replace(presets.PRESETS["latent-emoji"].training, steps=presets.PRESETS["dit-emoji"].training.steps)
    presets.PRESETS["latent-emoji"] = replace(presets.PRESETS["latent-emoji"], begin=None, training=long)
    return cli.main(["train", "latent-emoji", "--out", folder, "--resume"])


def score(*folders: str) -> int:
    """Print the rows of the study."""
    rows = []
    for name, folder in zip(NAMES, folders, strict=True):
        model = trained.load(folder, "cpu")
        assert model.made is not None, "a run says how long it took"
        found = evaluation.score(model)
        done = {"pictures": model.made.step * model.recipe.training.batch_size, "minutes": round(model.made.seconds / 60, 1)}
        rows.append({"name": name, **done, **{key: round(found[key], 4) for key in KEYS}})
    print(json.dumps(rows, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit({"scratch": scratch, "score": score}[sys.argv[1]](*sys.argv[2:]))
