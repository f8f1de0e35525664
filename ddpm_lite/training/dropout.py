"""The random numbers of dropout, which torch draws from a generator of the device's own."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ..machine import distributed
from ..machine.device import own_generator


@contextmanager
def dropout_from(generator: torch.Generator, device: torch.device) -> Iterator[None]:
    """A context in which dropout on this device draws from our generator: the device's own is seeded from it, and put back.

    Each process drops other units: this is the one thing in which several processes differ from one.
    """
    seed = int(torch.randint(2**62, (), generator=generator, device=device)) + distributed.rank()
    dropout = own_generator(device)  # torch.manual_seed would seed those of all devices, torch.cuda's the current one's
    before = dropout.get_state()
    dropout.manual_seed(seed)
    try:
        yield
    finally:
        dropout.set_state(before)
