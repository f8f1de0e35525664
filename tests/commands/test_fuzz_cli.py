"""Any words at all after `python -m ddpm_lite`: it ends with 0 or 2, says why in a sentence of its own, and leaves nothing."""

import random
import shutil
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

from ddpm_lite import __main__ as cli
from ddpm_lite.commands import common, lab, nbgrader, site, train, variations
from ddpm_lite.models import evaluation, material, trained
from ddpm_lite.models.kinds import MODELS
from ddpm_lite.models.unclip import Chain

NAMES = ["digits", "digits-classifier", "glide-shapes", "upsampler-emoji", "clip-shapes", "prior-emoji", "folder", "clip-folder"]
NAMES += ["emoji", "shapes", "unclip-emoji", "cats", "run", "./run", "", ".", "..", "-", "--", "a.png"]
PATHS = ["new", "new/deep", "a.png", "A.PNG", "pictures", "pictures/red car.png", "a.png/b", "captions.csv", "books", "run", "/"]
PATHS += ["nowhere/a.png", "x" * 300, "folder.png", "new.png", "ü 文.png", "\udcff.png", "a\nb.png", "~", "%s", "{0}", ""]
NUMBERS = [
    "0",
    "1",
    "3",
    "16",
    "64",
    "-1",
    "1000",
    "1001",
    "1e3",
    "0.5",
    "nan",
    "inf",
    "-inf",
    "1e999",
    "٣",
    "1_0",
    " 2",
    "x",
    "",
]
NUMBERS += [str(2**63 - 1), str(2**63), str(10**30), "9" * 5000, "0x10", "١٢", "--1", "1,000", "+4"]
WORDS = ["red car", "3", "10", "11", "🐱", "a\u0301", "'", '"', "$(x)", "\n", "-x", "%(prog)s", "{}", "a" * 5000]
DEVICES = ["cpu", "auto", "cuda", "cuda:7", "cpu:1", "tpu", "mps", "meta", "", "cuda:x"]
OPTIONS = {
    "train": {"--out": PATHS, "--steps": NUMBERS, "--minutes": NUMBERS, "--data": PATHS, "--captions": PATHS, "--size": NUMBERS,
              "--resume": None, "--seed": NUMBERS, "--batch-size": NUMBERS, "--device": DEVICES},
    "sample": {"-n": NUMBERS, "-o": PATHS, "--seed": NUMBERS, "--steps": NUMBERS, "--scale": NUMBERS, "--device": DEVICES,
               "--method": ["ddpm", "ddim", "dpm-solver++", "eule", ""]},
    "variations": {"-n": NUMBERS, "-o": PATHS, "--seed": NUMBERS, "--name": NAMES, "--scale": NUMBERS, "--device": DEVICES},
    "score": {"--json": None, "--seed": NUMBERS, "--release": None, "--device": DEVICES},
    "lab": {},
    "site": {"--out": PATHS, "--notebooks": PATHS},
    "nbgrader": {"--out": PATHS, "--notebooks": PATHS},
}  # fmt: skip
FIRST = {"train": NAMES, "sample": NAMES, "variations": PATHS, "score": NAMES}


def words(draw):
    """A command with options that it has, or words in any order."""
    if draw.random() < 0.15:
        return draw.choices([*OPTIONS, "--help", "--debug", *NAMES, *NUMBERS, *WORDS, "--out", "-n", "-o"], k=draw.randint(0, 6))
    command = draw.choice(list(OPTIONS))
    given = [command, *([draw.choice(FIRST[command])] if command in FIRST else [])]
    if command == "sample":
        given += draw.choices(WORDS, k=draw.randint(0, 2))
    options = OPTIONS[command]
    chosen = draw.sample(list(options), draw.randint(0, min(3, len(options))))
    if "--out" in options and draw.random() < 0.9:  # it must be given
        chosen = ["--out", *(each for each in chosen if each != "--out")]
    for option in chosen:
        given += [option] if options[option] is None else [option, draw.choice(options[option])]
    return given


@pytest.fixture(scope="module")
def quick():
    """Models are loaded once; nothing is drawn, measured, trained or started."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trained, "load", cached(trained.load))
        for module in (common, variations):
            patch.setattr(module, "load_chain", cached(module.load_chain))
        for kind in {kind for kind in MODELS.values() if hasattr(kind, "draw")}:
            patch.setattr(kind, "draw", lambda model, asked, *_, **__: torch.zeros(len(asked), *model.net.shape))
        patch.setattr(Chain, "draw", lambda chain, asked, **_: torch.zeros(len(asked), 3, 16, 16))
        patch.setattr(Chain, "variations", lambda chain, pictures, n, **_: torch.zeros(1, n, 3, 16, 16))
        patch.setattr(evaluation, "score", lambda model, seed: evaluation.judge_of(model) and {"frechet": 1.0})
        patch.setattr(train, "train_steps", lambda *_, **__: (step for step in ()))
        patch.setattr(material, "_drawn", few)
        for module in (site, nbgrader):
            patch.setattr(module, "notebooks", lambda given: given or Path("nowhere"))
        patch.setattr(lab.subprocess, "run", lambda *_, **__: SimpleNamespace(returncode=0))
        yield


def few(data, size):
    """Two pictures in place of tens of thousands."""
    pictures = torch.zeros(2, 3, size, size, dtype=torch.uint8)
    return material.Captioned(pictures, torch.zeros(2, dtype=torch.bool), [["red"], ["blue"]], torch.arange(2))


def cached(load):
    kept = cache(load)

    def found(name, device="cpu"):
        return kept(str(name), device) if str(name) in NAMES[:8] or "unclip" in str(name) else load(name, device)

    return found


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("pictures", "books", "run", "folder.png"):
        Path(name).mkdir()
    for name in ("a.png", "pictures/red car.png", "pictures/blue car.png"):
        Image.new("RGB", (20, 30), "red").save(name)
    Path("captions.csv").write_text("file,caption\nred car.png,red\n")
    Path("books/a.ipynb").write_text("[]")
    shutil.copy(trained.ASSETS / "digits.safetensors", Path("run") / trained.CHECKPOINT)
    return tmp_path


def contents(folder):
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


@pytest.mark.parametrize("seed", range(3))
def test_any_words_end_in_a_sentence(seed, quick, folder, capsys):
    draw, ended = random.Random(seed), []
    for _ in range(120):
        argv, before = words(draw), contents(folder)
        if "--debug" in argv:
            continue
        try:
            code = cli.main(argv)
        except SystemExit as end:  # --help
            code = end.code
        out, err = capsys.readouterr()
        ended.append(code)
        assert code in (0, 2), argv
        for line in err.split("\n"):
            assert not line or line.startswith("ddpm_lite: ") or "pictures/s" in line, (argv, err)
        assert "Traceback" not in err and "Unexpected" not in err, (argv, err)
        if code == 2:
            assert out == "" and err.endswith(".\n") and contents(folder) == before, (argv, err)
        else:
            for path in contents(folder).keys() - before.keys():  # for the next one to find what the first found
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
            for path, data in before.items():
                if data is not None:
                    path.write_bytes(data)
    assert ended.count(0) > 5 and ended.count(2) > 40
