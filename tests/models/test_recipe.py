"""What a preset determines: your own pictures, moved pictures, and what a run of each kind stores."""

import pytest
import torch
from PIL import Image

from ddpm_lite import __main__ as cli
from ddpm_lite.machine import weights
from ddpm_lite.models import presets, recipe, trained
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
    monkeypatch.setitem(presets.PRESETS[name], "net", net)
    out = tmp_path / "run"
    command = ["train", name, "--data", str(folder), "--size", "16", "--out", str(out), "--steps", "3", "--batch-size", "4"]
    assert cli.main([*command, "--device", "cpu"]) == 0
    config = weights.load(out / trained.CHECKPOINT)[1]
    assert config["words"] == ["blue", "green", "red", "square"] and config["net"]["size"] == 16
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


def test_the_kinds_are_built_as_the_presets_say():
    for name, preset in presets.PRESETS.items():
        if preset["data"] in ("digits", "folder"):
            continue
        config = recipe.configure(name)
        net = recipe.build(config)
        assert type(net).__name__ == {"unet": "UNet", "clip": "CLIP", "prior": "Prior"}[preset["kind"]]
        assert sum(p.numel() for p in net.parameters()) <= (6e6 if preset["kind"] == "unet" else 3e6), name
        assert ("clip" in preset) == (name.startswith(("prior", "decoder")))
