"""Notebook 07: right answers in other forms, and mutants of the references that are proven equal to them."""

import math

import numpy as np
import torch
from slips import mutant

from ddpm_lite.exercises import unclip

# 7.1


def _gap_by_sums(image, text):
    normalize = torch.nn.functional.normalize
    cosine, n = normalize(image, dim=-1) @ normalize(text, dim=-1).mT, len(image)
    own = torch.trace(cosine)
    return torch.stack([own / n, (cosine.sum() - own) / (n * n - n)])


def _gap_one_by_one(image, text):
    own, strangers = [], []
    for i, one in enumerate(image):
        for j, other in enumerate(text):
            cosine = torch.dot(one, other) / math.sqrt(torch.dot(one, one) * torch.dot(other, other))
            (own if i == j else strangers).append(float(cosine))
    return [sum(own) / len(own), sum(strangers) / len(strangers)]


def _gap_by_shifts(image, text):
    means = [torch.cosine_similarity(image, text.roll(k, 0), dim=1).mean() for k in range(len(text))]
    return means[0], torch.stack(means[1:]).mean()


def _gap_in_numpy(image, text):
    image, text = (x.numpy() / np.linalg.norm(x.numpy(), axis=1, keepdims=True) for x in (image, text))
    cosine, n = image @ text.T, len(image)
    return np.diag(cosine).mean(), cosine[~np.eye(n, dtype=bool)].mean()


def _gap_in_float32(image, text):
    return _gap_by_sums(image.float(), text.float())


# 7.2


def _one_caption_at_a_time(candidates, text):
    return torch.stack([candidates[(candidates[:, i] @ one).argmax(), i] for i, one in enumerate(text)])


def _the_best_by_gather(candidates, text):
    best = torch.einsum("knd,nd->kn", candidates, text).argmax(dim=0)
    return candidates.gather(0, best[None, :, None].expand(1, *text.shape)).squeeze(0)


def _the_better_so_far(candidates, text):
    best = candidates[0]
    for other in candidates[1:]:
        better = (other * text).sum(1, keepdim=True) > (best * text).sum(1, keepdim=True)
        best = torch.where(better, other, best)
    return best


def _closest_in_numpy(candidates, text):
    candidates, text = candidates.numpy(), text.numpy()
    best = np.argmax(np.sum(candidates * text, axis=-1), axis=0)
    return candidates[best, range(len(text))]


# 7.3


def _prior_loss_one_by_one(prior, z, t, eps, y, schedule):
    z_t = [schedule.alpha_bar[k].sqrt() * a + (1 - schedule.alpha_bar[k]).sqrt() * e for a, e, k in zip(z, eps, t, strict=True)]
    return sum((row - a).square().sum() for row, a in zip(prior(torch.stack(z_t), t, y), z, strict=True)) / z.numel()


def _prior_loss_of_torch(prior, z, t, eps, y, schedule):
    a = schedule.alpha_bar.index_select(0, t).unsqueeze(1)
    return torch.nn.functional.mse_loss(prior(torch.lerp(z, z, 0.5) * a**0.5 + eps * (1 - a) ** 0.5, t, y), z)


def _prior_loss_in_float32(prior, z, t, eps, y, schedule):
    a = schedule.alpha_bar[t].float()[:, None]
    away = z - prior((a.sqrt() * z + (1 - a).sqrt() * eps).float(), t, y)
    return torch.einsum("nd,nd->", away, away) / away.numel()


# 7.4


def _withhold_by_masks(tokens, embedding, empty, u, v, p, q):
    kept = (v >= q).long()[:, None]
    return tokens * kept + empty * (1 - kept), embedding * (u >= p)[:, None]


def _withhold_row_by_row(tokens, embedding, empty, u, v, p, q):
    captions = [empty if float(b) < q else row for row, b in zip(tokens, v, strict=True)]
    vectors = [0 * row if float(a) < p else row for row, a in zip(embedding, u, strict=True)]
    return torch.stack(captions), torch.stack(vectors)


def _withhold_in_copies(tokens, embedding, empty, u, v, p, q):
    tokens, embedding = tokens.clone(), embedding.clone()
    tokens[v < q], embedding[u < p] = empty, 0
    return [tokens, embedding]


def _withhold_in_numpy(tokens, embedding, empty, u, v, p, q):
    captions = np.where(v.numpy()[:, None] < q, empty.numpy(), tokens.numpy())
    return captions, np.where(u.numpy()[:, None] < p, 0.0, embedding.numpy())


# 7.5


def _up_in_one_line(x, eps_hat, t, t_next, schedule):
    a, a_next = schedule.alpha_bar[t], schedule.alpha_bar[t_next]
    return (a_next / a).sqrt() * (x - (1 - a).sqrt() * eps_hat) + (1 - a_next).sqrt() * eps_hat


def _up_by_weights(x, eps_hat, t, t_next, schedule):
    """Song et al. 2021, section 4.3: x / sqrt(alpha_bar) grows by eps_hat times what sqrt(1 / alpha_bar - 1) grows by."""
    noise = (1 / schedule.alpha_bar - 1).sqrt()
    return schedule.alpha_bar[t_next].sqrt() * (x / schedule.alpha_bar[t].sqrt() + (noise[t_next] - noise[t]) * eps_hat)


def _up_in_numpy(x, eps_hat, t, t_next, schedule):
    x, eps_hat, a = x.numpy(), eps_hat.numpy(), schedule.alpha_bar.numpy()
    x0_hat = (x - np.sqrt(1 - a[t]) * eps_hat) / np.sqrt(a[t])
    return np.sqrt(a[t_next]) * x0_hat + np.sqrt(1 - a[t_next]) * eps_hat


def _up_in_float32(x, eps_hat, t, t_next, schedule):
    return _up_in_one_line(x.float(), eps_hat.float(), t, t_next, schedule)


# 7.6


def _by_a_perpendicular(a, b, share):
    w = torch.cosine_similarity(a, b, dim=1)[:, None].acos()
    across = b - w.cos() * a  # at a right angle to a, and sin w times as long
    return (share * w).cos() * a + (share * w).sin() * across / w.sin()


def _one_row_at_a_time(a, b, share):
    rows = []
    for start, end in zip(a, b, strict=True):
        w = math.acos(float(start @ end) / float(start @ start))
        rows.append(math.sin((1 - share) * w) / math.sin(w) * start + math.sin(share * w) / math.sin(w) * end)
    return torch.stack(rows)


def _angle_by_the_chord(a, b, share):
    w = 2 * ((a - b).norm(dim=1) / 2 / a.norm(dim=1)).asin().unsqueeze(1)
    return a * torch.sin(w - share * w) / torch.sin(w) + b * torch.sin(share * w) / torch.sin(w)


def _slerp_in_numpy(a, b, share):
    a, b = a.numpy(), b.numpy()
    cosine = np.sum(a * b, axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    w = np.arccos(np.clip(cosine, -1, 1))[:, None]
    return (np.sin((1 - share) * w) * a + np.sin(share * w) * b) / np.sin(w)


def _slerp_in_float32(a, b, share):
    return _by_a_perpendicular(a.float(), b.float(), share)


FORMS = {
    "7.1": [_gap_by_sums, _gap_one_by_one, _gap_by_shifts, _gap_in_numpy, _gap_in_float32],
    "7.2": [_one_caption_at_a_time, _the_best_by_gather, _the_better_so_far, _closest_in_numpy],
    "7.3": [_prior_loss_one_by_one, _prior_loss_of_torch, _prior_loss_in_float32],
    "7.4": [_withhold_by_masks, _withhold_row_by_row, _withhold_in_copies, _withhold_in_numpy],
    "7.5": [_up_in_one_line, _up_by_weights, _up_in_numpy, _up_in_float32],
    "7.6": [_by_a_perpendicular, _one_row_at_a_time, _angle_by_the_chord, _slerp_in_numpy, _slerp_in_float32],
}


EQUAL = {
    "7.2": {
        mutant(unclip.closest, "(candidates * text).sum(2)", "(2 * (candidates * text)).sum(2)"): "the largest stays the largest",
        mutant(unclip.closest, "candidates * text", "candidates * text / 2"): "the largest stays the largest",
        mutant(unclip.closest, ".sum(2)", ".mean(2)"): "a mean is the sum divided by the same number everywhere",
    },
    "7.3": {
        mutant(unclip.prior_loss, "prior(z_t, t, y) - z", "z - prior(z_t, t, y)"): "squared: (a - b)^2 = (b - a)^2",
    },
}
