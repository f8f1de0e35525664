"""The page trains on points as the package does: the gradient is torch's, the steps are those of `train_step`, and the loss comes
near the exact floor."""

import base64

import numpy as np
import pytest
import torch
from engine import needs_node, run
from torch import Tensor, nn

from ddpm_lite import FiniteData, Schedule, loss_floor, low_discrepancy_t, q_sample
from ddpm_lite.browser.noise import portable_noise, threefry
from ddpm_lite.data import points
from ddpm_lite.networks.mlp import PointMLP
from ddpm_lite.training import Loss, Run, learning_rate, train_step

pytestmark = [needs_node, pytest.mark.usefixtures("unchecked")]
SCHEDULE = Schedule.linear(1000)
SETUP = {"network": {"width": 16, "depth": 2, "T": 1000}, "schedule": {"kind": "linear", "T": 1000}}
BEGIN = """
const doubles = (packed) => new Float64Array(Uint8Array.from(Buffer.from(packed, "base64")).buffer);
const points = new E.PointNet(given.setup.network);
const learner = new E.Learner(points, given.setup.schedule, given.seed ?? 0);
const read = ({ x, eps, steps }) => ({ x: doubles(x), eps: doubles(eps), steps: Int32Array.from(steps) });
const batches = (given.batches ?? []).map(read);
if (given.theta) for (const name of ["theta", "average"]) learner[name] = doubles(given.theta);
"""


def pack(x: Tensor) -> str:
    return base64.b64encode(x.detach().double().numpy().tobytes()).decode()


def unpack(packed: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(packed), "<f8")


def flat(net: nn.Module) -> Tensor:
    return torch.cat([p.detach().double().ravel() for p in net.parameters()])


def network(width: int = 16, depth: int = 2) -> PointMLP:
    """In float64, without its first zeros: behind them, no gradient would be seen."""
    torch.manual_seed(0)
    net = PointMLP(2, width, depth).double()
    for p in net.parameters():
        p.data += 0.1 * torch.randn_like(p)
    return net


def batch(n: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 2, generator=g, dtype=torch.float64)
    return x, torch.randn(n, 2, generator=g, dtype=torch.float64), torch.randint(1, 1001, (n,), generator=g)


def sent(batches: list[tuple[Tensor, Tensor, Tensor]]) -> list[dict]:
    return [{"x": pack(x), "eps": pack(eps), "steps": t.tolist()} for x, eps, t in batches]


def mse(net: nn.Module, given: tuple[Tensor, ...], _: object = None) -> Loss:
    x, eps, t = given
    return Loss(((net(x, t) - eps) ** 2).mean())


@pytest.mark.parametrize(("width", "depth", "n"), [(16, 2, 6), (64, 3, 33), (10, 1, 1)])
def test_the_gradient_is_torch_s(width, depth, n):
    net, given = network(width, depth), batch(n, 1)
    loss = mse(net, given).value
    loss.backward()
    code = "const loss = points.gradient(learner.theta, batches[0], learner.grad); return { loss, grad: learner.grad };"
    setup = SETUP | {"network": {"width": width, "depth": depth, "T": 1000}}
    (answer,) = run([{"run": BEGIN + code, "setup": setup, "theta": pack(flat(net)), "batches": sent([given])}])
    assert answer["loss"] == pytest.approx(float(loss), rel=1e-5)
    got, at = unpack(answer["grad"]), 0
    for name, p in net.named_parameters():  # each by itself: a large one would hide a small one
        want = p.grad.ravel().numpy()
        assert np.abs(got[at : at + len(want)] - want).max() <= 1e-4 * np.abs(want).max(), name
        at += len(want)
    assert at == len(got)


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_ten_steps_are_those_of_the_package(decay):
    """AdamW, the clipping, the warm-up and the average; one batch is so far off that its gradient is clipped."""
    net, batches = network(), [batch(8, seed) for seed in range(10)]
    batches[3] = (batches[3][0], 50 * batches[3][1], batches[3][2])
    task = {"run": BEGIN, "setup": SETUP, "theta": pack(flat(net)), "batches": sent(batches), "decay": decay}
    task["run"] += "for (const each of batches) learner.learn(each, 0.02, given.decay);\nreturn [learner.theta, learner.average];"
    start = flat(net)
    settings = {"lr": 0.02, "weight_decay": decay, "ema_decay": 0.99, "clip_norm": 1.0, "warmup": 100}
    own = Run(net, torch.Generator(), None, settings, None)
    assert learning_rate(0, None, 0.02, 100) == pytest.approx(0.0002)
    for each in batches:
        train_step(own, net, mse, each)
    (answer,) = run([task])
    moved = float((flat(net) - start).abs().max())
    for got, want in zip(answer, (net, own.ema), strict=True):
        assert np.abs(unpack(got) - flat(want).numpy()).max() < 1e-4 * moved


def test_the_first_weights_are_as_torch_draws_them():
    """Uniform within 1 / sqrt(inputs), 0 where a block or the network ends, 1 and 0 for the norms."""
    (theta,) = run([{"run": BEGIN + "return learner.theta;", "setup": SETUP | {"network": {"width": 64, "depth": 3, "T": 1000}}}])
    got, at = torch.tensor(unpack(theta)), 0
    for name, p in PointMLP(2, 64, 3).named_parameters():
        mine, at = got[at : at + p.numel()], at + p.numel()
        assert float(mine.abs().max()) <= float(p.detach().abs().max()) * 1.2 + 1e-9, name
        assert float(mine.std(correction=0)) == pytest.approx(float(p.detach().std(correction=0)), rel=0.3, abs=1e-9), name
    assert at == len(got)


def test_a_batch_is_drawn_as_in_algorithm_1():
    """From the same random numbers: rows of the data, t as `low_discrepancy_t` spreads it, x_t as `q_sample` makes it."""
    seed, step, n, data = 3, 7, 50, portable_noise(1, (9, 2)).double()
    code = "learner.step = given.step - 1; const b = learner.batch(doubles(given.data), 50);\n"
    code += "return { ...b, eps: Float64Array.from(b.eps) };"
    (answer,) = run([{"run": BEGIN + code, "setup": SETUP, "seed": seed, "step": step, "data": pack(data)}])
    u = (threefry((seed, step), np.stack([np.arange(n + 1), np.ones(n + 1)], 1))[0] + 0.5) / 2**32
    t = torch.tensor(np.minimum(999, np.floor((u[n] + np.arange(n) / n) % 1 * 1000)).astype(int) + 1)
    assert np.frombuffer(base64.b64decode(answer["steps"]), "<i4").tolist() == t.tolist()
    assert sorted(torch.diff(t.sort()[0]).tolist())[::48] == [20, 20], "evenly spread"
    assert len(low_discrepancy_t(n, 1000)) == n
    eps = portable_noise(seed, (n, 2), step).double()
    x_t = q_sample(data[torch.tensor(np.floor(u[:n] * 9).astype(int))], t, eps, SCHEDULE)
    assert np.allclose(unpack(answer["eps"]), eps.numpy().ravel(), atol=1e-6)
    assert np.allclose(unpack(answer["x"]), x_t.numpy().ravel(), atol=1e-6)


@pytest.mark.parametrize("n", [1, 40])
def test_the_floor_is_the_loss_of_the_exact_answer_on_these_points(n):
    """From the same random numbers; and, within its error, the floor that the package computes."""
    seed, tried, data = 3, 1024, portable_noise(1, (n, 2)).double()
    code = f"return E.floorOf(doubles(given.data), given.setup.schedule, {seed});"
    (found,) = run([{"run": BEGIN + code, "setup": SETUP, "data": pack(data)}])
    u = (threefry((seed, 0), np.stack([np.arange(tried), np.ones(tried)], 1))[0] + 0.5) / 2**32
    x0, eps = data[torch.tensor(np.floor(u * n).astype(int))], portable_noise(seed, (tried, 2)).double()
    t = 1 + torch.tensor([int((i + 0.5) * 1000 / tried) for i in range(tried)])
    exact = FiniteData(data)
    off = (exact.eps(q_sample(x0, t, eps, SCHEDULE), t, SCHEDULE) - eps) ** 2
    assert found == pytest.approx(float(off.mean()), abs=1e-6)
    floors = [loss_floor(exact, t, SCHEDULE, 200, torch.Generator().manual_seed(t)).value for t in range(5, 1000, 10)]
    assert found == pytest.approx(sum(floors) / len(floors), abs=0.06)


def test_a_gradient_that_is_not_finite_is_told():
    code = "try { learner.learn(batches[0], 0.01); } catch (error) { return error.message; }"
    x, eps, t = batch(4, 0)
    (said,) = run([{"run": BEGIN + code, "setup": SETUP, "batches": sent([(x, eps / 0, t)])}])
    assert said == "At step 1 the gradient is not finite: choose a smaller learning rate."


def test_it_comes_near_the_exact_floor():
    """A ring of eight spots, where the least possible loss is known: 800 steps of 128 points end within 8 % of it."""
    ring, g = points.ring(), torch.Generator().manual_seed(0)
    data = ring.draw(4000, g)[0]
    code = "const data = doubles(given.data);\n"
    code += "for (let i = 0; i < 800; i++) learner.learn(learner.batch(data, 128), 5e-3); return learner.average;"
    setup = SETUP | {"network": {"width": 64, "depth": 3, "T": 1000}}
    (theta,) = run([{"run": BEGIN + code, "setup": setup, "data": pack(data)}])
    net = PointMLP(2, 64, 3).double()
    nn.utils.vector_to_parameters(torch.tensor(unpack(theta)), net.parameters())
    steps = range(20, 1001, 20)
    floor = np.mean([loss_floor(ring, t, SCHEDULE, 2000, g).value for t in steps])
    x0, eps = ring.draw(2000 * len(steps), g)[0], torch.randn(2000 * len(steps), 2, generator=g, dtype=torch.float64)
    t = torch.tensor(steps).repeat_interleave(2000)
    with torch.no_grad():
        loss = float(((net(q_sample(x0, t, eps, SCHEDULE), t) - eps) ** 2).mean())
    print(f"loss {loss:.4f}, floor {floor:.4f}, {loss / floor - 1:.1%} above")
    assert 0.97 < loss / floor < 1.08
