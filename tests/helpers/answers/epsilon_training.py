"""Notebook 04: right answers in other forms, and mutants of the references that are proven equal to them."""

import numpy as np
import torch
from slips import mutant

from ddpm_lite.exercises import bound, epsilon_training


def _shaped(table, x):
    return table.view(-1, *(1,) * (x.ndim - 1))


# 4.1


def _average_by_the_largest(log_ratio):
    largest = log_ratio.max()
    return largest + (log_ratio - largest).exp().mean().log(), sum(log_ratio) / len(log_ratio)


def _average_in_numpy(log_ratio):
    a = log_ratio.numpy()
    return a.max() + np.log(np.mean(np.exp(a - a.max()))), np.mean(a)


def _bound_in_float32(log_ratio):
    a = log_ratio.float()
    return a.logsumexp(0) - torch.tensor(float(len(a))).log(), a.mean()


# 4.2


def _forward_in_numpy(back, now, before):
    return back.numpy() + now.numpy() - before.numpy()


def _forward_from_the_marginals(back, now, before):
    return (now - before) + back


def _forward_in_float32(back, now, before):
    return back.float().add(now.float()).sub(before.float())


# 4.3


def _loss_one_by_one(eps_model, x0, t, eps, schedule):
    total = 0.0
    for i, k in enumerate(t.tolist()):
        a = schedule.alpha_bar[k]
        x_t = a.sqrt() * x0[i : i + 1] + (1 - a).sqrt() * eps[i : i + 1]
        total = total + (eps_model(x_t, t[i : i + 1]) - eps[i : i + 1]).pow(2).mean()
    return total / len(x0)


def _loss_of_torch(eps_model, x0, t, eps, schedule):
    a = _shaped(schedule.alpha_bar[t], x0)
    return torch.nn.functional.mse_loss(eps_model(a**0.5 * x0 + (1 - a) ** 0.5 * eps, t), eps)


def _loss_in_float32(eps_model, x0, t, eps, schedule):
    a = _shaped(schedule.alpha_bar[t], x0)
    x_t = (a.sqrt() * x0 + (1 - a).sqrt() * eps).float()
    return ((eps.float() - eps_model(x_t, t)).flatten(1) ** 2).mean(1).mean()


# 4.4


def _t_in_numpy(n, T, shift):
    return np.floor(T * np.mod(shift + np.linspace(0, 1, n, endpoint=False), 1)).astype(int) + 1


def _t_in_a_loop(n, T, shift):
    found = []
    for i in range(n):
        u = shift + i / n
        u = u - 1 if u >= 1 else u
        found.append(1 + int(u * T))
    return found


def _t_in_whole_numbers(n, T, shift):
    u = torch.arange(n, dtype=torch.float64) / n + shift
    return 1 + (u * T).floor().long() % T


# 4.5


def _names_the_other_way(x_t, t, denoise, schedule):
    signal, noise = schedule.alpha_bar[t] ** 0.5, (1 - schedule.alpha_bar[t]) ** 0.5
    x0_hat = denoise(x_t / signal)
    v_hat = (signal * x_t - x0_hat) / noise
    return x0_hat, noise * x_t + signal * v_hat, v_hat


def _names_by_sigma(x_t, t, denoise, schedule):
    a = schedule.alpha_bar[t]
    corrupted, sigma = x_t / a.sqrt(), ((1 - a) / a).sqrt()
    x0_hat = denoise(corrupted)
    eps_hat = (corrupted - x0_hat) / sigma
    return [x0_hat, eps_hat, a.sqrt() * eps_hat - (1 - a).sqrt() * x0_hat]


def _names_in_numpy(x_t, t, denoise, schedule):
    a, x = float(schedule.alpha_bar[t]), x_t.numpy()
    x0_hat = denoise(torch.from_numpy(x / a**0.5)).numpy()
    eps_hat = (x - a**0.5 * x0_hat) / (1 - a) ** 0.5
    return x0_hat, eps_hat, a**0.5 * eps_hat - (1 - a) ** 0.5 * x0_hat


def _names_in_float32(x_t, t, denoise, schedule):
    a, x = schedule.alpha_bar[t], x_t.float()
    x0_hat = denoise(x / a.sqrt())
    eps_hat = (x - a.sqrt() * x0_hat) / (1 - a).sqrt()
    return x0_hat, eps_hat, a.sqrt() * eps_hat - (1 - a).sqrt() * x0_hat


# 4.6


def _mean_by_densities(x_t, t, points, schedule):
    a = schedule.alpha_bar[t]
    step = torch.distributions.Normal(a.sqrt() * points, (1 - a).sqrt())
    weight = step.log_prob(x_t[:, None]).sum(-1).exp()
    return (weight[:, :, None] * points).sum(1) / weight.sum(1, keepdim=True)


def _mean_one_by_one(x_t, t, points, schedule):
    a, means = schedule.alpha_bar[t], []
    for x in x_t:
        weight = torch.stack([torch.exp(-((x - a.sqrt() * p) ** 2).sum() / (2 * (1 - a))) for p in points])
        means.append(sum(w * p for w, p in zip(weight / weight.sum(), points, strict=True)))
    return torch.stack(means)


def _mean_in_numpy(x_t, t, points, schedule):
    a, x, p = float(schedule.alpha_bar[t]), x_t.numpy(), points.numpy()
    log = (np.sqrt(a) * x @ p.T - a * (p**2).sum(1) / 2) / (1 - a)
    weight = np.exp(log - log.max(1, keepdims=True))
    return weight / weight.sum(1, keepdims=True) @ p


def _mean_in_float32(x_t, t, points, schedule):
    a, p = schedule.alpha_bar[t].float(), points.float()
    return torch.softmax(-(torch.cdist(x_t.float(), a.sqrt() * p) ** 2) / (2 - 2 * a), dim=-1) @ p


# 4.7


def _other_way_round(labels, u, p, null):
    return torch.where(u < p, null, labels)


def _label_by_label(labels, u, p, null):
    return [null if number < p else label for label, number in zip(labels.tolist(), u.tolist(), strict=True)]


def _masked(labels, u, p, null):
    return labels.masked_fill(u < p, null)


def _labels_in_numpy(labels, u, p, null):
    return np.where(u.numpy() < p, null, labels.numpy())


# 4.8


def _by_lerp(weights, gradient, steps, lr, decay):
    average = weights.clone()
    for _ in range(steps):
        weights = weights - lr * gradient(weights)
        average = average.lerp(weights, 1 - decay)
    return average


def _all_at_the_end(weights, gradient, steps, lr, decay):
    visited = [weights]
    for _ in range(steps):
        visited.append(visited[-1] - lr * gradient(visited[-1]))
    share = [decay**steps] + [(1 - decay) * decay ** (steps - k) for k in range(1, steps + 1)]
    return sum(s * w for s, w in zip(share, visited, strict=True))


def _average_in_float32(weights, gradient, steps, lr, decay):
    weights = weights.float()
    average = weights
    for _ in range(steps):
        weights = weights - lr * gradient(weights)
        average = average - (1 - decay) * (average - weights)
    return average


# 4.9


def _batch_one_by_one(eps_model, x0, t, schedule, random):
    noise = random.normal(x0.shape)
    a = [schedule.alpha_bar[k] for k in t.tolist()]
    x_t = torch.stack([share**0.5 * x + (1 - share) ** 0.5 * e for share, x, e in zip(a, x0, noise, strict=True)])
    return (noise - eps_model(x_t, t)).flatten().pow(2).sum() / x0.numel()


def _batch_of_torch(eps_model, x0, t, schedule, random):
    noise = random.normal(tuple(x0.shape))
    a = schedule.alpha_bar[t].view(len(x0), *[1] * (x0.ndim - 1))
    return torch.nn.functional.mse_loss(eps_model(torch.sqrt(a) * x0 + torch.sqrt(1 - a) * noise, t), noise)


def _batch_in_float32(eps_model, x0, t, schedule, random):
    noise, table = random.normal(x0.shape).float(), schedule.alpha_bar.float()
    a = table[t][(...,) + (None,) * (x0.ndim - 1)]
    return (eps_model(a**0.5 * x0.float() + (1 - a) ** 0.5 * noise, t) - noise).square().mean()


FORMS = {
    "4.1": [_average_by_the_largest, _average_in_numpy, _bound_in_float32],
    "4.2": [_forward_in_numpy, _forward_from_the_marginals, _forward_in_float32],
    "4.3": [_loss_one_by_one, _loss_of_torch, _loss_in_float32],
    "4.4": [_t_in_numpy, _t_in_a_loop, _t_in_whole_numbers],
    "4.5": [_names_the_other_way, _names_by_sigma, _names_in_numpy, _names_in_float32],
    "4.6": [_mean_by_densities, _mean_one_by_one, _mean_in_numpy, _mean_in_float32],
    "4.7": [_other_way_round, _label_by_label, _masked, _labels_in_numpy],
    "4.8": [_by_lerp, _all_at_the_end, _average_in_float32],
    "4.9": [_batch_one_by_one, _batch_of_torch, _batch_in_float32],
}


EQUAL = {
    "4.1": {
        mutant(bound.log_average, "torch.logsumexp(log_ratio, 0)", "torch.logsumexp(log_ratio, -1)"): "there is one dimension",
    },
    "4.9": {
        mutant(
            epsilon_training.batch_loss, "eps - eps_model(x_t, t)", "eps_model(x_t, t) - eps"
        ): "squared: (a - b)^2 = (b - a)^2",
    },
    "4.3": {
        mutant(epsilon_training.eps_loss, "eps - eps_model(x_t, t)", "eps_model(x_t, t) - eps"): "squared: (a - b)^2 = (b - a)^2",
    },
    "4.6": {
        mutant(
            epsilon_training.x0_mean, "x_t[:, None] - a.sqrt() * points", "a.sqrt() * points - x_t[:, None]"
        ): "squared: (a - b)^2 = (b - a)^2",
    },
}
