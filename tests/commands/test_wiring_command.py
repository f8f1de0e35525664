"""The wiring of the command `train`: what the preset and the command line say reaches the training."""

import json
from dataclasses import replace

import pytest
import torch
from PIL import Image
from torch import nn

from ddpm_lite import __main__ as cli
from ddpm_lite.commands import common
from ddpm_lite.models import material, presets, trained
from ddpm_lite.models.kinds import TextModel, UpsamplingModel
from ddpm_lite.models.recipe import Pictures, Recipe
from ddpm_lite.models.unclip import load_chain


@pytest.fixture
def asked(monkeypatch):
    """How the training was asked for: it has nothing left to do."""
    kept = {}

    def train(model, data, loss, **options):
        kept.update(model=model, data=data, loss=loss, options=options)
        return (step for step in ())

    monkeypatch.setattr(cli.train, "train_steps", train)
    return kept


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        (
            "digits-classifier",
            "--steps 7 --batch-size 9 --seed 5 --compile",
            {"steps": 7, "minutes": None, "batch_size": 9, "seed": 5},
        ),
        ("digits-classifier", "--minutes 2.5", {"steps": None, "minutes": 2.5, "batch_size": 128, "seed": 0}),
        ("judge-emoji", "", {"steps": 3900, "minutes": None, "batch_size": 256, "seed": 1}),
    ],
)
def test_a_training_is_made_of_what_the_preset_and_the_command_say(asked, tmp_path, name, given, expected):
    assert cli.main(["train", name, "--out", str(tmp_path / "run"), "--device", "cpu", *given.split()]) == 0
    options, preset = asked["options"], presets.PRESETS[name]
    config, generator = options.pop("config"), options.pop("generator")
    recipe = replace(material.bind(preset), training=replace(preset.training, **expected))
    seed = expected.pop("seed")
    expected |= {"checkpoint": tmp_path / "run" / trained.CHECKPOINT, "compile": "--compile" in given}
    assert options == expected | {"lr": preset.training.lr, "weight_decay": preset.training.weight_decay}
    assert config.keys() == {"recipe", "machine", "command"}
    assert Recipe.from_json(json.loads(json.dumps(config["recipe"]))) == recipe and generator.initial_seed() == seed
    typed = vars(cli.parser().parse_args(config["command"].split()[3:]))
    assert typed["name"] == name and all(typed[key] == options[key] for key in ("steps", "minutes", "batch_size"))
    expected_weights = recipe.build(seed).state_dict()
    assert all(torch.equal(v, expected_weights[k]) for k, v in asked["model"].state_dict().items())
    assert all(map(torch.equal, rows(asked["data"]), rows(material.training_data(recipe))))


def rows(data):
    """The data of a training, or some of those that it draws."""
    return data(8, torch.Generator().manual_seed(0)) if callable(data) else data


def test_a_progress_bar_goes_with_everything_that_draws(monkeypatch):
    made = []
    monkeypatch.setattr(common, "tqdm", lambda frames, **options: (made.append((options["desc"], options["total"])), frames)[1])
    chain = load_chain("unclip-emoji", "cpu")
    glide = trained.load("glide-shapes", "cpu")
    common.show_progress(chain, glide)
    chain.draw(["a red fox"], steps=2)
    glide.draw(["a red circle"], steps=3)
    assert made == [("decoder-emoji", 3), ("upsampler-emoji", 5), ("glide-shapes", 4)]


def test_a_drawing_is_enlarged_with_its_captions_and_its_seed_alone(monkeypatch, tmp_path):
    """Steps, scale and method are those of the model that draws: the upsampler has four steps and no guidance."""
    asked = []

    def draw(model, *given, **options):
        asked.append((model.name, *given, options))
        return torch.full((3, *model.net.shape), len(asked) / 4)

    monkeypatch.setattr(TextModel, "draw", draw)
    monkeypatch.setattr(UpsamplingModel, "draw", draw)
    options = [
        "--seed",
        "7",
        "--steps",
        "3",
        "--scale",
        "5",
        "--method",
        "ddpm",
        "-o",
        str(tmp_path / "a.png"),
        "--device",
        "cpu",
    ]
    assert cli.main(["sample", "emoji", "a red fox", "a cat", "-n", "3", *options]) == 0
    captions = ["a red fox", "a cat", "a red fox"]
    (name, *given, rest), (then, small, said, alone) = asked
    assert (name, *given) == ("glide-emoji", captions) and rest == {"seed": 7, "steps": 3, "scale": 5.0, "method": "ddpm"}
    assert then == "upsampler-emoji" and (small == 0.25).all() and said == captions and alone == {"seed": 7}
    with Image.open(tmp_path / "a.png") as png:
        assert png.width == 4 * (3 * 65 + 1)


def test_the_command_of_a_run_in_your_own_latents_names_their_autoencoder():
    """With it the size is known, and refused."""
    own = replace(presets.PRESETS["latent-folder"], pictures=Pictures("here", None, 32))
    assert cli.train._command(own).endswith("--data PICTURES --autoencoder RUN")
    assert cli.train._command(replace(presets.PRESETS["folder"], pictures=Pictures("here", "c.csv", 32))).endswith(
        "--data PICTURES --captions CSV --size 32"
    )


def test_a_prior_learns_the_embeddings_of_its_own_clip(asked, tmp_path, monkeypatch):
    learnt = []
    monkeypatch.setattr(cli.train, "make_loss", lambda recipe, clip, teacher: learnt.append(clip) or nn.Identity())
    assert cli.main(["train", "prior-emoji", "--out", str(tmp_path), "--device", "cpu"]) == 0
    own = trained.fingerprint(trained.shipped("clip-emoji").net)
    assert asked["options"]["config"]["recipe"]["clip_weights"] == own == trained.fingerprint(learnt[0])
