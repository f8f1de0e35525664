"""Densities on a line and in the plane, of about unit variance, where everything about diffusion can be computed.

The mixtures are exact (`GaussianMixture` knows their best denoiser); moons, spiral and letters are drawn points, whose
exact denoiser is `FiniteData`'s.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from ..maths.oracle import GaussianMixture


def two_humps(std: float = 0.2) -> GaussianMixture:
    """On a line: half of the mass around -1, half around +1."""
    return GaussianMixture(torch.ones(2), torch.tensor([[-1.0], [1.0]]), torch.full((2,), std**2), labels=torch.arange(2))


def three_humps() -> GaussianMixture:
    """On a line: three humps of different weight and width, so that nothing is right by symmetry."""
    return GaussianMixture(
        torch.tensor([0.3, 0.5, 0.2]),
        torch.tensor([[-1.5], [0.0], [1.6]]),
        torch.tensor([0.05, 0.15, 0.02]),
        labels=torch.arange(3),
    )


def ring(components: int = 8, radius: float = 1.3, std: float = 0.15) -> GaussianMixture:
    """In the plane: equal Gaussians on a circle, each its own class."""
    angle = 2 * math.pi * torch.arange(components, dtype=torch.float64) / components
    means = radius * torch.stack([angle.cos(), angle.sin()], dim=1)
    return GaussianMixture(torch.ones(components), means, torch.full((components,), std**2), labels=torch.arange(components))


def moons(n: int, generator: torch.Generator | None = None, noise: float = 0.05) -> Float[Tensor, "n 2"]:
    """Two interlocking half circles."""
    angle = math.pi * torch.rand(n, generator=generator)
    lower = (torch.rand(n, generator=generator) < 0.5).float()
    x = torch.stack([angle.cos() * (1 - 2 * lower) + lower - 0.5, angle.sin() * (1 - 2 * lower) + 0.5 * lower - 0.25], dim=1)
    return 1.3 * (x + noise * torch.randn(n, 2, generator=generator))


def swiss_roll(n: int, generator: torch.Generator | None = None, noise: float = 0.03) -> Float[Tensor, "n 2"]:
    """A spiral of one and a half turns, with uniform density along its angle."""
    angle = math.pi * (1.5 + 3 * torch.rand(n, generator=generator))
    x = torch.stack([angle * angle.cos(), angle * angle.sin()], dim=1) / 8
    return x + noise * torch.randn(n, 2, generator=generator)


def letters(text: str, n: int, generator: torch.Generator | None = None) -> Float[Tensor, "n 2"]:
    """Points spread evenly over the ink of a word. ValueError for a text without visible letters."""
    # Imported here, so that only code that draws letters waits for matplotlib.
    from matplotlib.font_manager import FontProperties
    from matplotlib.path import Path
    from matplotlib.textpath import TextPath

    if not any(letter.isprintable() and not letter.isspace() for letter in text):
        raise ValueError(f"{text!r} has no visible letters to put points on.")
    path = TextPath((0, 0), text, size=1, prop=FontProperties(family="DejaVu Sans", weight="bold"))
    outlines = [
        Path(outline) for outline in path.to_polygons()
    ]  # an "o" has two: the inside of one is ink, the inside of both a hole
    (left, bottom), (right, top) = path.get_extents().get_points()
    low, size = torch.tensor([left, bottom]), torch.tensor([right - left, top - bottom])
    points = torch.zeros(0, 2, dtype=torch.float64)
    while len(points) < n:
        x = low + size * torch.rand(2 * n, 2, dtype=torch.float64, generator=generator)
        inside = sum(outline.contains_points(x.numpy()).astype(int) for outline in outlines)
        points = torch.cat([points, x[torch.from_numpy(inside % 2 == 1)]])
    middle = low + size / 2
    return ((points[:n] - middle) * 4 / size.max()).float()
