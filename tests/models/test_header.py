"""A checkpoint whose header or state is damaged or of another run: each command that reads one says so in one sentence."""

import pickle
import re
import shutil

import pytest
import safetensors.torch
import torch

from ddpm_lite import __main__ as cli
from ddpm_lite.data import emoji
from ddpm_lite.machine import weights
from ddpm_lite.models import header, presets
from ddpm_lite.models import trained as zoo

CPU = ("--device", "cpu")


def as_run(name, folder):
    """The folder of a run with the weights of a shipped model, as a training leaves it."""
    tensors, config = weights.load(zoo.ASSETS / f"{name}.safetensors")
    chosen = presets.PRESETS[name]
    made = {"seed": 0, **chosen["train"], "command": "", "machine": ""}
    state = {"made": made, "step": 1, "steps": 1, "seconds": 1.0, "settings": {}, "scaler": None}
    state |= {"loss": chosen["loss"]} if "loss" in chosen else {}
    folder.mkdir()
    weights.save(folder / zoo.CHECKPOINT, {f"ema.{k}": v for k, v in tensors.items()}, config | state)
    return folder


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    return as_run("glide-shapes", tmp_path_factory.mktemp("runs") / "shapes")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run that can go on."""
    folder = tmp_path_factory.mktemp("runs") / "trained"
    assert cli.main(["train", "digits-classifier", "--out", str(folder), "--steps", "2", *CPU]) == 0
    return folder


def said(capsys, *argv):
    """The one sentence on one line that a command says before it ends with 2."""
    assert cli.main([str(each) for each in argv]) == 2
    out, err = capsys.readouterr()
    err = err.splitlines(keepends=True)[-1]
    assert err.endswith(".\n") and err.startswith("ddpm_lite: ") and "Unexpected" not in err, err
    assert out == ""
    return err


def copy(folder, to, change):
    """The run in another folder, its tensors and header changed."""
    to.mkdir(exist_ok=True)
    tensors, config = weights.load(folder / zoo.CHECKPOINT)
    change(tensors, config)
    weights.save(to / zoo.CHECKPOINT, tensors, config)
    return to


def lacks(*keys):
    def change(tensors, config):
        for key in keys[:-1]:
            config = config[key]
        del config[keys[-1]]

    return change


def has(value, *keys):
    def change(tensors, config):
        for key in keys[:-1]:
            config = config[key]
        config[keys[-1]] = value

    return change


CHANGES = [
    *((lacks(key), f"its header lacks {key}") for key in ("name", "net", "schedule", "words")),
    *((has(name, "name"), "holds a model called") for name in ("cats", "", None, 3, ["digits"], {})),
    *((has(value, "net"), "net = ") for value in (None, [], "unet", {}, {"size": 16})),
    *((lacks("net", key), "net = ") for key in ("size", "width", "mults", "heads", "caption")),
    *((has(value, "net", "width"), r"header of .* is damaged \(") for value in ("32", 32.5, None, -1, 0, 33, [32], {}, True)),
    *((has(value, "net", "mults"), r"header of .* is damaged \(") for value in (1, ["1"], [[1]], None, [0])),
    *((has(value, "net", "attention"), r"header of .* is damaged \(") for value in (8, None, ["8"], {})),
    *((has(value, "net", "heads"), r"header of .* is damaged \(") for value in (0, 3, 2.0)),
    *((has(value, "net", key), "net = ") for key in ("size", "channels") for value in (8, 0, "16", 10**30)),
    (has(3, "net", "extra"), "net = "),
    (has(10, "net", "num_classes"), "net = "),
    *((has(value, "net", "caption"), "net = ") for value in (None, [], {"length": 16}, 5)),
    (has(17, "net", "caption", "length"), "net = "),
    (has(64, "net", "caption", "image"), "net = "),
    *((has(value, "schedule"), "schedule = ") for value in (None, "cosine", [], {}, {"kind": "cosine"})),
    *((has(value, "schedule", "kind"), "schedule = ") for value in ("quadratic", "from_beta", None, [], "__init__")),
    *((has(value, "schedule", "T"), "schedule = ") for value in ("1000", 0, -5, None, 1e3, 10**15)),
    (has(1, "schedule", "beta"), "unexpected keyword argument 'beta'"),
    *((has(value, "words"), "words = ") for value in (None, "red", {}, [1], [["red"]])),
    (has(["red", "red"], "words"), "The vocabulary contains a word twice"),
    *((has(value, "loss"), "loss = ") for value in (None, [], {}, {"drop": "much", "word_drop": 0})),
    *((has(value, "clip"), "clip = ") for value in (None, 3)),
]


@pytest.mark.parametrize("change, words", CHANGES)
def test_a_damaged_header_is_named(change, words):
    config = weights.load(zoo.ASSETS / "glide-shapes.safetensors")[1] | {"loss": {"drop": 0.1, "word_drop": 0.05}}
    header.check(config, "run")
    change({}, config)
    with pytest.raises(ValueError, match=words) as error:
        header.check(config, "run")
    assert str(error.value).endswith(".") and "\n" not in str(error.value) and "run" in str(error.value)


def test_every_command_reads_the_header(shapes, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(zoo.Trained, "draw", lambda *_, **__: pytest.fail("it was drawn from"))
    for i, (change, words) in enumerate(
        (
            (lacks("schedule"), "its header lacks schedule"),
            (lacks("words"), "its header lacks words"),
            (has("cats", "name"), "holds a model called 'cats'"),
            (has(["red"], "words"), "does not fit this network"),
        )
    ):
        run, out = copy(shapes, tmp_path / f"run{i}", change), tmp_path / "a.png"
        for command in (
            ["sample", run, "-o", out],
            ["score", run, "--ship"],
            ["train", "glide-shapes", "--resume", "--out", run],
        ):
            assert words in said(capsys, *command, *CPU)
        assert [each.name for each in run.iterdir()] == [zoo.CHECKPOINT] and not out.exists()


def file(**metadata):
    return safetensors.torch.save({"a": torch.ones(1)}, metadata)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00" * 64,
        b"PK\x03\x04" * 20,
        file(),
        *(file(config=text) for text in ("", "{", "[1]", "null", "3", '"digits"', "[" * 10**5)),
    ],
    ids=range(11),
)
def test_a_file_that_is_no_checkpoint_is_named(data, tmp_path, capsys):
    (tmp_path / zoo.CHECKPOINT).write_bytes(data)
    for command in (["sample", tmp_path], ["score", tmp_path], ["train", "digits", "--resume", "--out", tmp_path]):
        assert "damaged" in said(capsys, *command, *CPU)
    assert (tmp_path / zoo.CHECKPOINT).read_bytes() == data and len(list(tmp_path.iterdir())) == 1


def tensor(name, value):
    def change(tensors, config):
        tensors.pop(name)
        tensors |= {} if value is None else {name: value}

    return change


@pytest.mark.parametrize(
    "change, words",
    [
        *((lacks(key), f"its header lacks {key}") for key in ("made", "step", "steps", "seconds", "settings", "scaler")),
        *((has(value, "step"), "step = ") for value in ("2", None, -1, 1.5, [])),
        *((has(value, "steps"), "steps = ") for value in ("2", 0, 1.5, {})),
        *((has(value, "seconds"), "seconds = ") for value in ("2", None, -1, {})),
        *((has(value, "settings"), "settings = ") for value in (None, [], "lr")),
        *((has(value, "scaler"), "scaler = ") for value in ([], 3, {"scale": "x"})),
        (lacks("settings", "lr"), "is a run with lr = None"),
        *((has(value, "made"), "made = ") for value in (None, [], {}, "digits")),
        *((lacks("made", key), "made = ") for key in ("seed", "batch_size", "steps")),
        *((has(value, "made", "seed"), "made = ") for value in ("0", -1, 2**63, None, 0.5)),
        *((has(value, "made", "batch_size"), "made = ") for value in ("0", 0, None, 0.5)),
        (has("fast", "made", "lr"), "made = "),
        (tensor("generator", None), "holds weights but no training run"),
        (tensor("generator", torch.zeros(16, dtype=torch.uint8)), "trained on another kind of device than cpu"),
        (tensor("generator", torch.zeros(5056, dtype=torch.uint8)), "its generator.s state is not valid"),
        (tensor("generator", torch.zeros(5056)), "trained on another kind of device than cpu"),
        *((tensor(name, None), "lacks a part") for name in ("history", "sums", "loss")),
        *((tensor(f"optimizer.{of}.head.bias", None), "lacks a part") for of in ("step", "exp_avg", "exp_avg_sq")),
        *((tensor(name, torch.zeros(3)), f"{name} has another shape") for name in ("history", "sums", "loss")),
        (tensor("optimizer.exp_avg_sq.head.bias", torch.zeros(3)), "optimizer.exp_avg_sq.head.bias has another shape"),
        *((tensor(f"{of}.head.bias", None), "head.bias is missing") for of in ("model", "ema")),
        (tensor("model.head.bias", torch.zeros(3)), r"head.bias is \(3,\) instead of \(10,\)"),
    ],
)  # fmt: skip
def test_a_training_does_not_go_on_from_a_damaged_run(change, words, trained, tmp_path, capsys):
    run = copy(trained, tmp_path, change)
    assert re.search(words, said(capsys, "train", "digits-classifier", "--resume", "--out", run, *CPU))
    assert [each.name for each in run.iterdir()] == [zoo.CHECKPOINT]


def test_the_run_of_another_gpu_s_scaler_is_named(trained, tmp_path):
    from ddpm_lite.training.checkpoint import Run

    run = copy(trained, tmp_path, has({"scale": 1.0}, "scaler"))
    fresh = Run(zoo.load(run, "cpu").net.requires_grad_(), torch.Generator(), None, {"lr": 1e-3, "weight_decay": 0.0}, None)
    fresh.settings, fresh.scaler = {}, torch.amp.GradScaler("cpu", enabled=True)
    with pytest.raises(ValueError, match=r"header of .* is damaged \(scaler lacks 'growth_factor'"):
        fresh.load(run / zoo.CHECKPOINT)


def test_a_damaged_installation_is_named(tmp_path, monkeypatch):
    for name in ("digits.safetensors", "unclip-shapes.json"):
        shutil.copy(zoo.ASSETS / name, tmp_path)
    monkeypatch.setattr(zoo, "ASSETS", tmp_path)
    for text in (None, "", "[]", "{", "\udcff"):
        if text is not None:
            (tmp_path / "digits.json").write_text(text, errors="surrogateescape")
        with pytest.raises(ValueError, match=r"digits\.json is damaged or missing: install ddpm_lite again\."):
            zoo.load("digits", "cpu")
    monkeypatch.setattr(emoji, "FILE", tmp_path / "emoji.npz")
    for data in (None, b"", b"PK\x03\x04", b"\x00" * 99, pickle.dumps(1)):
        if data is not None:
            emoji.FILE.write_bytes(data)
        with pytest.raises(ValueError, match=r"emoji\.npz is damaged or missing .*: install ddpm_lite again\."):
            emoji._stored.__wrapped__()
