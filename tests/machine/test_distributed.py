"""Several processes: the same loss curve as one, and a clear end when one is lost. On gloo, two processes, no GPU."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import torch

from ddpm_lite.machine import weights
from ddpm_lite.models import trained

pytestmark = pytest.mark.skipif(not torch.distributed.is_available(), reason="this PyTorch has no torch.distributed")
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}

CURVE = """
    import json, pathlib, sys, torch
    from ddpm_lite import UNet, Schedule, eps_loss, train
    from ddpm_lite.machine import distributed
    distributed.start(torch.device("cpu"))
    torch.set_num_threads(1)
    torch.manual_seed(0)
    net = UNet(8, 1, 16, (1, 2), 1, (4,), groups=8, num_classes=4)
    g = torch.Generator().manual_seed(1)
    data = (torch.rand(100, 1, 8, 8, generator=g), torch.arange(100) % 4)
    loss = eps_loss(Schedule.linear(100), null=4)
    steps = list(train(net, data, loss, generator=torch.Generator().manual_seed(2), steps=50, batch_size=16))
    if distributed.rank() == 0:
        history = steps[-1].run.history.nan_to_num(-1).tolist()
        json.dump({"losses": [s.loss for s in steps], "history": history}, open(sys.argv[1], "w"))
    del net, steps  # they hold what a process must let go of before it leaves
    distributed.stop()
    threads = [p.read_text() for p in pathlib.Path("/proc/self/task").glob("*/comm")]  # none outside Linux
    assert not any("gloo" in name for name in threads), threads  # one that is left can abort a process that has finished
"""


def torchrun(processes: int, *arguments: str, **options) -> subprocess.Popen:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=ENVIRONMENT, **options)


def curve(tmp_path: Path, processes: int) -> dict:
    import json

    script, out = tmp_path / "curve.py", tmp_path / f"{processes}.json"
    script.write_text(textwrap.dedent(CURVE))
    process = torchrun(processes, str(script), str(out))
    output = process.communicate(timeout=120)[0]
    assert process.returncode == 0, output
    return json.loads(out.read_text())


def test_two_processes_have_the_loss_curve_of_one(tmp_path):
    one, two = curve(tmp_path, 1), curve(tmp_path, 2)
    assert len(one["losses"]) == 50
    assert max(abs(a - b) for a, b in zip(one["losses"], two["losses"], strict=True)) <= 1e-4
    torch.testing.assert_close(torch.tensor(one["history"]), torch.tensor(two["history"]), rtol=1e-3, atol=1e-4)


def test_two_processes_draw_the_pictures_of_one(tmp_path):
    for processes in (1, 2):
        out = str(tmp_path / f"{processes}.png")
        options = ["-n", "300", "--steps", "2", "--method", "ddpm", "-o", out, "--device", "cpu"]
        process = torchrun(processes, "-m", "ddpm_lite", "sample", "digits", *options)
        assert process.wait(timeout=120) == 0, process.communicate()[0]
    assert (tmp_path / "1.png").read_bytes() == (tmp_path / "2.png").read_bytes()


@pytest.mark.skipif(sys.platform != "linux", reason="finds the process in /proc")
def test_a_lost_process_ends_the_run_with_a_sentence_and_a_usable_checkpoint(tmp_path):
    run = [
        "-m",
        "ddpm_lite",
        "train",
        "digits",
        "--out",
        str(tmp_path),
        "--steps",
        "3000",
        "--batch-size",
        "16",
        "--device",
        "cpu",
    ]
    process = torchrun(2, *run, start_new_session=True)
    deadline = time.monotonic() + 90
    while not (tmp_path / trained.CHECKPOINT).exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.1)
    time.sleep(1)
    second = next(pid for pid in children(process.pid) if b"RANK=1\0" in b"\0" + Path(f"/proc/{pid}/environ").read_bytes())
    os.kill(second, signal.SIGKILL)
    output = process.communicate(timeout=90)[0]
    assert process.returncode != 0
    ours = [line for line in output.splitlines() if line.startswith("ddpm_lite: ")]
    assert len(ours) == 1 and str(tmp_path / trained.CHECKPOINT) in ours[0], output
    assert "__main__.py" not in output, "torchrun's own report has a traceback of its own, but there is none of ours"
    tensors, config = weights.load(tmp_path / trained.CHECKPOINT)
    assert config["step"] >= 1 and all(v.isfinite().all() for k, v in tensors.items() if k.startswith(("model.", "ema.")))
    assert trained.load(tmp_path, "cpu").draw(torch.tensor([3]), steps=2).shape == (1, 1, 16, 16)


def children(pid: int) -> list[int]:
    return [int(c) for c in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
