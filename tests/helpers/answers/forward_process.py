"""Notebook 01: right answers in other forms, and mutants of the references that are proven equal to them."""

import math

import numpy as np
import torch
from slips import mutant

from ddpm_lite.exercises import forward_process

# 1.1


def _step_from_the_table(x_prev, t, eps, schedule):
    return schedule.alpha[t] ** 0.5 * x_prev + schedule.beta[t] ** 0.5 * eps


def _step_in_numpy(x_prev, t, eps, schedule):
    beta = float(schedule.beta[t])
    return math.sqrt(1 - beta) * x_prev.numpy() + math.sqrt(beta) * eps.numpy()


def _step_in_float32(x_prev, t, eps, schedule):
    beta = schedule.beta[t].float()
    return torch.sqrt(beta) * eps.float() + torch.sqrt(1 - beta) * x_prev.float()


def _step_for_each_item(x_prev, t, eps, schedule):
    beta = schedule.beta[torch.full((len(x_prev),), t)].reshape(-1, *[1] * (x_prev.ndim - 1))
    return (1 - beta).sqrt() * x_prev + beta.sqrt() * eps


# 1.2


def _chain_by_index(x0, beta, eps):
    x = x0.clone()
    for k in range(len(eps)):
        x = math.sqrt(1 - beta) * x + math.sqrt(beta) * eps[k]
    return x


def _chain_as_a_sum(x0, beta, eps):
    n, keep = len(eps), 1 - beta
    return keep ** (n / 2) * x0 + sum((beta * keep ** (n - 1 - k)) ** 0.5 * eps[k] for k in range(n))


def _chain_in_numpy(x0, beta, eps):
    x = x0.numpy()
    for e in eps.numpy():
        x = np.sqrt(1 - beta) * x + np.sqrt(beta) * e
    return x


def _chain_in_float32(x0, beta, eps):
    x = x0.float()
    for e in eps.float():
        x = (1 - beta) ** 0.5 * x + beta**0.5 * e
    return x


# 1.4


def _in_logarithms(T, beta_1, beta_T):
    table = torch.zeros(T + 1, dtype=torch.float64)
    table[1:] = torch.linspace(math.log(beta_1), math.log(beta_T), T, dtype=torch.float64).exp()
    return table


def _one_after_the_other(T, beta_1, beta_T):
    table = [0.0, beta_1]
    while len(table) < T + 1:
        table.append(table[-1] * (beta_T / beta_1) ** (1 / (T - 1)))
    return table


def _geomspace(T, beta_1, beta_T):
    return np.concatenate([[0.0], np.geomspace(beta_1, beta_T, T)])


def _in_float32(T, beta_1, beta_T):
    return torch.cat([torch.zeros(1), beta_1 * (beta_T / beta_1) ** torch.linspace(0, 1, T)])


# 1.5


def _walk_from_zero(x0, eps, schedule):
    x = x0
    for t in range(schedule.T + 1):  # the step at t = 0 does nothing
        x = schedule.alpha[t].sqrt() * x + schedule.beta[t].sqrt() * eps[t]
    return x


def _walk_over_tables(x0, eps, schedule):
    x = x0
    for beta, e in zip(schedule.beta[1:], eps[1:], strict=True):
        x = (1 - beta).sqrt() * x + beta.sqrt() * e
    return x


def _walk_in_numpy(x0, eps, schedule):
    x, t = x0.numpy(), 0
    while t < schedule.T:
        t += 1
        x = np.sqrt(1 - schedule.beta[t].item()) * x + np.sqrt(schedule.beta[t].item()) * eps[t].numpy()
    return x


def _walk_in_float32(x0, eps, schedule):
    x = x0.float()
    for k in range(len(eps) - 1):
        beta = schedule.beta[k + 1].float()
        x = (1 - beta) ** 0.5 * x + beta**0.5 * eps[k + 1].float()
    return x


# 1.6


def _snr_in_a_loop(beta, data_var):
    left, found = 1.0, []
    for b in beta.tolist():
        left *= 1 - b
        found.append(left * data_var / (1 - left))
    return found


def _snr_in_logarithms(beta, data_var):
    log_left = torch.log1p(-beta).cumsum(0)
    return -data_var * log_left.exp() / torch.expm1(log_left)


def _snr_in_numpy(beta, data_var):
    left = np.cumprod(1 - beta.numpy())
    return data_var / (1 / left - 1)


def _snr_in_float32(beta, data_var):
    left = (1 - beta).cumprod(0)
    return (data_var * left / (1 - left)).float()


FORMS = {
    "1.1": [_step_from_the_table, _step_in_numpy, _step_in_float32, _step_for_each_item],
    "1.2": [_chain_by_index, _chain_as_a_sum, _chain_in_numpy, _chain_in_float32],
    "1.4": [_in_logarithms, _one_after_the_other, _geomspace, _in_float32],
    "1.5": [_walk_from_zero, _walk_over_tables, _walk_in_numpy, _walk_in_float32],
    "1.6": [_snr_in_a_loop, _snr_in_logarithms, _snr_in_numpy, _snr_in_float32],
}


EQUAL = {
    "1.5": {
        mutant(forward_process.walk, "range(1, ", "range(0, "): "beta_0 = 0: the step at t = 0 does nothing",
    },
    "1.6": {
        mutant(forward_process.snr, "dim=0", "dim=-1"): "a vector's first dimension is its last",
    },
}
