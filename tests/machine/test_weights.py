"""Weights on disk: written whole or not at all, and an error says what is wrong with a file."""

import errno
import os

import pytest
import torch

from ddpm_lite import PointMLP
from ddpm_lite.machine import weights

TENSORS = {"a": torch.arange(3.0), "b": torch.ones(2, 2, dtype=torch.bfloat16)}


def test_what_is_saved_is_loaded(tmp_path):
    weights.save(tmp_path / "w", TENSORS, {"name": "x", "mults": [1, 2], "steps": None})
    tensors, config = weights.load(tmp_path / "w")
    assert config == {"name": "x", "mults": [1, 2], "steps": None}
    assert all(torch.equal(tensors[k], v) and tensors[k].dtype == v.dtype for k, v in TENSORS.items())


@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
def test_a_failing_disk_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch, call):
    weights.save(tmp_path / "w", TENSORS, {"version": 1})

    def fail(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    if call == "write":
        real = open

        class Full:
            """A file that cannot be written to."""

            def __init__(self, *args):
                self.file = real(*args)

            def __enter__(self):
                return self

            def __exit__(self, *_):
                self.file.close()

            write = staticmethod(fail)

        monkeypatch.setattr("builtins.open", Full)
    else:
        monkeypatch.setattr(weights.os, call, fail)
    with pytest.raises(OSError, match="No space left"):
        weights.save(tmp_path / "w", TENSORS, {"version": 2})
    monkeypatch.undo()
    assert weights.load(tmp_path / "w")[1] == {"version": 1}
    assert os.listdir(tmp_path) == ["w"]


def test_a_damaged_a_foreign_and_a_missing_file_are_named(tmp_path):
    weights.save(tmp_path / "w", TENSORS, {})
    data = (tmp_path / "w").read_bytes()
    for broken in (data[:-3], data[: len(data) // 2], b"", b"\xff" * 100):
        (tmp_path / "w").write_bytes(broken)
        with pytest.raises(ValueError, match=r"w is damaged or was not written by ddpm_lite"):
            weights.load(tmp_path / "w")
    with pytest.raises(FileNotFoundError, match="no weight file"):
        weights.load(tmp_path / "nothing")


def test_a_file_that_does_not_fit_says_what_differs_and_changes_nothing():
    net = PointMLP(2, 8, 1)
    before = {k: v.clone() for k, v in net.state_dict().items()}
    good = {k: v + 1 for k, v in before.items()}
    for change, words in (
        (lambda s: s.pop("first.bias"), "first.bias is missing"),
        (lambda s: s.update(extra=torch.ones(1)), "extra is unknown"),
        (lambda s: s.update({"first.bias": torch.ones(9)}), r"first.bias is \(9,\) instead of \(8,\)"),
        (lambda s: s.update({"first.bias": torch.ones(8, dtype=torch.long)}), "torch.int64 instead of torch.float32"),
    ):
        state = dict(good)
        change(state)
        with pytest.raises(ValueError, match=words):
            weights.fill(net, state)
        assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    weights.fill(net, {k: v.bfloat16() for k, v in good.items()})
    assert net.first.bias.dtype == torch.float32 and not torch.equal(net.first.bias, before["first.bias"])


def test_several_faults_are_counted():
    with pytest.raises(ValueError, match="and 5 more"):
        weights.fill(torch.nn.Sequential(*(torch.nn.Linear(1, 1) for _ in range(4))), {})
