"""Notebook 06: right answers in other forms, and mutants of the references that are proven equal to them."""

import math

import numpy as np
import torch
from slips import mutant

from ddpm_lite.exercises import clip_conditioning

# 6.1


def _logits_of_torch(image_features, text_features, logit_scale):
    normalize = torch.nn.functional.normalize
    return normalize(image_features, dim=-1) @ normalize(text_features, dim=-1).mT * torch.exp(logit_scale)


def _logits_one_by_one(image_features, text_features, logit_scale):
    cosine = torch.nn.functional.cosine_similarity
    return torch.stack([math.exp(logit_scale) * cosine(image[None], text_features) for image in image_features])


def _lengths_divided_at_the_end(image_features, text_features, logit_scale):
    lengths = (image_features**2).sum(1).sqrt()[:, None] * (text_features**2).sum(1).sqrt()
    return torch.einsum("id,jd->ij", image_features, text_features) / (lengths / logit_scale.exp())


def _logits_in_numpy(image_features, text_features, logit_scale):
    image, text = image_features.numpy(), text_features.numpy()
    image, text = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (image, text))
    return np.exp(logit_scale.item()) * np.dot(image, text.T)


def _logits_in_float32(image_features, text_features, logit_scale):
    return _logits_of_torch(image_features.float(), text_features.float(), logit_scale.float())


# 6.2


def _loss_of_torch(logits):
    partner = torch.arange(len(logits))
    cross_entropy = torch.nn.functional.cross_entropy
    return (cross_entropy(logits, partner) + cross_entropy(logits.T, partner)) / 2


def _loss_one_by_one(logits):
    total = 0.0
    for i in range(len(logits)):
        total += logits[i].logsumexp(0) + logits[:, i].logsumexp(0) - 2 * logits[i, i]
    return total / (2 * len(logits))


def _loss_in_float32(logits):
    logits, partner = logits.float(), torch.eye(len(logits))
    return -((logits.log_softmax(0) + logits.log_softmax(1)) * partner).sum() / len(logits) / 2


# 6.3


def _both_normalised(image_features, text_features):
    normalize = torch.nn.functional.normalize
    return torch.argmax(normalize(image_features, dim=1) @ normalize(text_features, dim=1).T, dim=-1)


def _the_nearest_on_the_sphere(image_features, text_features):
    image, text = (x / x.norm(dim=1, keepdim=True) for x in (image_features, text_features))
    return torch.cdist(image, text).argmin(dim=1)


def _by_probability(image_features, text_features):
    cosine = torch.nn.functional.cosine_similarity(image_features[:, None], text_features, dim=2)
    return (100 * cosine).softmax(1).max(1).indices


def _choice_in_numpy(image_features, text_features):
    image, text = image_features.numpy(), text_features.numpy()
    return [int(np.argmax(text @ one / np.linalg.norm(text, axis=1))) for one in image]


# 6.4


def _the_other_way_round(tokens, empty, u, p):
    return torch.where((u >= p).unsqueeze(1), tokens, empty)


def _row_by_row(tokens, empty, u, p):
    return torch.stack([empty if number < p else row for row, number in zip(tokens, u.tolist(), strict=True)])


def _written_into_a_copy(tokens, empty, u, p):
    tokens = tokens.clone()
    tokens[u < p] = empty
    return tokens


def _captions_in_numpy(tokens, empty, u, p):
    dropped = (u.numpy() < p).astype(int)[:, None]
    return dropped * empty.numpy() + (1 - dropped) * tokens.numpy()


# 6.5


def _from_the_caption_on(eps_null, eps_cond, scale):
    return eps_cond + (scale - 1) * (eps_cond - eps_null)


def _weights_of_both(eps_null, eps_cond, scale):
    return scale * eps_cond + (1 - scale) * eps_null


def _by_lerp(eps_null, eps_cond, scale):
    return torch.lerp(eps_null, eps_cond, scale)


def _guided_in_numpy(eps_null, eps_cond, scale):
    w = scale - 1  # Ho & Salimans
    return (1 + w) * eps_cond.numpy() - w * eps_null.numpy()


def _guided_in_float32(eps_null, eps_cond, scale):
    return eps_null.float() + scale * (eps_cond.float() - eps_null.float())


FORMS = {
    "6.1": [_logits_of_torch, _logits_one_by_one, _lengths_divided_at_the_end, _logits_in_numpy, _logits_in_float32],
    "6.2": [_loss_of_torch, _loss_one_by_one, _loss_in_float32],
    "6.3": [_both_normalised, _the_nearest_on_the_sphere, _by_probability, _choice_in_numpy],
    "6.4": [_the_other_way_round, _row_by_row, _written_into_a_copy, _captions_in_numpy],
    "6.5": [_from_the_caption_on, _weights_of_both, _by_lerp, _guided_in_numpy, _guided_in_float32],
}


EQUAL = {
    "6.3": {
        mutant(
            clip_conditioning.zero_shot, "image_features @ text.T", "2 * (image_features @ text.T)"
        ): "the largest stays the largest",
        mutant(
            clip_conditioning.zero_shot, "image_features @ text.T", "image_features @ text.T / 2"
        ): "the largest stays the largest",
        mutant(
            clip_conditioning.zero_shot,
            "text_features / text_features.norm(dim=1, keepdim=True)",
            "text_features / text_features.norm(dim=1, keepdim=True) / 2",
        ): "the largest stays the largest",
        mutant(
            clip_conditioning.zero_shot,
            "text_features / text_features.norm(dim=1, keepdim=True)",
            "2 * (text_features / text_features.norm(dim=1, keepdim=True))",
        ): "the largest stays the largest",
    },
}
