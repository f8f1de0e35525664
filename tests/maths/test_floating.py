"""No public function of the maths, the networks, the losses or the judges takes integer, Boolean or complex pictures."""

import ast
from pathlib import Path

import pytest
import torch

from ddpm_lite import (
    CLIP,
    Classifier,
    FiniteData,
    GaussianMixture,
    PointMLP,
    Schedule,
    UNet,
    class_loss,
    clip_guided,
    clip_loss,
    eps_loss,
    guided,
)
from ddpm_lite.data import scenes, shapes
from ddpm_lite.maths import flow, gaussian, metrics, score
from ddpm_lite.maths.path import GaussianPath, fit
from ddpm_lite.maths.schedule import gather
from ddpm_lite.networks import channels, prior
from ddpm_lite.networks.caption import Caption
from ddpm_lite.networks.clip import ImageEncoder
from ddpm_lite.networks.layers import Condition
from ddpm_lite.networks.prior import Prior
from ddpm_lite.networks.tokenizer import empty_row
from ddpm_lite.sampling import editing
from ddpm_lite.sampling.loop import sample
from ddpm_lite.sampling.samplers import as_eps, ddim_step, ddpm_step, dpm_solver_step, euler_step, heun_step
from ddpm_lite.training import batches
from ddpm_lite.training.losses import v_loss, x0_loss
from ddpm_lite.views import plots

PACKAGE = Path(gaussian.__file__).parents[1]
SCHEDULE, T = Schedule.linear(10), torch.tensor([3, 7])
X = torch.linspace(-1, 1, 2 * 3 * 8 * 8).reshape(2, 3, 8, 8)
VECTORS = torch.linspace(-1, 1, 20).reshape(2, 10) + torch.eye(2, 10)
VP, TIMES = GaussianPath.vp(), torch.tensor([0.0, 1.0], dtype=torch.float64)
TOKENS = empty_row(4).expand(2, -1)
MASK = torch.ones(2, 1, 8, 8)
MIXTURE, DATA = GaussianMixture(torch.ones(2), VECTORS.double(), torch.ones(2)), FiniteData(VECTORS)
ENCODER = {"text_width": 8, "text_depth": 1, "text_heads": 1, "image_width": 8, "image_depth": 1, "image_heads": 1}
NET = UNet(8, 3, 8, mults=(1,), depth=1, attention=(), groups=4).eval()
EDITOR = UNet(8, 3, 8, mults=(1,), depth=1, attention=(), groups=4, extra=4).eval()
SEES = CLIP(vocabulary=5, length=4, size=8, patch=4, dim=10, **ENCODER).eval()
NOISY = CLIP(vocabulary=5, length=4, size=8, patch=4, dim=10, noisy=True, **ENCODER).eval()
PRIOR = Prior(vocabulary=5, length=4, dim=10, width=8, depth=1, heads=1).eval()
CAPTION = Caption(vocabulary=5, length=4, width=8, depth=1, heads=1, dim=8, image=10)
ROWS = prior.conditions(TOKENS, VECTORS)


def zero(x_t, t=None, cond=None):
    return torch.zeros(x_t.shape)


# module.function or module.Class.method: the function, and arguments that it takes.
CALLS = {
    "schedule.gather": (gather, {"table": SCHEDULE.beta, "t": T, "x": X}),
    "gaussian.q_step": (gaussian.q_step, {"x_prev": X, "t": T, "eps": X, "schedule": SCHEDULE}),
    "gaussian.q_sample": (gaussian.q_sample, {"x0": X, "t": T, "eps": X, "schedule": SCHEDULE}),
    "gaussian.x0_from_eps": (gaussian.x0_from_eps, {"x_t": X, "eps": X, "t": T, "schedule": SCHEDULE}),
    "gaussian.eps_from_x0": (gaussian.eps_from_x0, {"x_t": X, "x0": X, "t": T, "schedule": SCHEDULE}),
    "gaussian.v_from_eps": (gaussian.v_from_eps, {"x_t": X, "eps": X, "t": T, "schedule": SCHEDULE}),
    "gaussian.x0_from_v": (gaussian.x0_from_v, {"x_t": X, "v": X, "t": T, "schedule": SCHEDULE}),
    "gaussian.eps_from_v": (gaussian.eps_from_v, {"x_t": X, "v": X, "t": T, "schedule": SCHEDULE}),
    "gaussian.eps_from_flow": (gaussian.eps_from_flow, {"x_t": X, "flow": X, "t": T, "schedule": SCHEDULE}),
    "gaussian.posterior": (gaussian.posterior, {"x0": X, "x_t": X, "t": T, "schedule": SCHEDULE}),
    "gaussian.posterior_mean_from_eps": (
        gaussian.posterior_mean_from_eps,
        {"x_t": X, "eps": X, "t": T, "schedule": SCHEDULE},
    ),
    "gaussian.kl": (gaussian.kl, {"mean_1": X, "var_1": X**2 + 1, "mean_2": X, "var_2": X**2 + 1}),
    "gaussian.bound_prior": (gaussian.bound_prior, {"x0": X, "schedule": SCHEDULE}),
    "gaussian.bound_step": (gaussian.bound_step, {"x0": X, "x_t": X, "eps_hat": X, "t": T, "schedule": SCHEDULE}),
    "gaussian.bound_decoder": (gaussian.bound_decoder, {"x0": X, "mean": X, "var": 0.1, "levels": 3}),
    "oracle._Exact.eps": (MIXTURE.eps, {"x_t": VECTORS, "t": T, "schedule": SCHEDULE}),
    "oracle.GaussianMixture.log_prob": (MIXTURE.log_prob, {"x": VECTORS}),
    "oracle.GaussianMixture.score": (MIXTURE.score, {"x": VECTORS}),
    "oracle.GaussianMixture.denoised": (lambda x: MIXTURE.denoised(x, SCHEDULE.alpha[1], SCHEDULE.beta[1]), {"x": VECTORS}),
    "oracle.GaussianMixture.x0_mean": (MIXTURE.x0_mean, {"x_t": VECTORS, "t": T, "schedule": SCHEDULE}),
    "oracle.FiniteData.__init__": (FiniteData, {"data": VECTORS}),
    "oracle.FiniteData.x0_mean": (DATA.x0_mean, {"x_t": VECTORS, "t": T, "schedule": SCHEDULE}),
    "guidance.guided.eps": (guided(zero, 2.0, 0), {"x_t": X, "t": T, "cond": T}),
    "guidance.clip_guided.eps": (clip_guided(zero, NOISY, TOKENS, SCHEDULE, 1.0), {"x_t": X, "t": T}),
    "editing.inpaint": (editing.inpaint, {"model": EDITOR, "pictures": X, "mask": MASK, "schedule": SCHEDULE}),
    "editing.inpaint.eps": (editing.inpaint(EDITOR, X, MASK, SCHEDULE), {"x_t": X, "t": T}),
    "editing.sdedit": (
        lambda **options: list(editing.sdedit(t=3, steps=2, method="ddim", **options)),
        {"model": zero, "x0": X, "eps": X, "schedule": SCHEDULE},
    ),
    "editing.invert": (editing.invert, {"model": zero, "x0": X, "schedule": SCHEDULE}),
    "samplers.ddpm_step": (ddpm_step, {"x_t": X, "eps_hat": X, "t": 3, "t_next": 2, "schedule": SCHEDULE, "z": X}),
    "samplers.ddim_step": (ddim_step, {"x_t": X, "eps_hat": X, "t": 3, "t_next": 1, "schedule": SCHEDULE, "z": X, "eta": 0.5}),
    "samplers.dpm_solver_step": (dpm_solver_step, {"x_t": X, "x0_hat": X, "t": 3, "t_next": 1, "schedule": SCHEDULE}),
    "samplers.euler_step": (euler_step, {"x_t": X, "eps_hat": X, "t": 3, "t_next": 1, "schedule": SCHEDULE}),
    "samplers.heun_step": (heun_step, {"x_t": X, "eps_hat": X, "t": 3, "t_next": 1, "schedule": SCHEDULE, "eps_at": zero}),
    "samplers.as_eps.eps": (as_eps(zero, SCHEDULE), {"x_t": X, "t": T}),
    "loop.sample": (lambda **options: list(sample(**options)), {"model": zero, "x_T": X, "schedule": SCHEDULE}),
    "path.fit": (lambda x: fit(SCHEDULE.beta[1], x), {"x": X}),
    "score.score_from_eps": (score.score_from_eps, {"eps": X, "t": T, "schedule": SCHEDULE}),
    "score.reverse_drift": (score.reverse_drift, {"x": X, "t": 0.5, "score": X, "path": VP}),
    "score.ode_drift": (score.ode_drift, {"x": X, "t": 0.5, "score": X, "path": VP}),
    "score.solve": (lambda x: score.solve(zero, x, TIMES), {"x": X}),
    "score.log_likelihood": (
        lambda x, probes: score.log_likelihood(x, lambda x, t: -x, VP, TIMES, probes),
        {"x": X, "probes": X[None]},
    ),
    "flow.conditional_field": (flow.conditional_field, {"x_t": X, "x0": X, "t": 0.5, "path": VP}),
    "flow.marginal_field.field": (flow.marginal_field(MIXTURE, VP), {"x": VECTORS, "t": 0.5}),
    "flow.field_of.field": (flow.field_of(zero, SCHEDULE), {"x": X, "t": 0.5}),
    "flow.straightness": (lambda states: flow.straightness(states, TIMES), {"states": torch.stack([X, X.roll(1)])}),
    "flow.rectified_pairs": (lambda eps: flow.rectified_pairs(zero, eps, TIMES.flip(0)), {"eps": X}),
    "metrics.frechet": (metrics.frechet, {"a": X.reshape(-1, 3), "b": X.reshape(-1, 3)}),
    "metrics.precision_recall": (metrics.precision_recall, {"real": X.reshape(-1, 3), "generated": X.reshape(-1, 3)}),
    "metrics.nearest": (metrics.nearest, {"items": X, "training": X}),
    "layers.Condition.forward": (Condition(8, 8, cond_dim=10), {"t": T, "cond": VECTORS}),
    "mlp.PointMLP.forward": (PointMLP(10, 8, 1), {"x_t": VECTORS, "t": T}),
    "classifier.Classifier.features": (Classifier(8, 3, 2, 4).features, {"x": X}),
    "classifier.Classifier.forward": (Classifier(8, 3, 2, 4), {"x": X}),
    "caption.Caption.forward": (CAPTION, {"cond": ROWS, "batch": 2}),
    "unet.UNet.forward": (NET, {"x_t": X, "t": T}),
    "channels.with_channels": (channels.with_channels, {"model": EDITOR, "extra": torch.cat([X, MASK], 1)}),
    "channels.with_channels.eps": (channels.with_channels(EDITOR, torch.cat([X, MASK], 1)), {"x_t": X, "t": T}),
    "clip.ImageEncoder.forward": (ImageEncoder(8, 3, 4, 8, 1, 1, 10, "gelu", False), {"pictures": X}),
    "clip.CLIP.encode_image": (SEES.encode_image, {"pictures": X}),
    "clip.CLIP.forward": (SEES, {"pictures": X, "tokens": TOKENS}),
    "prior.Prior.forward": (PRIOR, {"x_t": VECTORS, "t": T, "cond": ROWS}),
    "prior.embed": (prior.embed, {"features": VECTORS}),
    "prior.conditions": (prior.conditions, {"tokens": TOKENS, "embedding": VECTORS}),
    "prior.closest": (prior.closest, {"candidates": VECTORS[None], "text": VECTORS}),
    "prior.slerp": (prior.slerp, {"a": VECTORS, "b": VECTORS.flip(0), "share": 0.5}),
    "prior.text_difference": (
        prior.text_difference,
        {"image": VECTORS, "before": VECTORS, "after": VECTORS.flip(0), "share": 0.5},
    ),
    "prior.principal": (prior.principal, {"embedding": VECTORS, "among": VECTORS, "k": 1}),
    "batches.to_bytes": (batches.to_bytes, {"pictures": X}),
    "batches.shifted": (batches.shifted, {"pictures": X, "most": 1}),
    "channels.enlarge": (channels.enlarge, {"small": X}),
    "channels.erased": (channels.erased, {"pictures": X, "mask": MASK}),
    "losses.eps_loss": (lambda x0: eps_loss(SCHEDULE)(zero, (x0,)), {"x0": X}),
    "losses.v_loss": (lambda x0: v_loss(SCHEDULE)(zero, (x0,)), {"x0": X}),
    "losses.x0_loss": (lambda x0: x0_loss(SCHEDULE)(zero, (x0,)), {"x0": X}),
    "losses.class_loss": (lambda x0: class_loss(Classifier(8, 3, 10, 4), (x0, T)), {"x0": X}),
    "losses.clip_loss": (lambda x0: clip_loss()(SEES, (x0, TOKENS)), {"x0": X}),
    "train.clip_loss noisy": (lambda x0: clip_loss(SCHEDULE)(NOISY, (x0, TOKENS)), {"x0": X}),
    "batches.upsampling": (lambda x0: batches.upsampling(eps_loss(SCHEDULE))(lambda x, *_: x[:, :3], (x0,)), {"x0": X}),
    "batches.inpainting": (lambda x0: batches.inpainting(eps_loss(SCHEDULE))(EDITOR, (x0,)), {"x0": X}),
    "batches.imagining": (lambda x0: batches.imagining(eps_loss(SCHEDULE), SEES)(PRIOR, (x0, TOKENS)), {"x0": X}),
    "batches.decoding": (
        lambda x0: batches.decoding(eps_loss(SCHEDULE), SEES, TOKENS[0], 1.0, 0.0, 0.0)(zero, (x0, TOKENS)),
        {"x0": X},
    ),
    "plots.tiles": (plots.tiles, {"images": X, "columns": 2}),
    "shapes.judge": (shapes.judge, {"images": torch.ones(2, 3, 16, 16)}),
    "scenes.judge": (scenes.judge, {"images": torch.ones(2, 3, 16, 16)}),
}
ROOMS = {
    "maths": ["schedule", "gaussian", "oracle", "metrics", "path", "score", "flow"],
    "networks": ["layers", "mlp", "classifier", "caption", "channels", "unet", "clip", "prior"],
    "sampling": ["guidance", "editing", "samplers", "loop"],
    "training": ["losses", "batches"],
    "data": ["shapes", "scenes"],
}
MODULES = [(room, module) for room, modules in ROOMS.items() for module in modules]
INNER = {
    "blocks.ResBlock.forward",
    "blocks.Attention.forward",
    "blocks.Downsample.forward",
    "blocks.Upsample.forward",
}  # behind UNet
NOT_PICTURES = {"var", "to_colours", "to_latents"}  # a table of variances, and two linear maps


def takes_pictures() -> set[str]:
    """The functions, methods and functions within functions whose signature has a `Float[Tensor, ...]`."""
    found = set()

    def walk(node, name):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef | ast.FunctionDef):
                if isinstance(child, ast.FunctionDef):
                    arguments = [*child.args.args, *child.args.kwonlyargs]
                    said = [ast.unparse(a.annotation) for a in arguments if a.annotation and a.arg not in NOT_PICTURES]
                    if any("Float[" in annotation for annotation in said) and not child.name.startswith("_b"):
                        found.add(f"{name}.{child.name}")
                walk(child, f"{name}.{child.name}")

    for room, module in MODULES:
        walk(ast.parse((PACKAGE / room / f"{module}.py").read_text()), module)
    return found - INNER


def test_every_function_that_takes_pictures_is_among_the_calls():
    assert len(takes_pictures()) > 40 and takes_pictures() <= CALLS.keys()


def tensors_of(name) -> list[str]:
    """The arguments of a call that hold pictures, points, embeddings or noise."""
    return [arg for arg, x in CALLS[name][1].items() if isinstance(x, torch.Tensor) and x.is_floating_point()]


@pytest.mark.parametrize("name", CALLS)
def test_integers_are_refused_in_one_sentence(name, unchecked):
    function, arguments = CALLS[name]
    function(**arguments)
    for arg in set(tensors_of(name)) - {"table", "mask"}:
        for dtype in (torch.uint8, torch.int64, torch.bool, torch.complex64):
            other = arguments[arg].to(dtype)
            with pytest.raises(TypeError, match=rf"must hold floating-point numbers, not {dtype}: convert a picture"):
                function(**arguments | {arg: other})


def test_captioned_takes_bytes_alone(unchecked):
    loss = batches.captioned(lambda model, batch, generator: batch[0])
    x0 = loss(zero, (torch.full((2, 3, 8, 8), 255, dtype=torch.uint8), torch.zeros(2, dtype=torch.bool)))
    assert (x0 == 1).all()
    with pytest.raises(TypeError, match=r"takes pictures as `to_bytes` makes them, uint8 from 0 to 255, not torch\.float32"):
        loss(zero, (X, torch.zeros(2, dtype=torch.bool)))
