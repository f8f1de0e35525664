"""Notebook 00: right answers in other forms, and mutants of the references that are proven equal to them."""

import numpy as np
import torch
from slips import mutant

from ddpm_lite.exercises import from_noise

# 0.1


def _by_deviations(mean_1, var_1, mean_2, var_2):
    return (mean_1 - mean_2).square() + (var_1.sqrt() - var_2.sqrt()).square()


def _frechet_in_numpy(mean_1, var_1, mean_2, var_2):
    m1, v1, m2, v2 = (x.numpy() for x in (mean_1, var_1, mean_2, var_2))
    return v1 + v2 + (m2 - m1) ** 2 - 2 * np.sqrt(v1) * np.sqrt(v2)


def _frechet_in_float32(mean_1, var_1, mean_2, var_2):
    return (mean_1.float() - mean_2.float()).pow(2) + (var_1.float() ** 0.5 - var_2.float() ** 0.5).pow(2)


# 0.3


def _mix_by_standard_deviations(x, p, sigma, var):
    keep, std = torch.tensor(1 - p).sqrt(), torch.tensor(var).sqrt()
    return keep * x + (1 - keep**2).sqrt() * std * sigma


def _mix_in_units(x, p, sigma, var):
    unit = x / var**0.5
    return ((1 - p) ** 0.5 * unit + p**0.5 * sigma) * var**0.5


def _mix_in_numpy(x, p, sigma, var):
    return np.sqrt(1 - p) * x.numpy() + np.sqrt(p * var) * sigma.numpy()


def _mix_in_float32(x, p, sigma, var):
    return (1 - p) ** 0.5 * x.float() + (p * var) ** 0.5 * sigma.float()


# 0.5


def _torch_normal(x, p, generator):
    sigma = torch.normal(0.0, 1.0, x.shape, generator=generator, dtype=x.dtype)
    return p**0.5 * sigma + (1 - p) ** 0.5 * x


def _in_place(x, p, generator):
    return (1 - p) ** 0.5 * x + p**0.5 * torch.empty_like(x).normal_(generator=generator)


def _with_sizes(x, p, generator):
    sigma = torch.randn(*x.shape, generator=generator, dtype=torch.float64)
    return np.sqrt(1 - p) * x.numpy() + np.sqrt(p) * sigma.numpy()


# 0.6


def _by_weights(z, c, x0, labels):
    mine = (labels == c[:, None]).to(x0.dtype)
    return torch.einsum("bn,n...->b...", mine / mine.sum(1, keepdim=True), x0)


def _one_by_one(z, c, x0, labels):
    drawn = []
    for k in c.tolist():
        total, n = torch.zeros_like(x0[0]), 0
        for picture, label in zip(x0, labels.tolist(), strict=True):
            if label == k:
                total, n = total + picture, n + 1
        drawn.append(total / n)
    return torch.stack(drawn)


def _table_of_classes(z, c, x0, labels):
    table = np.stack([x0.numpy()[labels.numpy() == k].mean(axis=0) for k in range(int(labels.max()) + 1)])
    return table[c.numpy()]


def _least_squares(z, c, x0, labels):
    one_hot = torch.nn.functional.one_hot(labels).to(x0.dtype)
    table = torch.linalg.lstsq(one_hot, x0.flatten(1)).solution
    return table[c].reshape(len(c), *x0.shape[1:]).float()


FORMS = {
    "0.1": [_by_deviations, _frechet_in_numpy, _frechet_in_float32],
    "0.3": [_mix_by_standard_deviations, _mix_in_units, _mix_in_numpy, _mix_in_float32],
    "0.5": [_torch_normal, _in_place, _with_sizes],
    "0.6": [_by_weights, _one_by_one, _table_of_classes, _least_squares],
}


EQUAL = {
    "0.1": {
        mutant(from_noise.frechet, "mean_1 - mean_2", "mean_2 - mean_1"): "squared: (a - b)^2 = (b - a)^2",
    },
}
