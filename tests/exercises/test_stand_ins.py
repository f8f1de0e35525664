"""What stands in for a network in an exercise takes t as the package's networks do and as a number, and no condition at all."""

import pytest
import torch
from test_unlisted_answers import WRITTEN, function_of, solved
from torch import Tensor, nn

pytestmark = pytest.mark.usefixtures("unchecked")
NETWORKS = {"eps_model", "net", "score_model", "field", "teacher", "model", "step_mean", "prior"}
ASKED = [(exercise, name) for exercise in WRITTEN for name in exercise.names if name in NETWORKS]


def for_each_item(net, x, t, *more):
    t = torch.as_tensor(t)
    return net(x, t if t.ndim else torch.full((len(x),), t.item()), *more)


def as_a_tensor_without_axes(net, x, t, *more):
    return net(x, torch.as_tensor(t), *more)


def item_by_item(net, x, t, *more):
    steps = torch.as_tensor(t).expand(len(x)).tolist()
    rows = [net(x[i : i + 1], step, *(each[i : i + 1] for each in more)) for i, step in enumerate(steps)]
    return torch.cat(rows)


def without_condition(net, x, t, *more):
    return net(x, t, *more, cond=None)


def told_otherwise(net, way):
    """The same network, for an answer that asks it in another way."""
    if not isinstance(net, nn.Module):
        return lambda x, t, *more: way(net, x, t, *more)
    forward = net.forward
    net.forward = lambda x, t, *more: way(forward, x, t, *more)
    return net


def asking(exercise, name, way):
    """The solution of an exercise, asking its network in another way."""
    solution, k = solved(exercise), exercise.names.index(name)
    return function_of(exercise, lambda *given: solution(*given[:k], told_otherwise(given[k], way), *given[k + 1 :]))


WAYS = (for_each_item, as_a_tensor_without_axes, item_by_item, without_condition)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize(("exercise", "name"), ASKED, ids=lambda each: getattr(each, "number", each))
def test_an_answer_may_ask_the_network_in_every_way(exercise, name, way):
    if way is without_condition and name in ("step_mean", "prior"):
        pytest.skip("the mean of a step has no condition, and a prior always has one")
    report = exercise.check(asking(exercise, name, way))
    assert report.state == "right", report.says


def test_they_are_all_here():
    assert {exercise.number for exercise, _ in ASKED} >= {"3.6", "4.3", "4.9", "5.3", "5.5", "7.3", "8.2", "8.5", "8.6", "8.7"}
    others = {"denoise", "gradient", "random", "norm", "f"}  # no step is told to these
    for exercise in WRITTEN:
        called = {name for name, given in zip(exercise.names, exercise._inputs[0], strict=True) if callable(given)}
        assert called - others - {"schedule"} == called & NETWORKS


def test_a_step_for_each_item_reaches_its_own_item():
    (exercise,) = (each for each, name in ASKED if name == "teacher")
    net, x = exercise._inputs[0][:2]
    t = torch.arange(1, len(x) + 1)
    rows = torch.cat([net(x[i : i + 1], int(step)) for i, step in enumerate(t)])
    assert isinstance(x, Tensor) and torch.allclose(net(x, t), rows)
