"""Notebook 08: right answers in other forms, and mutants of the references that are proven equal to them."""

import math
from itertools import pairwise

import numpy as np
import torch
from slips import mutant

from ddpm_lite import GaussianMixture
from ddpm_lite.exercises import score_and_flow

# 8.1


def _score_by_autograd(x, weights, means, std):
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        squares = ((x[:, None] - means) ** 2).sum(2)
        log_p = torch.logsumexp(weights.log() - squares / (2 * std**2), 1)
        return torch.autograd.grad(log_p.sum(), x)[0]


def _score_in_numpy(x, weights, means, std):
    x, weights, means, var = x.numpy(), weights.numpy(), means.numpy(), float(std) ** 2
    p = weights * np.exp(-((x[:, None] - means) ** 2).sum(2) / (2 * var))
    return (p @ means / p.sum(1, keepdims=True) - x) / var


def _score_by_tweedie(x, weights, means, std):
    points = GaussianMixture(weights, means, torch.zeros(len(weights)))
    return (points.denoised(x, torch.ones(()).double(), torch.as_tensor(std).double()) - x) / std**2


# 8.2


def _loss_of_eps(score_model, x0, t, eps, schedule):
    std = (1 - schedule.alpha_bar[t]).sqrt().reshape(-1, *[1] * (x0.ndim - 1))
    x_t = (1 - std**2).sqrt() * x0 + std * eps
    return ((eps + std * score_model(x_t, t)) ** 2).mean()


def _loss_by_items(score_model, x0, t, eps, schedule):
    total = 0.0
    for i in range(len(x0)):
        a = float(schedule.alpha_bar[t[i]])
        x_t = math.sqrt(a) * x0[i : i + 1] + math.sqrt(1 - a) * eps[i : i + 1]
        total += (1 - a) * ((score_model(x_t, t[i : i + 1]) + eps[i : i + 1] / math.sqrt(1 - a)) ** 2).mean()
    return total / len(x0)


def _loss_by_the_gaussian(score_model, x0, t, eps, schedule):
    a = schedule.alpha_bar[t].reshape(-1, *[1] * (x0.ndim - 1))
    mean, var = a**0.5 * x0, 1 - a
    x_t = mean + var**0.5 * eps
    return (var * (score_model(x_t, t) - (mean - x_t) / var).square()).mean()


# 8.3


def _step_by_anderson(x, score, beta, h, z):
    drift, variance = -beta / 2 * x - beta * score, beta * h
    return x - h * drift + torch.sqrt(torch.as_tensor(variance)) * z


def _step_gathered(x, score, beta, h, z):
    return (1 + beta * h / 2) * x + beta * h * score + math.sqrt(beta * h) * z


def _step_in_numpy(x, score, beta, h, z):
    beta, h = float(beta), float(h)
    return x.numpy() + beta * h * (0.5 * x.numpy() + score.numpy()) + np.sqrt(beta * h) * z.numpy()


# 8.4


def _as_ddim(x_t, eps_hat, t, s, schedule):
    a, a_s = schedule.alpha_bar[t], schedule.alpha_bar[s]
    x0_hat = (x_t - (1 - a).sqrt() * eps_hat) / a.sqrt()
    return a_s.sqrt() * x0_hat + (1 - a_s).sqrt() * eps_hat


def _sigma_in_numpy(x_t, eps_hat, t, s, schedule):
    a = schedule.alpha_bar.numpy()
    sigma = np.sqrt(1 / a - 1)
    return np.sqrt(a[s]) * (x_t.numpy() / np.sqrt(a[t]) + (sigma[s] - sigma[t]) * eps_hat.numpy())


def _sigma_by_hand(x_t, eps_hat, t, s, schedule):
    sigma = ((1 - schedule.alpha_bar) / schedule.alpha_bar).sqrt()
    y = x_t * (1 + sigma[t] ** 2).sqrt()
    return (y - (sigma[t] - sigma[s]) * eps_hat) / (1 + sigma[s] ** 2).sqrt()


# 8.5


def _heun_by_index(field, x, times):
    for i in range(len(times) - 1):
        h = times[i + 1] - times[i]
        slope = field(x, times[i])
        x = x + 0.5 * h * slope + 0.5 * h * field(x + h * slope, times[i + 1])
    return x


def _heun_recursive(field, x, times):
    if len(times) < 2:
        return x
    t, s = times[:2]
    euler = x + (s - t) * field(x, t)
    return _heun_recursive(field, (x + euler + (s - t) * field(euler, s)) / 2, times[1:])


def _heun_backwards(field, x, times):
    for t, s in pairwise(times):
        k = -field(x, t)
        x = x + (t - s) * (k - field(x + (t - s) * k, s)) / 2
    return x


# 8.6


def _edm_by_names(net, y, sigma, d):
    shape = (len(y),) + (1,) * (y.ndim - 1)
    var = sigma**2 + d**2
    skip, out, scale = d**2 / var, sigma * d * var**-0.5, var**-0.5
    return skip.reshape(shape) * y + out.reshape(shape) * net(scale.reshape(shape) * y, torch.log(sigma) / 4)


def _edm_by_ratio(net, y, sigma, d):
    r = (sigma / d).reshape(-1, *[1] * (y.ndim - 1))
    return y / (1 + r**2) + d * r / (1 + r**2).sqrt() * net(y / (d * (1 + r**2).sqrt()), 0.25 * sigma.log())


def _edm_by_items(net, y, sigma, d):
    rows = []
    for each, s in zip(y, sigma, strict=True):
        total = s**2 + d**2
        rows.append(d**2 / total * each + s * d / total**0.5 * net(each[None] / total**0.5, s.log()[None] / 4)[0])
    return torch.stack(rows)


# 8.7


def _flow_by_items(net, x0, eps, u):
    losses = []
    for i in range(len(x0)):
        x_u = x0[i] + u[i] * (eps[i] - x0[i])
        losses.append((net(x_u[None], u[i : i + 1])[0] + x0[i] - eps[i]).square().mean())
    return torch.stack(losses).mean()


def _flow_by_lerp(net, x0, eps, u):
    weight = u[(...,) + (None,) * (x0.ndim - 1)].expand_as(x0)
    return torch.nn.functional.mse_loss(net(torch.lerp(x0, eps, weight), u), eps - x0)


def _flow_by_sum(net, x0, eps, u):
    wide = u.reshape(-1, *[1] * (x0.ndim - 1))
    error = eps - x0 - net(x0 - wide * x0 + wide * eps, u)
    return (error * error).sum() / error.numel()


FORMS = {
    "8.1": [_score_by_autograd, _score_in_numpy, _score_by_tweedie],
    "8.2": [_loss_of_eps, _loss_by_items, _loss_by_the_gaussian],
    "8.3": [_step_by_anderson, _step_gathered, _step_in_numpy],
    "8.4": [_as_ddim, _sigma_in_numpy, _sigma_by_hand],
    "8.5": [_heun_by_index, _heun_recursive, _heun_backwards],
    "8.6": [_edm_by_names, _edm_by_ratio, _edm_by_items],
    "8.7": [_flow_by_items, _flow_by_lerp, _flow_by_sum],
}

EQUAL = {
    "8.2": {
        mutant(score_and_flow.dsm_loss, "score_model(x_t, t) - target", "target - score_model(x_t, t)"): "squared: (a - b)^2 = "
        "(b - a)^2",
    },
    "8.7": {
        mutant(score_and_flow.flow_matching_loss, "net(x_u, u) - (eps - x0)", "eps - x0 - net(x_u, u)"): "the same",
    },
}
