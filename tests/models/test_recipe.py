"""What follows from a recipe: its network, its loss and its class, what a header keeps of it, and your own pictures."""

import inspect
import json
import re
import tomllib
from dataclasses import FrozenInstanceError, fields, replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from ddpm_lite import __main__ as cli
from ddpm_lite.machine import weights
from ddpm_lite.models import evaluation, kinds, material, objective, presets, trained
from ddpm_lite.models.model import Trained
from ddpm_lite.models.presets import PRESETS
from ddpm_lite.models.recipe import KINDS, Pictures, Recipe, Training
from ddpm_lite.training.batches import shifted


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("pictures")
    for i, colour in enumerate(("red", "green", "blue")):
        Image.new("RGB", (40 + 10 * i, 50), colour).save(path / f"{colour}_square-{i}.png")
    return path


def test_each_picture_is_moved_by_at_most_so_many_pixels_on_white(g):
    pictures = torch.full((300, 1, 5, 5), 1.0)
    pictures[:, 0, 2, 2] = -1
    moved = shifted(pictures, 1, g)
    rows, columns = (moved == -1).nonzero()[:, 2], (moved == -1).nonzero()[:, 3]
    assert len(rows) == 300 and set(rows.tolist()) == set(columns.tolist()) == {1, 2, 3}
    edge = torch.full((50, 1, 3, 3), -1.0)
    assert set(shifted(edge, 1, g).unique().tolist()) == {-1.0, 1.0}  # what comes in from outside is white


@pytest.mark.parametrize("name", ["folder", "clip-folder"])
def test_your_own_pictures_are_trained_on(name, folder, tmp_path, monkeypatch, capsys):
    small = {"size": 16, "channels": 3, "width": 8, "mults": [1, 2], "depth": 1, "attention": [8], "groups": 4, "heads": 2}
    net = {**small, "caption": {"length": 8, "width": 8, "depth": 1, "heads": 2}}
    if name == "clip-folder":
        sides = {f"{side}_{k}": v for side in ("text", "image") for k, v in (("width", 8), ("depth", 1), ("heads", 2))}
        net = {"length": 8, "size": 16, "patch": 8, "dim": 8, **sides}
    monkeypatch.setitem(presets.PRESETS, name, replace(presets.PRESETS[name], network=net))
    out = tmp_path / "run"
    command = ["train", name, "--data", str(folder), "--size", "16", "--out", str(out), "--steps", "3", "--batch-size", "4"]
    assert cli.main([*command, "--device", "cpu"]) == 0
    stored = weights.load(out / trained.CHECKPOINT)[1]["recipe"]
    assert stored["words"] == ["blue", "green", "red", "square"] and stored["network"]["size"] == 16
    if name == "folder":
        assert cli.main(["sample", str(out), "red square", "--steps", "2", "-o", str(tmp_path / "a.png"), "--device", "cpu"]) == 0
    assert cli.main(["score", str(out), "--device", "cpu"]) == 2
    assert f"{name} cannot be scored" in capsys.readouterr().err


def test_a_folder_is_asked_for_and_only_where_it_is_needed(folder, tmp_path, capsys):
    assert cli.main(["train", "folder", "--out", str(tmp_path / "a")]) == 2
    assert "give --data DIR" in capsys.readouterr().err
    assert cli.main(["train", "digits", "--data", str(folder), "--out", str(tmp_path / "b")]) == 2
    assert "leave --data out" in capsys.readouterr().err
    assert cli.main(["train", "folder", "--data", str(tmp_path / "none"), "--out", str(tmp_path / "c")]) == 2
    assert "There is no folder" in capsys.readouterr().err and not (tmp_path / "c").exists()


SHIPPED = [name for name, preset in PRESETS.items() if preset.data != "folder"]


def test_the_kinds_are_built_as_the_presets_say():
    networks = {"classifier": "Classifier", "clip": "CLIP", "prior": "Prior", "autoencoder": "Autoencoder"}
    networks["latent-transformer"] = "DiT"
    for name in SHIPPED:
        recipe = material.bind(PRESETS[name])
        net, drawn = recipe.build(), networks.get(recipe.kind, "UNet")
        assert type(net).__name__ == drawn
        assert sum(p.numel() for p in net.parameters()) <= (6e6 if drawn in ("UNet", "DiT") else 3e6), name
        assert (recipe.clip is not None) == name.startswith(("prior", "decoder"))
        assert (recipe.autoencoder is not None) == name.startswith(("latent", "dit", "few-steps"))


def test_every_table_of_kinds_has_the_same_keys_and_each_loss_takes_the_numbers_of_its_kind():
    assert KINDS.keys() == objective.LOSSES.keys() == kinds.MODELS.keys() == evaluation.JUDGES.keys()
    for kind, loss in objective.LOSSES.items():
        teacher = ("teacher",) if kind == "few-steps" else ()
        assert tuple(inspect.signature(loss).parameters) == ("recipe", "space", *KINDS[kind].options, *teacher), kind
        assert issubclass(kinds.MODELS[kind], Trained)
    assert {preset.kind for preset in PRESETS.values()} == KINDS.keys()


# One number of each preset's fresh weights of seed 0: another order in which they are made changes it by tens, another
# processor's last bits by less than a thousandth.
FRESH = {
    "digits": -53.1736,
    "digits-32": 23.5922,
    "digits-classifier": 10.2775,
    "clip-shapes": 72.5044,
    "glide-shapes": 51.4729,
    "clip-emoji": 51.3767,
    "judge-emoji": -17.6355,
    "clip-emoji-noisy": 70.084,
    "artist-emoji": 5.9504,
    "glide-emoji": 16.863,
    "upsampler-emoji": -52.107,
    "inpaint-emoji": -22.6056,
    "prior-emoji": 55.3628,
    "decoder-emoji": -36.1737,
    "autoencoder-emoji": 18.5377,
    "latent-emoji": 9.0061,
    "dit-emoji": 8.0643,
    "few-steps-emoji": -44.3964,
}
COURSE = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]["optional-dependencies"]["course"]
(TORCH,) = (need.removeprefix("torch==") for need in COURSE if need.startswith("torch=="))


@pytest.mark.skipif(not torch.__version__.startswith(TORCH), reason=f"the initialisers of torch {TORCH} made these weights")
def test_the_first_weights_of_every_preset_are_those_of_always():
    assert {name: number_of(name) for name in SHIPPED} == pytest.approx(FRESH, abs=0.01)
    swapped = replace(PRESETS["digits"], network={**PRESETS["digits"].network, "num_classes": 11})  # other numbers from here on
    assert abs(number_of("digits", swapped) - FRESH["digits"]) > 1


def number_of(name, preset=None):
    """A weighted sum of all fresh weights, which tells in which order they were made."""
    weights = torch.cat([t.flatten().double() for t in material.bind(preset or PRESETS[name]).build(0).state_dict().values()])
    return float((weights * torch.arange(len(weights), dtype=torch.float64).cos()).sum())


def test_a_recipe_is_the_same_after_a_header_and_cannot_be_changed():
    for preset in PRESETS.values():
        full = replace(
            preset,
            words=("a", "b") if preset.reads else None,
            clip_weights="abc",
            autoencoder_weights="def",
            pictures=Pictures("here", None, 8, "f") if preset.data == "folder" else None,
        )
        for recipe in (preset, full):
            again = Recipe.from_json(json.loads(json.dumps(recipe.as_json())))
            assert again == recipe and type(again.training) is Training and (again.words is None or type(again.words) is tuple)
            for record in (recipe, recipe.training, *([recipe.pictures] if recipe.pictures else [])):
                for each in fields(record):
                    with pytest.raises(FrozenInstanceError):
                        setattr(record, each.name, None)


BAD = {
    "name": (None, 3, ["digits"]),
    "kind": (None, "unet", ["clip"], 3),
    "data": (None, "cats", ["emoji"], {}),
    "network": (None, [], "unet", {"width": 0}, {"width": -1}, {"width": 32.5}, {"width": "32"}, {"mults": [[1]]},
                {"caption": None}),
    "training": (None, {}, {"batch_size": 8}, 3),
    "about": (None, 3),
    "target": (None, "u", 3),
    "schedule": (None, "cosine", [], {}, {"kind": "cosine"}, {"kind": "from_beta", "T": 9}, {"kind": ["cosine"], "T": 9},
                 *({"kind": "cosine", "T": T} for T in ("9", 0, -5, None, 1e3, True, 10**15))),
    "loss": (None, [], {}, {"drop": 0.1}, {"drop": "much", "word_drop": 0}, {"drop": -0.1, "word_drop": 0},
             {"drop": float("nan"), "word_drop": 0}, {"drop": 0.1, "word_drop": 0.1, "shift": 1}),
    "begin": (3, ["glide-shapes"]),
    "clip": (3, {}),
    "clip_weights": (3, []),
    "autoencoder": (3, {}),
    "autoencoder_weights": (3, []),
    "words": ("red", ["red"], (1,), {}),
    "pictures": ("here", {}, Pictures("here", None, 8)),
}  # fmt: skip
BAD_TRAINING = {
    "batch_size": (None, "8", 0, -1, 0.5, True),
    "lr": (None, "fast", -1, float("nan"), float("inf"), True),
    "steps": ("9", 0, 1.5),
    "minutes": ("9", -1, float("inf")),
    "weight_decay": (None, "0", -1),
    "seed": (None, "0", -1, 2**63, 0.5),
}
BAD_PICTURES = {"path": (None, 3), "captions": (3, []), "size": (None, "8", 0, 8.5), "fingerprint": (None, 3)}


@pytest.mark.parametrize(
    ("whole", "bad"),
    [
        (PRESETS["glide-shapes"], BAD),
        (PRESETS["glide-shapes"].training, BAD_TRAINING),
        (Training(8, 1e-3, minutes=5.0), {"minutes": BAD_TRAINING["minutes"]}),
        (Pictures("here", "said.csv", 8, "f"), BAD_PICTURES),
    ],
    ids=["recipe", "training", "training for minutes", "pictures"],
)
def test_a_value_that_does_not_fit_is_refused_in_one_sentence(whole, bad, unchecked):
    for name, values in bad.items():
        for value in values:
            with pytest.raises(ValueError) as error:
                replace(whole, **{name: value})
            assert re.fullmatch(rf"(training\.|pictures\.)?{name} = .* does not fit\.", str(error.value)), (name, value)
    assert bad is not BAD or bad.keys() == {each.name for each in fields(Recipe)}, "a field is not tried"
    assert bad is not BAD_PICTURES or bad.keys() == {each.name for each in fields(Pictures)}
    assert bad is not BAD_TRAINING or bad.keys() == {each.name for each in fields(Training)}


def test_what_belongs_to_other_kinds_is_refused(unchecked):
    for name, changes, field in (
        ("clip-emoji", {"schedule": presets.PRESETS["glide-emoji"].schedule}, "schedule"),  # nothing is noised
        ("clip-emoji-noisy", {"schedule": None}, "schedule"),
        ("digits-classifier", {"schedule": presets.PRESETS["glide-emoji"].schedule}, "schedule"),
        ("digits", {"words": ("red",)}, "words"),
        ("digits", {"target": None}, "target"),
        ("prior-emoji", {"target": "eps"}, "target"),
        ("folder", {"pictures": {"path": "here"}}, "pictures"),
    ):
        with pytest.raises(ValueError, match=f"^{field} = .* does not fit"):
            replace(PRESETS[name], **changes)
    with pytest.raises(ValueError, match=r"glide-shapes has no words: they come from its data"):
        PRESETS["glide-shapes"].build()
    with pytest.raises(ValueError, match="clip-shapes has no schedule"):
        PRESETS["clip-shapes"].make_schedule()
    for steps, minutes in ((None, None), (5, 5.0)):
        with pytest.raises(ValueError, match="either steps or minutes"):
            Training(8, 1e-3, steps, minutes)


def test_what_is_stored_and_is_no_recipe_is_refused(unchecked):
    stored = PRESETS["digits"].as_json()
    without = {key: value for key, value in stored.items() if key != "kind"}
    for damaged, words in (
        (None, "recipe = None does not fit"),
        ([], "recipe = "),
        (without, "recipe: missing 1 required positional argument: 'kind'"),
        (stored | {"more": 1}, "recipe: got an unexpected keyword argument 'more'"),
        (stored | {"training": {"batch_size": 8}}, "training: missing 1 required positional argument: 'lr'"),
        (stored | {"training": [1]}, "training = "),
    ):
        with pytest.raises(ValueError, match=re.escape(words)):
            Recipe.from_json(damaged)
