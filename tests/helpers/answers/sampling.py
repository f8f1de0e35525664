"""Notebook 05: right answers in other forms, and mutants of the references that are proven equal to them."""

import math
from itertools import pairwise

import numpy as np
import torch
from slips import mutant

from ddpm_lite.exercises import sampling

# 5.1


def _step_from_the_table(x_t, eps_hat, t, z, schedule):
    of_eps = schedule.beta[t] / (1 - schedule.alpha_bar[t]) ** 0.5
    return (x_t - of_eps * eps_hat) / schedule.alpha[t] ** 0.5 + schedule.posterior_var[t] ** 0.5 * z


def _step_by_the_guess(x_t, eps_hat, t, z, schedule):
    a, before, beta = schedule.alpha_bar[t], schedule.alpha_bar[t - 1], schedule.beta[t]
    x0_hat = (x_t - (1 - a).sqrt() * eps_hat) / a.sqrt()
    mean = (before.sqrt() * beta * x0_hat + (1 - beta).sqrt() * (1 - before) * x_t) / (1 - a)
    return mean + ((1 - before) / (1 - a) * beta).sqrt() * z


def _step_in_numpy(x_t, eps_hat, t, z, schedule):
    a, before, alpha = (float(v) for v in (schedule.alpha_bar[t], schedule.alpha_bar[t - 1], schedule.alpha[t]))
    sigma = math.sqrt((1 - before) / (1 - a) * (1 - alpha)) if t > 1 else 0.0
    return (x_t.numpy() - (1 - alpha) / math.sqrt(1 - a) * eps_hat.numpy()) / math.sqrt(alpha) + sigma * z.numpy()


def _step_in_float32(x_t, eps_hat, t, z, schedule):
    alpha, a = schedule.alpha[t].float(), schedule.alpha_bar[t].float()
    mean = x_t.float() / alpha.sqrt() - schedule.beta[t].float() / ((1 - a) * alpha).sqrt() * eps_hat.float()
    return mean + schedule.posterior_var[t].float().sqrt() * z.float()


# 5.2


def _strided_in_a_loop(steps, schedule):
    stride = schedule.T // steps
    visit = list(range(schedule.T, -1, -stride))
    a = schedule.alpha_bar
    return visit, torch.stack([1 - a[t] / a[t - stride] for t in visit[:-1]])


def _strided_by_products(steps, schedule):
    stride = schedule.T // steps
    kept = schedule.alpha[1:].reshape(steps, stride).prod(1)
    return torch.arange(steps, -1, -1) * stride, (1 - kept).flip(0)


def _strided_in_numpy(steps, schedule):
    visit = np.linspace(schedule.T, 0, steps + 1).round().astype(int)
    a = schedule.alpha_bar.numpy()[visit]
    return visit, (a[1:] - a[:-1]) / a[1:]


# 5.3


def _walk_with_if(eps_model, x_T, z, schedule):
    x = x_T
    for t in reversed(range(1, schedule.T + 1)):
        beta, a = schedule.beta[t], schedule.alpha_bar[t]
        sigma = 0 if t == 1 else beta.sqrt()
        x = (x - beta / (1 - a).sqrt() * eps_model(x, t)) / (1 - beta).sqrt() + sigma * z[t]
    return x


def _walk_down(eps_model, x_T, z, schedule):
    x, t = x_T, schedule.T
    while t >= 1:
        noise = z[t] if t > 1 else torch.zeros_like(x)
        mean = (x - schedule.beta[t] / (1 - schedule.alpha_bar[t]) ** 0.5 * eps_model(x, t)) / schedule.alpha[t] ** 0.5
        x = mean + noise * schedule.beta[t] ** 0.5
        t -= 1
    return x


def _walk_in_float32(eps_model, x_T, z, schedule):
    x = x_T.float()
    for t in range(schedule.T, 0, -1):
        beta, a = schedule.beta[t], schedule.alpha_bar[t]
        x = (x - beta / (1 - a).sqrt() * eps_model(x, t)) / (1 - beta).sqrt()
        x = x + beta.sqrt() * z[t].float() * (t != 1)
    return x


# 5.4


def _dial_by_variances(x_t, eps_hat, t, s, eta, z, schedule):
    now, then = schedule.alpha_bar[t], schedule.alpha_bar[s]
    fresh = eta**2 * (1 - then) / (1 - now) * (then - now) / then
    x0_hat = x_t / now**0.5 - ((1 - now) / now) ** 0.5 * eps_hat
    return fresh**0.5 * z + (1 - then - fresh) ** 0.5 * eps_hat + then**0.5 * x0_hat


def _dial_in_numpy(x_t, eps_hat, t, s, eta, z, schedule):
    a, a_s = float(schedule.alpha_bar[t]), float(schedule.alpha_bar[s])
    x0_hat = (x_t.numpy() - math.sqrt(1 - a) * eps_hat.numpy()) / math.sqrt(a)
    sigma = eta * math.sqrt((1 - a_s) / (1 - a)) * math.sqrt(1 - a / a_s)
    return math.sqrt(a_s) * x0_hat + math.sqrt(max(0.0, 1 - a_s - sigma**2)) * eps_hat.numpy() + sigma * z.numpy()


def _dial_in_float32(x_t, eps_hat, t, s, eta, z, schedule):
    a, a_s = schedule.alpha_bar[t], schedule.alpha_bar[s]
    x0_hat = (x_t.float() - (1 - a).sqrt() * eps_hat.float()) / a.sqrt()
    sigma = eta * ((1 - a_s) / (1 - a) * (1 - a / a_s)).sqrt()
    return a_s.sqrt() * x0_hat + (1 - a_s - sigma**2).clamp(min=0).sqrt() * eps_hat.float() + sigma * z.float()


# 5.5


def _ddim(x, eps_hat, t, s, schedule):
    a, a_s = schedule.alpha_bar[t], schedule.alpha_bar[s]
    return (a_s / a).sqrt() * (x - (1 - a).sqrt() * eps_hat) + (1 - a_s).sqrt() * eps_hat


def _mode_given_back(net, x_T, visit, schedule):
    was_training = net.training
    net.train(False)
    x = x_T
    with torch.no_grad():
        for t, s in pairwise(visit):
            x = _ddim(x, net(x, torch.full((len(x),), t)), t, s, schedule)
    net.train(was_training)
    return x


def _eval_at_each_step(net, x_T, visit, schedule):
    x = x_T
    for k in range(len(visit) - 1):
        with torch.no_grad():
            eps_hat = net.eval()(x, torch.full((len(x),), visit[k]))
        x = _ddim(x, eps_hat, visit[k], visit[k + 1], schedule)
    return x


def _one_after_the_other(net, x_T, visit, schedule):
    net.eval()
    drawn = []
    for x in x_T.split(1):
        for t, s in pairwise(visit):
            x = _ddim(x, net(x, torch.tensor([t])), t, s, schedule)
        drawn.append(x)
    return torch.cat(drawn)


# 5.6


def _both_at_once(drawn, real):
    (n, D), m = drawn.shape, len(real)
    a = torch.cat([drawn, (drawn - drawn.mean(0)) ** 2], dim=1)
    b = torch.cat([real, (real - real.mean(0)) ** 2], dim=1)
    z = (a.mean(0) - b.mean(0)) / torch.sqrt(a.var(0) / n + b.var(0) / m)
    return z[:D], z[D:]


def _sets_in_numpy(drawn, real):
    def apart(a, b):
        return (a.mean(0) - b.mean(0)) / np.sqrt(a.var(0, ddof=1) / len(a) + b.var(0, ddof=1) / len(b))

    a, b = drawn.numpy(), real.numpy()
    return apart(a, b), apart((a - a.mean(0)) ** 2, (b - b.mean(0)) ** 2)


def _column_by_column(drawn, real):
    results = ([], [])
    for a, b in zip(drawn.T, real.T, strict=True):
        for found, (x, y) in zip(results, ((a, b), ((a - a.mean()).square(), (b - b.mean()).square())), strict=True):
            found.append((x.mean() - y.mean()) / math.hypot(x.std() / len(x) ** 0.5, y.std() / len(y) ** 0.5))
    return torch.stack(results[0]), torch.stack(results[1])


def _sets_in_float32(drawn, real):
    return _both_at_once(drawn.float(), real.float())


# 5.7


def _recall_one_by_one(drawn, real, k):
    radii = [sorted(float((a - b).norm()) for b in drawn)[k] for a in drawn]
    inside = [any(float((x - a).norm()) <= r for a, r in zip(drawn, radii, strict=True)) for x in real]
    return sum(inside) / len(real)


def _recall_in_numpy(drawn, real, k):
    a, b = drawn.numpy(), real.numpy()
    radius = np.partition(np.linalg.norm(a[:, None] - a, axis=-1), k, axis=1)[:, k]
    return (np.linalg.norm(b[:, None] - a, axis=-1) <= radius).any(1).mean()


def _recall_by_kthvalue(drawn, real, k):
    among = torch.cdist(drawn, drawn).fill_diagonal_(torch.inf)
    return 1 - (torch.cdist(drawn, real) > among.kthvalue(k).values[:, None]).all(0).double().mean()


def _recall_in_float32(drawn, real, k):
    drawn, real = drawn.float(), real.float()
    near = torch.cdist(drawn, drawn).topk(k + 1, largest=False).values.amax(1)
    return ((torch.cdist(real, drawn) - near).amin(1) <= 0).float().mean()


FORMS = {
    "5.1": [_step_from_the_table, _step_by_the_guess, _step_in_numpy, _step_in_float32],
    "5.2": [_strided_in_a_loop, _strided_by_products, _strided_in_numpy],
    "5.3": [_walk_with_if, _walk_down, _walk_in_float32],
    "5.4": [_dial_by_variances, _dial_in_numpy, _dial_in_float32],
    "5.5": [_mode_given_back, _eval_at_each_step, _one_after_the_other],
    "5.6": [_both_at_once, _sets_in_numpy, _column_by_column, _sets_in_float32],
    "5.7": [_recall_one_by_one, _recall_in_numpy, _recall_by_kthvalue, _recall_in_float32],
}


EQUAL = {
    "5.6": {
        mutant(sampling.two_sample, "(x - x.mean(0)) ** 2", "(x.mean(0) - x) ** 2"): "squared: (a - b)^2 = (b - a)^2",
        mutant(sampling.two_sample, "(x - x.mean(0)) ** 2", "(2 * (x - x.mean(0))) ** 2"): "a scale cancels in the comparison "
        "of the squares",
        mutant(sampling.two_sample, "(x - x.mean(0)) ** 2", "((x - x.mean(0)) / 2) ** 2"): "the same",
    },
}
