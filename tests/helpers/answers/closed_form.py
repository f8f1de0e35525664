"""Notebook 02: right answers in other forms, and mutants of the references that are proven equal to them."""

import math

import numpy as np
import torch
from slips import mutant

from ddpm_lite.exercises import closed_form

# 2.1


def _table_in_a_loop(beta):
    table = [1.0]
    for b in beta.tolist():
        table.append(table[-1] * (1 - b))
    return table


def _table_with_a_zero_step(beta):
    return torch.cumprod(1 - torch.cat([torch.zeros(1, dtype=beta.dtype), beta]), dim=0)


def _table_in_numpy(beta):
    return np.concatenate([[1.0], np.cumprod(1 - beta.numpy())])


def _table_in_float32(beta):
    return torch.cat([torch.ones(1), (1 - beta.float()).log().cumsum(0).exp()])


# 2.3


def _film_at_once(x0, eps, visit, schedule):
    a = schedule.alpha_bar[visit].reshape(-1, *[1] * x0.ndim)
    return a.sqrt() * x0 + (1 - a).sqrt() * eps


def _film_in_numpy(x0, eps, visit, schedule):
    a = schedule.alpha_bar.numpy()
    return np.stack([np.sqrt(1 - a[t]) * eps.numpy() + np.sqrt(a[t]) * x0.numpy() for t in visit])


def _film_in_float32(x0, eps, visit, schedule):
    frames = torch.empty(len(visit), *x0.shape)
    for k, t in enumerate(visit):
        frames[k] = schedule.alpha_bar[t] ** 0.5 * x0 + (1 - schedule.alpha_bar[t]) ** 0.5 * eps
    return frames


# 2.4


def _back_term_by_term(x_t, eps_hat, t, schedule):
    a = schedule.alpha_bar[t]
    return x_t / a**0.5 - ((1 - a) / a) ** 0.5 * eps_hat


def _back_in_numpy(x_t, eps_hat, t, schedule):
    a = float(schedule.alpha_bar[t])
    return (x_t.numpy() - math.sqrt(1 - a) * eps_hat.numpy()) / math.sqrt(a)


def _back_in_float32(x_t, eps_hat, t, schedule):
    a = schedule.alpha_bar[t]
    return (x_t.float() - (1 - a).sqrt().float() * eps_hat.float()) / a.sqrt().float()


# 2.5


def _by_the_product(x_s, s, t, eps, schedule):
    kept = schedule.alpha[s + 1 : t + 1].prod()
    return kept**0.5 * x_s + (1 - kept) ** 0.5 * eps


def _by_signal_and_noise(x_s, s, t, eps, schedule):
    signal = schedule.alpha_bar.sqrt()
    factor = signal[t] / signal[s]
    var = (1 - schedule.alpha_bar[t]) - factor**2 * (1 - schedule.alpha_bar[s])
    return factor * x_s + var.sqrt() * eps


def _further_in_numpy(x_s, s, t, eps, schedule):
    kept = float(schedule.alpha_bar[t]) / float(schedule.alpha_bar[s])
    return math.sqrt(kept) * x_s.numpy() + math.sqrt(1 - kept) * eps.numpy()


def _further_in_float32(x_s, s, t, eps, schedule):
    kept = 1.0
    for step in range(s + 1, t + 1):
        kept = kept * (1 - schedule.beta[step])
    return kept.sqrt() * x_s.float() + (1 - kept).sqrt() * eps.float()


# 2.6


def _numpy(x0, t, eps, schedule):
    a = schedule.alpha_bar.numpy()[t.numpy()].reshape(-1, *[1] * (x0.ndim - 1))
    return np.sqrt(a) * x0.numpy() + np.sqrt(1 - a) * eps.numpy()


def _one_by_one(x0, t, eps, schedule):
    a = schedule.alpha_bar
    return torch.stack([a[k].sqrt() * x + (1 - a[k]).sqrt() * e for x, k, e in zip(x0, t, eps, strict=True)])


def _float32(x0, t, eps, schedule):
    a = schedule.alpha_bar[t].float().view(-1, *(1,) * (x0.ndim - 1))
    return (1 - a) ** 0.5 * eps.float() + a**0.5 * x0.float()


FORMS = {
    "2.1": [_table_in_a_loop, _table_with_a_zero_step, _table_in_numpy, _table_in_float32],
    "2.3": [_film_at_once, _film_in_numpy, _film_in_float32],
    "2.4": [_back_term_by_term, _back_in_numpy, _back_in_float32],
    "2.5": [_by_the_product, _by_signal_and_noise, _further_in_numpy, _further_in_float32],
    "2.6": [_numpy, _one_by_one, _float32],
}


EQUAL = {
    "2.1": {
        mutant(closed_form.alpha_bar, "cumprod(0)", "cumprod(-1)"): "a vector's first dimension is its last",
    },
}
