"""The wiring to the machine: precision, processes and files, tried without the machine."""

import os
from contextlib import nullcontext

import pytest
import torch
import torch.distributed as dist
from torch import nn

from ddpm_lite import UNet, place
from ddpm_lite.machine import device, distributed, precision, weights
from ddpm_lite.networks import attention

CPU = torch.device("cpu")
SMALL = {"size": 4, "channels": 1, "width": 8, "mults": (1,), "depth": 1, "attention": (), "groups": 4}


# Precision.


@pytest.mark.parametrize("multiplies", [True, False])
def test_a_gpu_works_in_bf16_where_it_multiplies_it_and_else_in_fp16(monkeypatch, multiplies):
    asked = []
    monkeypatch.delenv("DDPM_LITE_PRECISION", raising=False)
    monkeypatch.setattr(torch.cuda, "device", lambda which: asked.append(which) or nullcontext())
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **how: asked.append(how) or multiplies)
    assert precision.choose_precision(torch.device("cuda:1")) == (torch.bfloat16 if multiplies else torch.float16)
    assert asked == [torch.device("cuda:1"), {"including_emulation": False}]


@pytest.mark.parametrize(("avx512", "amx"), [(False, False), (True, False), (False, True)])
def test_a_cpu_works_in_bf16_where_it_multiplies_it_and_else_in_float32(monkeypatch, avx512, amx):
    monkeypatch.delenv("DDPM_LITE_PRECISION", raising=False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    assert precision.choose_precision(CPU) == (torch.bfloat16 if avx512 or amx else None)


def test_a_network_is_placed_in_the_precision_that_is_chosen_or_given(monkeypatch):
    monkeypatch.setattr(device, "choose_precision", lambda where: torch.bfloat16)
    weight = lambda net: net.first.weight  # noqa: E731
    for given, expected in (({}, torch.bfloat16), ({"precision": None}, None), ({"precision": torch.float16}, torch.float16)):
        net = place(UNet(**{**SMALL, "channels": 2}), CPU, **given)
        assert net.precision == expected and weight(net).dtype == torch.float32
        assert weight(net).is_contiguous(memory_format=torch.channels_last) == (expected is not None)
    assert not hasattr(place(nn.Linear(1, 1), CPU), "precision")


def test_attention_takes_the_mask_and_the_order_together_and_float32_on_a_cpu(g):
    q, k, v = (torch.randn(2, 1, 5, 4, generator=g) for _ in range(3))
    mask = torch.rand(2, 1, 5, 5, generator=g) < 0.6
    mask[..., 0] = True
    allowed = mask & torch.ones(5, 5, dtype=torch.bool).tril()
    scores = (q @ k.mT / 2).masked_fill(~allowed, -torch.inf).softmax(-1)
    torch.testing.assert_close(attention.attend(q, k, v, mask, causal=True), scores @ v)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert attention.attend(q, k, v, mask).dtype == torch.float32


# Processes.


@pytest.fixture
def four(monkeypatch):
    """Four processes in one: `as_process(r)` makes this one number r; sums and gathers see `distributed.all`."""
    monkeypatch.setattr(distributed, "world_size", lambda: 4)
    monkeypatch.setattr(distributed, "running", lambda: True)
    return lambda r: monkeypatch.setattr(distributed, "rank", lambda: r)


def test_the_shards_of_all_processes_are_the_batch_and_gathered_they_are_in_order(four, monkeypatch):
    batch, shards = torch.arange(24.0).reshape(12, 2), []
    for r in range(4):
        four(r)
        shards.append(distributed.shard(batch))
    assert torch.equal(torch.cat(shards).sort(0).values, batch) and distributed.shard(None) is None
    # With four processes, of which this is number 2; all have the same gradient, so each row gets it four times.
    four(2)
    monkeypatch.setattr(
        dist, "all_gather", lambda parts, x: [part.copy_(shard) for part, shard in zip(parts, shards, strict=True)]
    )
    monkeypatch.setattr(dist, "all_reduce", lambda x: x.mul_(4))
    own = shards[2].clone().requires_grad_()
    gathered = distributed.gather(own)
    assert torch.equal(gathered, batch)
    (gathered * batch).sum().backward()
    assert torch.equal(own.grad, 4 * shards[2])
    with pytest.raises(ValueError, match="A batch of 13 does not divide among 4 processes"):
        distributed.shard(torch.zeros(13))


def test_sums_and_means_leave_their_argument_as_it_was(four, monkeypatch):
    monkeypatch.setattr(dist, "all_reduce", lambda x: x.mul_(4))  # all four have the same
    x = torch.tensor([1.0, 2.0])
    assert distributed.total(x).tolist() == [4, 8] and distributed.mean(x).tolist() == [1, 2] and x.tolist() == [1, 2]


def test_what_the_first_process_says_holds_for_all(four, monkeypatch):
    monkeypatch.setattr(dist, "broadcast_object_list", lambda box, src: box.__setitem__(0, f"of {src}"))
    monkeypatch.setattr(dist, "all_gather_object", lambda box, value: box.__setitem__(slice(None), [value + r for r in range(4)]))
    assert distributed.from_first("mine") == "of 0" and distributed.gather_all(1) == [1, 2, 3, 4]


def test_a_process_of_torchrun_works_on_the_gpu_of_its_number(monkeypatch):
    started = []
    for name, value in (("WORLD_SIZE", "2"), ("LOCAL_RANK", "1")):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", started.append)
    monkeypatch.setattr(dist, "init_process_group", started.append)
    assert distributed.start(torch.device("cuda")) == torch.device("cuda:1")
    assert started == [torch.device("cuda:1"), "nccl"]
    assert distributed.start(CPU) == CPU and started[2:] == ["gloo"]


# Files.


def test_a_file_and_its_folder_are_forced_to_the_disk_before_and_after_the_rename(tmp_path, monkeypatch):
    done = []
    real = os.fsync, os.replace
    monkeypatch.setattr(
        weights.os, "fsync", lambda file: done.append("file" if os.path.isfile(f"/proc/self/fd/{file}") else "folder")
    )
    monkeypatch.setattr(weights.os, "replace", lambda *paths: done.append("rename") or real[1](*paths))
    weights.save(tmp_path / "w", {"a": torch.ones(1)}, {})
    assert done == (["file", "rename", "folder"] if os.path.isdir("/proc/self/fd") else done)


def test_weights_are_cast_to_the_network_s_dtype_and_are_copies():
    net, given = nn.Linear(2, 1), {"weight": torch.ones(1, 2).bfloat16(), "bias": torch.zeros(1)}
    weights.fill(net, given)
    given["bias"] += 1
    assert net.weight.dtype == torch.float32 and net.bias.item() == 0 and net.weight.tolist() == [[1, 1]]
