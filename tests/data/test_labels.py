"""Labels, tokens and conditions that do not fit are refused by everything that takes them, and by name."""

import pytest
import torch

from ddpm_lite import CLIP, Classifier, FiniteData, GaussianMixture, PointMLP, Schedule, UNet, class_loss, eps_loss, guided
from ddpm_lite import sample as samples
from ddpm_lite.models import trained
from ddpm_lite.networks.prior import Prior, conditions

SCHEDULE, T2 = Schedule.linear(10), torch.tensor([1, 2])
UNET = {"size": 4, "channels": 1, "width": 8, "mults": (1,), "depth": 1, "attention": (), "groups": 4}
CAPTION = {"vocabulary": 9, "length": 5, "width": 8, "depth": 1, "heads": 2}
SIDES = {f"{side}_{k}": v for side in ("text", "image") for k, v in (("width", 8), ("depth", 1), ("heads", 2))}
PICTURES, POINTS = torch.zeros(2, 1, 4, 4), torch.zeros(2, 2)
EXACT = (
    GaussianMixture(torch.ones(3), torch.arange(6.0).reshape(3, 2), torch.ones(3), torch.arange(3)),
    FiniteData(torch.arange(6.0).reshape(3, 2), torch.arange(3)),
)
CLASSIFIER, LABELLED = Classifier(4, 1, 3), UNet(**UNET, num_classes=3)
MLP, CLIP_NET = PointMLP(2, 8, 1, num_classes=3).eval(), CLIP(9, 5, size=4, patch=4, dim=8, **SIDES, channels=1)
READER, DECODER = UNet(**UNET, caption=CAPTION), UNet(**UNET, caption={**CAPTION, "image": 8})
PRIOR = Prior(9, 5, 8, 8, 1, 2)
FINITE = {  # what takes labels or tokens, how many there are, and how they are given to it
    "class_loss": (3, lambda x: class_loss(CLASSIFIER, (PICTURES, x))),
    "UNet": (4, lambda x: LABELLED(PICTURES, T2, x)),
    "PointMLP": (4, lambda x: MLP(POINTS, T2, x)),
    "eps_loss": (4, lambda x: eps_loss(SCHEDULE)(MLP, (POINTS, x))),
    "guided": (4, lambda x: guided(MLP, 2.0, 3)(POINTS, T2, x)),
    "draw": (11, lambda x: trained.shipped("digits").draw(x, steps=1)),
    "eps of a mixture": (4, lambda x: EXACT[0].eps(POINTS, T2, SCHEDULE, x)),
    "x0_mean of a mixture": (4, lambda x: EXACT[0].x0_mean(POINTS, T2, SCHEDULE, x)),
    "eps of items": (4, lambda x: EXACT[1].eps(POINTS, T2, SCHEDULE, x)),
    "x0_mean of items": (4, lambda x: EXACT[1].x0_mean(POINTS, T2, SCHEDULE, x)),
    "CLIP": (9, lambda x: CLIP_NET.encode_text(rows(x))),
    "captions": (9, lambda x: READER(PICTURES, T2, rows(x))),
    "decoder": (9, lambda x: DECODER(PICTURES, T2, conditions(rows(x), torch.zeros(2, 8)))),
    "prior": (9, lambda x: PRIOR(torch.zeros(2, 8), T2, conditions(rows(x), torch.zeros(2, 8)))),
}


def rows(x):
    """Captions whose first word is x."""
    return torch.stack([torch.tensor([1, int(each), 2, 0, 0]) for each in x])


@pytest.mark.parametrize("name", FINITE)
def test_what_is_no_label_is_refused_by_name(name, unchecked):
    count, call = FINITE[name]
    for last in (0, count - 1):
        call(torch.tensor([0, last]))
    for wrong in (count, -1, -100, 10**6):
        with pytest.raises(ValueError, match=rf"{wrong} does not fit\.|holds a class that no item has: the classes are"):
            call(torch.tensor([0, wrong]))
    if count < 9:
        with pytest.raises(ValueError, match=r"integer labels|whole numbers|no item has"):
            call(torch.tensor([0.5, 1.5]))


def test_labels_of_any_whole_kind_are_classes():
    net, labels = Classifier(4, 1, 3).eval(), torch.tensor([0, 2])
    expected = class_loss(net, (PICTURES, labels)).value
    assert all(torch.equal(class_loss(net, (PICTURES, labels.to(kind))).value, expected) for kind in (torch.uint8, torch.int32))


def test_guidance_without_a_condition_is_named(unchecked):
    net = PointMLP(2, 8, 1, num_classes=3).eval()
    for scale in (0.0, 1.0, 2.0):
        for call in (
            lambda eps: eps(POINTS, T2, None),
            lambda eps: eps(POINTS, T2),
            lambda eps: list(samples(eps, POINTS, SCHEDULE, steps=1)),
        ):
            with pytest.raises(ValueError, match=r"Guidance leads towards a condition: give cond, as in sample\("):
                call(guided(net, scale, 3))
    free = PointMLP(2, 8, 1).eval()
    with pytest.raises(ValueError, match="null = None, but guidance leads away from a null condition"):
        guided(free, 2.0, free.null_label)
