"""Notebook 09: right answers in other forms, and mutants of the references that are proven equal to them."""

import math

import torch
import torch.nn.functional as F

from ddpm_lite import ddim_step, eps_from_x0, kl, q_sample, sample, x0_from_eps

# 9.1


def _kl_of_the_package(mean, log_var):
    zero = torch.zeros((), dtype=mean.dtype)
    return kl(mean, log_var.exp(), zero, zero + 1).flatten(1).sum(1)


def _kl_of_torch(mean, log_var):
    q = torch.distributions.Normal(mean, (log_var / 2).exp())
    cost = torch.distributions.kl_divergence(q, torch.distributions.Normal(0.0, 1.0))
    return torch.stack([each.sum() for each in cost])


def _kl_in_numpy(mean, log_var):
    mean, log_var = mean.numpy().reshape(len(mean), -1), log_var.numpy().reshape(len(mean), -1)
    return -0.5 * (1 + log_var - mean**2 - math.e**log_var).sum(1)


# 9.2


def _scaled_by_the_gaussian(mean, log_var, z, channel_mean, channel_var):
    """The scaled latents are Gaussian too: their mean and standard deviation first."""
    std = channel_var.sqrt().reshape(1, -1, 1, 1)
    return (mean - channel_mean.reshape(1, -1, 1, 1)) / std + log_var.exp().sqrt() / std * z


def _scaled_by_batch_norm(mean, log_var, z, channel_mean, channel_var):
    return F.batch_norm(mean + torch.exp(0.5 * log_var) * z, channel_mean, channel_var, eps=0.0)


def _scaled_by_channels(mean, log_var, z, channel_mean, channel_var):
    drawn = mean + log_var.exp() ** 0.5 * z
    parts = [(drawn[:, c] - channel_mean[c]) / channel_var[c] ** 0.5 for c in range(len(channel_mean))]
    return torch.stack(parts, dim=1)


# 9.3


def _patches_by_unfold(x, p):
    return F.unfold(x, p, stride=p).mT


def _patches_by_unshuffle(x, p):
    return F.pixel_unshuffle(x, p).flatten(2).transpose(1, 2)


def _patches_one_by_one(x, p):
    rows, columns = range(0, x.shape[2], p), range(0, x.shape[3], p)
    return torch.stack([x[:, :, i : i + p, j : j + p].flatten(1) for i in rows for j in columns], dim=1)


# 9.4


def _adaln_by_terms(x, norm, f, shift, scale, gate):
    h = norm(x)
    h = h + scale.unsqueeze(1) * h + shift.unsqueeze(1)
    return x + f(h) * gate.unsqueeze(1)


def _adaln_of_each_picture(x, norm, f, shift, scale, gate):
    parts = zip(x, shift, scale, gate, strict=True)
    return torch.stack([one + g * f(norm(one) * (1 + s) + b) for one, b, s, g in parts])


def _adaln_by_addcmul(x, norm, f, shift, scale, gate):
    h = torch.addcmul(shift[:, None], norm(x), 1 + scale[:, None])
    return torch.addcmul(x, gate[:, None], f(h))


# 9.5


def _target_by_the_noise(teacher, x_t, t, m, s, schedule):
    """In the variables of notebook 08: one Euler step in sigma with the mean slope of the teacher's two; x0 from that."""
    sigma = ((1 - schedule.alpha_bar) / schedule.alpha_bar).sqrt()
    y = x_t / schedule.alpha_bar[t].sqrt()
    first = teacher(x_t, t)
    y_m = y + (sigma[m] - sigma[t]) * first
    second = teacher(schedule.alpha_bar[m].sqrt() * y_m, m)
    slope = ((sigma[m] - sigma[t]) * first + (sigma[s] - sigma[m]) * second) / (sigma[s] - sigma[t])
    return y - sigma[t] * slope


def _target_by_samples(teacher, x_t, t, m, s, schedule):
    """Where the teacher is at s, by `sample`, and two guesses of x0 of which the true one is a mixture."""
    if s:
        *_, x_s, _ = sample(lambda x, at, cond=None: teacher(x, int(at[0])), x_t, schedule, steps=[t, m, s], method="ddim")
    else:
        *_, x_s = sample(lambda x, at, cond=None: teacher(x, int(at[0])), x_t, schedule, steps=[t, m], method="ddim")
    a, a_s = (float(schedule.alpha_bar[k]) for k in (t, s))
    d = math.sqrt(1 - a) * math.sqrt(a_s) - math.sqrt(1 - a_s) * math.sqrt(a)
    return (math.sqrt(1 - a) * x_s.x_t - math.sqrt(1 - a_s) * x_t) / d


def _target_by_hand(teacher, x_t, t, m, s, schedule):
    x = x_t
    for now, then in ((t, m), (m, s)):
        eps = teacher(x, now)
        x0 = x0_from_eps(x, eps, now, schedule)
        x = schedule.alpha_bar[then].sqrt() * x0 + (1 - schedule.alpha_bar[then]).sqrt() * eps
    r = (1 - schedule.alpha_bar[s]) ** 0.5 / (1 - schedule.alpha_bar[t]) ** 0.5
    return (x - r * x_t) / (schedule.alpha_bar[s] ** 0.5 - r * schedule.alpha_bar[t] ** 0.5)


def _target_of_the_notebook(teacher, x_t, t, m, s, schedule):
    """As section 9.7 has it: the teacher is told the step of each item."""
    x_m = ddim_step(x_t, teacher(x_t, torch.full((len(x_t),), t)), t, m, schedule)
    x_s = ddim_step(x_m, teacher(x_m, torch.full((len(x_t),), m)), m, s, schedule)
    a, a_s = schedule.alpha_bar[t], schedule.alpha_bar[s]
    r = ((1 - a_s) / (1 - a)).sqrt().item()
    return (x_s - r * x_t) / (a_s.sqrt() - r * a.sqrt()).item()


# 9.6


def _edit_by_sample(model, x0, visit, eps, schedule):
    a = schedule.alpha_bar[visit[0]]
    x_t = a.sqrt() * x0 + (1 - a).sqrt() * eps
    *_, last = sample(lambda x, t, cond=None: model(x, int(t[0])), x_t, schedule, steps=visit, method="ddim")
    return last.x_t


def _edit_in_x0(model, x0, visit, eps, schedule):
    a = schedule.alpha_bar
    x = a[visit[0]].sqrt() * x0 + (1 - a[visit[0]]).sqrt() * eps
    for t, s in zip(visit, [*visit[1:], 0], strict=True):
        guess = x0_from_eps(x, model(x, t), t, schedule)
        x = a[s].sqrt() * guess + (1 - a[s]).sqrt() * eps_from_x0(x, guess, t, schedule)
    return x


def _edit_in_sigma(model, x0, visit, eps, schedule):
    sigma = ((1 - schedule.alpha_bar) / schedule.alpha_bar).sqrt()
    y = x0 + sigma[visit[0]] * eps
    for t, s in zip(visit, [*visit[1:], 0], strict=True):
        y = y + (sigma[s] - sigma[t]) * model(schedule.alpha_bar[t].sqrt() * y, t)
    return y


def _edit_by_the_packages_walk(model, x0, visit, eps, schedule):
    *_, last = sample(model, q_sample(x0, visit[0], eps, schedule), schedule, steps=visit, method="ddim")
    return last.x_t


def _edit_of_each_item(model, x0, visit, eps, schedule):
    x = q_sample(x0, torch.full((len(x0),), visit[0]), eps, schedule)
    for t, s in zip(visit, [*visit[1:], 0], strict=True):
        x = ddim_step(x, model(x, torch.full((len(x),), t), cond=None), t, s, schedule)
    return x


FORMS = {
    "9.1": [_kl_of_the_package, _kl_of_torch, _kl_in_numpy],
    "9.2": [_scaled_by_the_gaussian, _scaled_by_batch_norm, _scaled_by_channels],
    "9.3": [_patches_by_unfold, _patches_by_unshuffle, _patches_one_by_one],
    "9.4": [_adaln_by_terms, _adaln_of_each_picture, _adaln_by_addcmul],
    "9.5": [_target_by_the_noise, _target_by_samples, _target_by_hand, _target_of_the_notebook],
    "9.6": [_edit_by_sample, _edit_in_x0, _edit_in_sigma, _edit_by_the_packages_walk, _edit_of_each_item],
}

EQUAL: dict[str, dict[str, str]] = {}
