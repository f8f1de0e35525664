"""Notebook 03: right answers in other forms, and mutants of the references that are proven equal to them."""

import math

import numpy as np
import torch
from slips import mutant

from ddpm_lite.exercises import reverse_posterior


def _shaped(table, x):
    return table.view(-1, *(1,) * (x.ndim - 1))


# 3.1


def _by_products(x, x_t, t, data, schedule):
    likelihood = torch.exp(-((x_t - schedule.alpha[t].sqrt() * x) ** 2) / (2 * schedule.beta[t]))
    both = likelihood * data.diffused(t - 1, schedule).log_prob(x[:, None]).exp()
    return both / both.sum()


def _bayes_in_numpy(x, x_t, t, data, schedule):
    log = -((x_t.numpy() - math.sqrt(schedule.alpha[t]) * x.numpy()) ** 2) / (2 * float(schedule.beta[t]))
    log = log + data.diffused(t - 1, schedule).log_prob(x.reshape(-1, 1)).numpy()
    weight = np.exp(log - log.max())
    return weight / weight.sum()


def _bayes_in_float32(x, x_t, t, data, schedule):
    step = torch.distributions.Normal(schedule.alpha[t].sqrt() * x, schedule.beta[t].sqrt())
    log = step.log_prob(x_t) + data.diffused(t - 1, schedule).log_prob(x.unsqueeze(1))
    return torch.softmax(log.float(), dim=0)


# 3.3


def _mean_as_printed(x0, x_t, t, schedule):
    beta, alpha, a, before = (
        _shaped(v, x0) for v in (schedule.beta[t], schedule.alpha[t], schedule.alpha_bar[t], schedule.alpha_bar[t - 1])
    )
    return before.sqrt() * beta / (1 - a) * x0 + alpha.sqrt() * (1 - before) / (1 - a) * x_t


def _mean_one_by_one(x0, x_t, t, schedule):
    means = []
    for start, now, k in zip(x0, x_t, t.tolist(), strict=True):
        alpha, beta, before = schedule.alpha[k], schedule.beta[k], schedule.alpha_bar[k - 1]
        var = 1 / (alpha / beta + 1 / (1 - before))
        means.append(var * (alpha.sqrt() * now / beta + before.sqrt() * start / (1 - before)))
    return torch.stack(means)


def _mean_in_numpy(x0, x_t, t, schedule):
    shape = (-1,) + (1,) * (x0.ndim - 1)
    steps = t.numpy()
    alpha, beta = schedule.alpha.numpy()[steps].reshape(shape), schedule.beta.numpy()[steps].reshape(shape)
    rest = 1 - schedule.alpha_bar.numpy()[steps - 1].reshape(shape)
    top = np.sqrt(alpha) * rest * x_t.numpy() + np.sqrt(1 - rest) * beta * x0.numpy()
    return top / (alpha * rest + beta)


def _mean_in_float32(x0, x_t, t, schedule):
    A = _shaped((schedule.alpha[t] / schedule.beta[t] + 1 / (1 - schedule.alpha_bar[t - 1])).float(), x0)
    of_x_t = _shaped((schedule.alpha[t].sqrt() / schedule.beta[t]).float(), x0)
    of_x0 = _shaped((schedule.alpha_bar[t - 1].sqrt() / (1 - schedule.alpha_bar[t - 1])).float(), x0)
    return (of_x0 * x0.float() + of_x_t * x_t.float()) / A


# 3.4


def _mended_where_it_stands(x0, x_t, t, z, schedule):
    a, alpha, beta = schedule.alpha_bar[t], schedule.alpha[t], schedule.beta[t]
    of_x0 = (a / alpha).sqrt() * beta / (1 - a)
    of_x_t = alpha.sqrt() * (1 - a / alpha) / (1 - a)
    var = (1 - a / alpha) / (1 - a) * beta
    return of_x0 * x0 + of_x_t * x_t + var.sqrt() * z


def _from_the_noise(x0, x_t, t, z, schedule):
    a, alpha = schedule.alpha_bar[t], schedule.alpha[t]
    eps = (x_t - a.sqrt() * x0) / (1 - a).sqrt()
    return (x_t - (1 - alpha) / (1 - a).sqrt() * eps) / alpha.sqrt() + schedule.posterior_var[t].sqrt() * z


def _step_in_numpy(x0, x_t, t, z, schedule):
    a, before, beta = (float(v) for v in (schedule.alpha_bar[t], schedule.alpha_bar[t - 1], schedule.beta[t]))
    mean = (math.sqrt(before) * beta * x0.numpy() + math.sqrt(1 - beta) * (1 - before) * x_t.numpy()) / (1 - a)
    return mean + math.sqrt((1 - before) * beta / (1 - a)) * z.numpy()


def _step_in_float32(x0, x_t, t, z, schedule):
    a, before, beta = schedule.alpha_bar[t], schedule.alpha_bar[t - 1], schedule.beta[t]
    of_x0, of_x_t = before.sqrt() * beta / (1 - a), schedule.alpha[t].sqrt() * (1 - before) / (1 - a)
    return of_x0 * x0.float() + of_x_t * x_t.float() + schedule.posterior_var[t] ** 0.5 * z.float()


# 3.5


def _vars_in_a_loop(beta, d2):
    known, unknown, before = [], [], 1.0
    for b in beta.tolist():
        a = before * (1 - b)
        v = before * d2 + 1 - before
        known.append((1 - before) * b / (1 - a))
        unknown.append(b * v / ((1 - b) * v + b))
        before = a
    return torch.tensor(known), torch.tensor(unknown)


def _by_total_variance(beta, d2):
    a = torch.cumprod(1 - beta, dim=0)
    before = a / (1 - beta)
    known = beta * (1 - before) / (1 - a)
    x0_var = d2 * (1 - a) / (a * d2 + 1 - a)  # of x_0 given x_t, for Gaussian data
    return known, known + before * (beta / (1 - a)) ** 2 * x0_var


def _vars_in_numpy(beta, d2):
    beta = beta.numpy()
    a = np.cumprod(1 - beta)
    before = np.concatenate([[1.0], a[:-1]])
    v = before * d2 + 1 - before
    return (1 - before) / (1 - a) * beta, beta * v / ((1 - beta) * v + beta)


# 3.6


def _path_by_formula(path, step_mean, step_var):
    log_p = -0.5 * path[:, -1] ** 2 - 0.5 * math.log(2 * math.pi)
    for t in range(1, path.shape[1]):
        gap = path[:, t - 1] - step_mean(path[:, t], t)
        log_p = log_p - 0.5 * (gap**2 / step_var[t] + torch.log(2 * math.pi * step_var[t]))
    return log_p


def _path_walk_by_walk(path, step_mean, step_var):
    def log_normal(x, mean, var):
        return float(-((x - mean) ** 2) / (2 * var) - math.log(math.sqrt(2 * math.pi * float(var))))

    T = path.shape[1] - 1
    return [
        log_normal(walk[T], 0.0, 1.0) + sum(log_normal(walk[t - 1], step_mean(walk[t], t), step_var[t]) for t in range(1, T + 1))
        for walk in path
    ]


def _path_in_numpy(path, step_mean, step_var):
    path, T = path.numpy(), path.shape[1] - 1
    means = np.stack([step_mean(path[:, t], t) for t in range(1, T + 1)], axis=1)
    var = step_var.numpy()[1:]
    steps = -0.5 * ((path[:, :-1] - means) ** 2 / var + np.log(2 * np.pi * var))
    return steps.sum(1) - 0.5 * (path[:, -1] ** 2 + np.log(2 * np.pi))


def _path_in_float32(path, step_mean, step_var):
    log_p = torch.distributions.Normal(0.0, 1.0).log_prob(path[:, -1].float())
    for t in reversed(range(1, path.shape[1])):
        mean = step_mean(path[:, t], t).float()
        log_p = log_p + torch.distributions.Normal(mean, step_var[t].float() ** 0.5).log_prob(path[:, t - 1].float())
    return log_p


FORMS = {
    "3.1": [_by_products, _bayes_in_numpy, _bayes_in_float32],
    "3.3": [_mean_as_printed, _mean_one_by_one, _mean_in_numpy, _mean_in_float32],
    "3.4": [_mended_where_it_stands, _from_the_noise, _step_in_numpy, _step_in_float32],
    "3.5": [_vars_in_a_loop, _by_total_variance, _vars_in_numpy],
    "3.6": [_path_by_formula, _path_walk_by_walk, _path_in_numpy, _path_in_float32],
}


EQUAL = {
    "3.1": {
        mutant(
            reverse_posterior.back_density, "x_t - schedule.alpha[t].sqrt() * x", "schedule.alpha[t].sqrt() * x - x_t"
        ): "squared: (a - b)^2 = (b - a)^2",
        mutant(reverse_posterior.back_density, "softmax(0)", "softmax(-1)"): "a vector's first dimension is its last",
    },
    "3.5": {
        mutant(reverse_posterior.step_back_vars, "cumprod(0)", "cumprod(-1)"): "a vector's first dimension is its last",
    },
}
