"""Several processes that train one network: started by torchrun, found by its environment variables.

Every process draws the same random numbers, for the whole batch, and then keeps its own part (`shard`): so one process
and many compute the same thing (apart from dropout, which each draws for itself). Without torchrun nothing here has an effect.
"""

import gc
import importlib
import os
from typing import Any, TypeVar, overload

import torch
import torch.distributed as dist
from torch import Tensor

T = TypeVar("T")


def start(device: torch.device) -> torch.device:
    """Join the other processes, if torchrun started this one; returns this process's device (cuda:0, cuda:1, ...).

    ValueError for a GPU chosen by its number, since each process has its own, for more processes than GPUs, and for an
    environment that says how many processes there are but not which of them this is.
    """
    if "WORLD_SIZE" not in os.environ:
        return device
    if "LOCAL_RANK" not in os.environ:
        raise ValueError("WORLD_SIZE is set but LOCAL_RANK is not: start several processes with torchrun, or unset WORLD_SIZE.")
    if device.type == "cuda":
        if device.index is not None:
            raise ValueError(f"torchrun gives each process a GPU of its own: say 'cuda', not '{device}'.")
        own, count = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if own >= count:
            raise ValueError(f"Process {own + 1} of this machine finds no GPU of its own: start at most {count} here.")
        device = torch.device("cuda", own)
        torch.cuda.set_device(device)
    # DistributedDataParallel imports this module, whose functions keep whatever group there is at that time. If they kept ours,
    # its threads would outlive `stop` and now and then abort a process that had finished.
    importlib.import_module("torch.distributed.nn.functional")

    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return device


def stop() -> None:
    """Leave the other processes, if there are any."""
    if running():
        # What a DistributedDataParallel leaves behind must go first: gloo's threads end a process that still holds one of them.
        gc.collect()
        dist.destroy_process_group()


def lost(error: RuntimeError) -> bool:
    """Does this error say that another process went away? gloo has only a message for it, nccl has a class."""
    return running() and (isinstance(error, dist.DistError) or "gloo" in str(error).lower() or "connection" in str(error).lower())


def running() -> bool:
    """Is this one of several processes (or a single one under torchrun)?"""
    return dist.is_available() and dist.is_initialized()


def first() -> bool:
    """Is this the process that saves and prints? Known before `start` too."""
    return "WORLD_SIZE" not in os.environ or os.environ.get("RANK") == "0"


def rank() -> int:
    """This process's number, 0 for the one that saves and prints."""
    return dist.get_rank() if running() else 0


def world_size() -> int:
    """How many processes there are."""
    return dist.get_world_size() if running() else 1


@overload
def shard(x: Tensor) -> Tensor: ...


@overload
def shard(x: None) -> None: ...


def shard(x: Tensor | None) -> Tensor | None:
    """This process's rows of a batch: every world_size-th, from its rank on. The batch must divide evenly (ValueError)."""
    if x is None or world_size() == 1:
        return x
    if len(x) % world_size():
        raise ValueError(f"A batch of {len(x)} does not divide among {world_size()} processes: use a multiple.")
    return x[rank() :: world_size()]


def gather(x: Tensor) -> Tensor:
    """The whole batch again from everyone's `shard`, in its order; gradients flow back to the process that a row came from.

    If all processes compute the same loss from it, each gets world_size times its part of the gradient, which is what
    DistributedDataParallel's mean over the processes expects.
    """
    return x if world_size() == 1 else _Gather.apply(x)


class _Gather(torch.autograd.Function):
    """`gather` of several processes; PyTorch's own function for it will be removed."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        parts = [torch.empty_like(x) for _ in range(world_size())]
        dist.all_gather(parts, x.contiguous())
        return torch.stack(parts, dim=1).flatten(0, 1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return shard(total(gradients[0]))


def mean(x: Tensor) -> Tensor:
    """The mean of x over the processes."""
    return total(x) / world_size()


def total(x: Tensor) -> Tensor:
    """The sum of x over the processes."""
    if world_size() > 1:
        x = x.clone()
        dist.all_reduce(x)
    return x


def from_first(value: T) -> T:
    """The first process's value, on all of them."""
    if world_size() == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0)
    return box[0]


def gather_all(value: T) -> list[T]:
    """Everyone's value, in the order of the ranks, on all of them."""
    if world_size() == 1:
        return [value]
    box: list = [None] * world_size()
    dist.all_gather_object(box, value)
    return box
