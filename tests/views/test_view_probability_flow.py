"""ProbabilityFlow's Python half."""
import torch
from test_view_field import SLANTED

from ddpm_lite import GaussianMixture, GaussianPath, marginal_field
from ddpm_lite.views import ProbabilityFlow

LINE = GaussianMixture(torch.tensor([2.0, 1.0]), torch.tensor([[-1.2], [0.9]]), torch.tensor([0.1, 0.03]))


def off(kind):
    """A field that is not the exact one, but goes the same way."""
    return lambda x, u: marginal_field(SLANTED, ProbabilityFlow.PATHS[kind])(x, u) * 0.9 + 0.1 * torch.sin(3 * x.flip(1))


def flow(kinds=("flow matching", "diffusion"), **state):
    return ProbabilityFlow(LINE, SLANTED, {kind: off(kind) for kind in kinds}, **state)
