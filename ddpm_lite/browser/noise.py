"""The noise that a seed means in a page and in Python alike: a hash of the seed and of the number's place. See noise.js."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

# The streams of a seed's noise: 0 is the noise of a picture, and those after it belong to the steps of a drawing. A picture is
# enlarged with ENLARGING; from IMAGINING on, a prior imagines embeddings.
ENLARGING, IMAGINING = 1 << 20, 1 << 21
ROTATIONS = (13, 15, 26, 6, 17, 29, 16, 24)
PARITY = 0x1BD11BDA


def threefry(key: tuple[int, int], counter: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Threefry 2x32 with 20 rounds: two numbers of 32 bits for each counter, (n, 2) numbers of 32 bits.
    Salmon et al. 2011, section 4.2."""
    keys = np.array([*key, PARITY ^ key[0] ^ key[1]], np.uint32)
    a, b = np.asarray(counter, np.uint32).T + keys[:2, None]
    for turn in range(1, 6):
        for i in range(4):
            a = a + b
            by = np.uint32(ROTATIONS[(4 * (turn - 1) + i) % 8])
            b = (b << by | b >> np.uint32(32 - by)) ^ a
        a, b = a + keys[turn % 3], b + keys[(turn + 1) % 3] + np.uint32(turn)
    return a, b


def portable_noise(seed: int, shape: Sequence[int], stream: int = 0) -> Float[Tensor, "..."]:
    """N(0, I) of this shape, the same in Python and in a page for a seed, on any machine: `draw(..., noise=portable_noise(seed,
    (1, 3, 16, 16)))` is what the page draws with that seed. Box and Muller make normal numbers of `threefry`'s uniform ones.
    Slide L21; Salmon et al. 2011, section 4.2.

    stream   other noise of the same seed
    ValueError for a seed or a stream that has more than 32 bits.
    """
    for name, value in (("seed", seed), ("stream", stream)):
        if not 0 <= value < 2**32:
            raise ValueError(f"{name} = {value}, but it must be a whole number from 0 to 2^32 - 1.")
    n = math.prod(shape)
    place = np.arange(-(-n // 2))
    u, v = ((bits + 0.5) / 2**32 for bits in threefry((seed, stream), np.stack([place, 0 * place], 1)))
    radius = np.sqrt(-2 * np.log(u))
    pairs = np.stack([radius * np.cos(2 * np.pi * v), radius * np.sin(2 * np.pi * v)], 1)
    return torch.from_numpy(pairs.ravel()[:n].astype("f4").reshape(tuple(shape)))
