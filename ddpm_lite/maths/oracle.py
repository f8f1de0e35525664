"""Exact answers: the best possible eps(x_t, t) where the data's distribution is known, and the loss that remains.

The eps that minimises the training loss is E[eps | x_t] (the conditional mean minimises a squared error), and
E[eps | x_t] = (x_t - sqrt(alpha_bar_t) E[x_0 | x_t]) / sqrt(1 - alpha_bar_t). So each distribution here only has to
know E[x_0 | x_t], the ideal denoiser. Everything is computed in float64 and returned in the dtype of x_t.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from .checks import require_finite, require_share
from .gaussian import Steps, eps_from_x0, q_sample, v_from_eps
from .schedule import Schedule, gather, require_floating

Labels = Int[Tensor, " batch"]


class _Exact:
    """What the two distributions share. A label equal to the number of classes is the null label: no condition."""

    labels: Tensor | None
    floor_of: str
    x0_mean: Callable[..., Tensor]  # E[x_0 | x_t], which each of them defines

    def eps(self, x_t: Float[Tensor, "b *d"], t: Steps, schedule: Schedule, cond: Labels | None = None) -> Float[Tensor, "b *d"]:
        """eps*(x_t, t) = E[eps | x_t] (given the class cond, where it is not the null label), 1 <= t <= T."""
        require_floating(x_t=x_t)
        x = x_t.double()
        return eps_from_x0(x, self.x0_mean(x, t, schedule, cond), t, schedule).to(x_t.dtype)

    def eps_model(self, schedule: Schedule) -> Callable[..., Tensor]:
        """eps* with the signature of a network, model(x_t, t, cond=None): for `sample`, in a network's place."""
        return lambda x_t, t, cond=None: self.eps(x_t, t, schedule, cond)

    def v_model(self, schedule: Schedule) -> Callable[..., Tensor]:
        """v* = sqrt(alpha_bar_t) eps* - sqrt(1 - alpha_bar_t) x0*, with the signature of a network that predicts v.
        Slide L18; Salimans & Ho 2022, section 4."""
        return lambda x_t, t, cond=None: v_from_eps(x_t, self.eps(x_t, t, schedule, cond), t, schedule)

    @property
    def null(self) -> int:
        """The null label: one more than the largest class."""
        return 0 if self.labels is None else int(self.labels.max()) + 1

    def _require_known(self, cond: Tensor | None) -> None:
        """ValueError for labels that no item has."""
        if cond is None:
            return
        if self.labels is None:
            raise ValueError("cond was given, but this distribution has no labels.")
        if not bool((torch.isin(cond, self.labels) | (cond == self.null)).all()):
            known = sorted(set(self.labels.tolist()))
            raise ValueError(f"cond holds a class that no item has: the classes are {known}, and {self.null} is 'no condition'.")

    def _mask(self, logits: Tensor, cond: Tensor | None, labels: Tensor | None) -> Tensor:
        """The logits (B, K) of the components, with the components of all classes but cond ruled out."""
        if cond is None:
            return logits
        if cond.shape != logits.shape[:1]:
            raise ValueError(f"cond must be {len(logits)} labels, one for each item, but its shape is {tuple(cond.shape)}.")
        return logits.masked_fill((cond[:, None] != labels) & (cond[:, None] != self.null), -math.inf)


class GaussianMixture(_Exact):
    """sum_k weight_k N(mean_k, cov_k) in D dimensions; labels (K,), if given, put each component into a class.
    Slides L7, L17, L20; Karras et al. 2022, appendix B.3.

    weights (K,) positive (they are normalised), means (K, D), covs (K, D, D) symmetric and at least 0, or (K,) for
    cov_k = covs_k I. A cov of 0 is a point. ValueError for anything else.
    """

    floor_of = "the expected loss under this mixture"

    def __init__(self, weights: Tensor, means: Tensor, covs: Tensor, labels: Int[Tensor, " K"] | None = None):
        weights, means, covs = (torch.as_tensor(a, dtype=torch.float64) for a in (weights, means, covs))
        if means.ndim != 2 or weights.shape != means.shape[:1]:
            raise ValueError(
                f"means must be (K, D) and weights (K,), but they are {tuple(means.shape)} and {tuple(weights.shape)}."
            )
        require_finite(weights=weights, means=means, covs=covs)
        K, D = means.shape
        if not (weights > 0).all():
            raise ValueError("Every weight of a mixture must be positive.")
        if covs.shape == (K,):
            covs = covs[:, None, None] * torch.eye(D, dtype=torch.float64, device=covs.device)
        if covs.shape != (K, D, D) or not torch.allclose(covs, covs.mT):
            raise ValueError(f"covs must be (K,) variances or (K, D, D) symmetric matrices, with K = {K} and D = {D}.")
        # Noise of equal variance in all directions leaves the axes of each component and changes only their lengths.
        self.axis_var, self.axes = torch.linalg.eigh(covs)
        if self.axis_var.min() < -1e-9 * max(1.0, float(self.axis_var.max())):
            raise ValueError("A covariance has a negative eigenvalue.")
        if labels is not None and len(labels) != K:
            raise ValueError(f"There are {K} components but {len(labels)} labels.")
        self.axis_var = self.axis_var.clamp(min=0)
        self.weights, self.means, self.covs, self.labels = weights / weights.sum(), means, covs, labels

    def draw(self, n: int, generator: torch.Generator | None = None) -> tuple[Float[Tensor, "n D"], Int[Tensor, " n"]]:
        """n points, float64, and the class of each (its component's number where there are no classes)."""
        k = torch.multinomial(self.weights, n, replacement=True, generator=generator)
        z = torch.randn(n, self.means.shape[1], dtype=torch.float64, device=self.means.device, generator=generator)
        return self.means[k] + torch.einsum(
            "ndi,ni->nd", self.axes[k], self.axis_var[k].sqrt() * z
        ), k if self.labels is None else self.labels[k]

    def diffused(self, t: int, schedule: Schedule) -> "GaussianMixture":
        """The distribution of x_t: means sqrt(alpha_bar_t) mean_k, covariances alpha_bar_t cov_k + (1 - alpha_bar_t) I."""
        a = float(gather(schedule.alpha_bar, t, self.means))
        return self.noised(math.sqrt(a), math.sqrt(1 - a))

    def noised(self, signal: float, noise: float) -> "GaussianMixture":
        """The distribution of signal x_0 + noise eps."""
        eye = torch.eye(self.means.shape[1], dtype=torch.float64, device=self.means.device)
        return GaussianMixture(self.weights, signal * self.means, signal**2 * self.covs + noise**2 * eye, self.labels)

    def log_prob(self, x: Float[Tensor, "b D"]) -> Float[Tensor, " b"]:
        """The log density at x, in nats. It needs covariances without a zero eigenvalue: diffuse points first."""
        return torch.logsumexp(self._parts(x)[1], 1).to(x.dtype)

    def score(self, x: Float[Tensor, "b D"]) -> Float[Tensor, "b D"]:
        """The gradient of `log_prob` at x: each component's pull towards its mean, cov_k^-1 (mean_k - x), weighted by its share
        of the density there. Hyvarinen 2005, section 2."""
        along, logs = self._parts(x)
        pulls = torch.einsum("bki,kdi->bkd", -along / self.axis_var, self.axes)
        return torch.einsum("bk,bkd->bd", logs.softmax(1), pulls).to(x.dtype)

    def _parts(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """How far x lies from each mean along each axis (B, K, D), and the log of each component's part of the density."""
        require_floating(x=x)
        along = torch.einsum("bkd,kdi->bki", x.double()[:, None] - self.means, self.axes)
        each = -0.5 * (along**2 / self.axis_var + torch.log(2 * math.pi * self.axis_var)).sum(-1)
        return along, each + self.weights.log()

    def x0_mean(
        self, x_t: Float[Tensor, "b D"], t: Steps, schedule: Schedule, cond: Labels | None = None
    ) -> Float[Tensor, "b D"]:
        """E[x_0 | x_t]: each component's Gaussian posterior mean, weighted by its share of the density at x_t."""
        require_floating(x_t=x_t)
        self._require_known(cond)
        a = gather(schedule.alpha_bar, t, x_t.double()[:, None], 1)
        return self._denoised(x_t, a.sqrt(), 1 - a, cond)

    def denoised(self, x: Float[Tensor, "b D"], signal: Tensor, noise: Tensor) -> Float[Tensor, "b D"]:
        """E[x_0 | signal x_0 + noise eps = x], where signal and noise are one number each and not both 0.
        Karras et al. 2022, appendix B.3."""
        require_floating(x=x)
        return self._denoised(x, signal.to(x.device), noise.to(x.device) ** 2, None)

    def _denoised(self, x_t: Tensor, signal: Tensor, noise_var: Tensor, cond: Tensor | None) -> Tensor:
        x = x_t.double()
        var = signal**2 * self.axis_var + noise_var
        along = torch.einsum("bkd,kdi->bki", x[:, None] - signal * self.means, self.axes)
        logits = self.weights.log() - 0.5 * (along**2 / var + var.log()).sum(-1)
        share = self._mask(logits, cond, self.labels).softmax(1)
        shift = torch.einsum("bki,kdi->bkd", signal * self.axis_var / var * along, self.axes)
        return torch.einsum("bk,bkd->bd", share, self.means + shift).to(x_t.dtype)


class FiniteData(_Exact):
    """Each of N given items with probability 1/N: its exact denoiser is the one that has memorised them.
    Slide L20; Karras et al. 2022, appendix B.3.

    data    (N, ...) of any shape
    labels  (N,), if given, allow conditioning on the class
    chunk   items that `x0_mean` reads at a time: it changes the memory needed and not the result
    ValueError for data that are not finite, labels that are not one for each item, and a chunk below 1.
    """

    floor_of = "the loss on exactly these items, not on new ones: reaching it is memorising"

    def __init__(self, data: Float[Tensor, "N *d"], labels: Int[Tensor, " N"] | None = None, chunk: int = 4096):
        require_floating(data=data)
        require_finite(data=data)
        if labels is not None and len(labels) != len(data):
            raise ValueError(f"There are {len(data)} items but {len(labels)} labels.")
        if chunk < 1:
            raise ValueError(f"chunk = {chunk}, but at least one item must be read at a time.")
        self.data, self.labels, self.chunk = data, labels, chunk
        self.flat = data.reshape(len(data), -1).double()

    def draw(self, n: int, generator: torch.Generator | None = None) -> tuple[Float[Tensor, "n *d"], Int[Tensor, " n"]]:
        """n items drawn with replacement, and their labels (their row numbers where there are none)."""
        i = torch.randint(len(self.data), (n,), device=self.data.device, generator=generator)
        return self.data[i], i if self.labels is None else self.labels[i]

    def x0_mean(
        self, x_t: Float[Tensor, "b *d"], t: Steps, schedule: Schedule, cond: Labels | None = None
    ) -> Float[Tensor, "b *d"]:
        """E[x_0 | x_t] = sum_i w_i x_i, w = softmax_i(-|x_t - sqrt(alpha_bar_t) x_i|^2 / (2 (1 - alpha_bar_t))), t >= 1.

        The data is read in chunks with a running maximum, so the memory is that of B x chunk numbers, whatever N is.
        """
        require_floating(x_t=x_t)
        self._require_known(cond)
        x = x_t.reshape(len(x_t), -1).double()
        a = gather(schedule.alpha_bar, t, x, 1)
        top = x.new_full((len(x), 1), torch.finfo(x.dtype).min)
        total, mean = torch.zeros_like(top), torch.zeros_like(x)
        for start in range(0, len(self.flat), self.chunk):
            rows = self.flat[start : start + self.chunk]
            labels = None if self.labels is None else self.labels[start : start + self.chunk]
            # |x - sqrt(a) x_i|^2 without |x|^2, which is the same for all i; float64 keeps the difference exact enough.
            logits = (a.sqrt() * x @ rows.mT - 0.5 * a * (rows**2).sum(1)) / (1 - a)
            logits = self._mask(logits, cond, labels)
            new_top = torch.maximum(top, logits.amax(1, keepdim=True))
            old, weight = torch.exp(top - new_top), torch.exp(logits - new_top)
            total = old * total + weight.sum(1, keepdim=True)
            mean = old * mean + weight @ rows
            top = new_top
        return (mean / total).reshape(x_t.shape).to(x_t.dtype)


class Floor(NamedTuple):
    """The least possible loss at step t, per dimension, its Monte Carlo standard error, and what it is a floor of.
    Slide L20; Ho et al. 2020, eq. 14."""

    t: int
    value: float
    std_error: float
    of: str


def loss_floor(
    exact: GaussianMixture | FiniteData,
    t: int,
    schedule: Schedule,
    n: int,
    generator: torch.Generator | None = None,
    drop: float = 1.0,
    target: str = "eps",
) -> Floor:
    """min over all functions f of E|eps - f(x_t, t, c)|^2 / D, estimated from n draws, 1 <= t <= T.
    Slide L20; Ho et al. 2020, eq. 14.

    target is "eps", or "x0", "v" or "flow" in the place of eps: where x_t is known these follow from eps, so that their errors
    are those of eps times s^2, s^2 + 1 and (s + 1)^2 with s^2 = (1 - alpha_bar_t) / alpha_bar_t.
    drop is the share of training pictures whose label is replaced by the null label: 1 is the unconditional floor,
    0 the class-conditional one, and training with label dropout p has the floor p * unconditional + (1 - p) * conditional.
    A floor holds for the distribution it was computed on and for nothing else: read `Floor.of`. ValueError for a drop below 1
    where there are no labels, and for another target.
    """
    noise = math.sqrt(1 / float(schedule.alpha_bar[t]) - 1)  # for a signal of 1
    factors = {"eps": 1.0, "x0": noise**2, "v": noise**2 + 1, "flow": (noise + 1) ** 2}
    if target not in factors:
        raise ValueError(f"There is no target {target!r}: use {', '.join(factors)}.")
    require_share(drop=drop)
    if drop < 1 and exact.labels is None:
        raise ValueError(f"drop = {drop} is the share of labels left out, but this distribution has no labels: leave it out.")
    x0, labels = exact.draw(n, generator)
    x0 = x0.double()
    eps = torch.randn(x0.shape, dtype=x0.dtype, device=x0.device, generator=generator)
    x_t = q_sample(x0, t, eps, schedule)

    def squared_error(cond: Tensor | None) -> Tensor:
        block = 1024  # draws at a time: the memory is that of block x N numbers, not n x N
        conds = cond.split(block) if cond is not None else [None] * math.ceil(n / block)
        eps_star = torch.cat([exact.eps(x, t, schedule, c) for x, c in zip(x_t.split(block), conds, strict=True)])
        return factors[target] * ((eps - eps_star) ** 2).reshape(n, -1).mean(1)

    error = drop * squared_error(None) if drop > 0 else x0.new_zeros(n)
    if drop < 1:
        error = error + (1 - drop) * squared_error(labels)
    given = {0.0: "given the class", 1.0: "without a condition"}.get(drop, f"with the class dropped in {drop:.0%} of cases")
    return Floor(t, float(error.mean()), float(error.std() / math.sqrt(n)), f"{exact.floor_of}, {given}")
