"""The state of a training run: everything that the next step depends on, and its checkpoint."""

import copy
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..machine import distributed, weights
from ..machine.weights import is_number, is_whole
from .dropout import dropout_from
from .losses import BINS, Loss

WINDOW = 20  # steps averaged in a row of the history
PARTS = ("step", "exp_avg", "exp_avg_sq")  # what AdamW keeps of each parameter
FITS = {  # what a checkpoint's header says about the run
    "step": is_whole,
    "steps": lambda steps: steps is None or is_whole(steps, 1),
    "seconds": is_number,
    "settings": lambda settings: isinstance(settings, dict),
    "scaler": lambda scaler: scaler is None or (isinstance(scaler, dict) and all(map(is_number, scaler.values()))),
}


class Run:
    """A network in training: model, its moving average, optimizer, generator, step, and the history of the loss.
    Slide L20; Ho et al. 2020, Algorithm 1.

    history is (rows, 2 + BINS): the last step of the row, the mean loss, and the mean loss in each bin of t (NaN
    where a bin was empty or the loss has no t).
    """

    def __init__(
        self,
        model: nn.Module,
        generator: torch.Generator,
        steps: int | None,
        settings: dict[str, int | float],
        config: dict | None,
    ):
        """settings are the numbers that the parameters depend on (lr, weight_decay, ...): a resumed run must have the same."""
        self.model, self.generator, self.step, self.steps = model, generator, 0, steps
        self.settings, self.config = settings, config
        self.ema = copy.deepcopy(model).eval().requires_grad_(False)
        self.device = device = next(model.parameters()).device
        fused = device.type in ("cuda", "cpu", "mps")
        self.optimizer = torch.optim.AdamW(
            model.parameters(), lr=settings["lr"], weight_decay=settings["weight_decay"], fused=fused
        )
        half = getattr(model, "precision", None) == torch.float16
        self.scaler = torch.amp.GradScaler(device.type, enabled=half)
        self.kept = "no checkpoint was saved"  # said where a training fails
        self.seconds = 0.0  # spent in training, over all its parts; nothing depends on it
        self.history = torch.zeros(0, 2 + BINS)
        self._sums = torch.zeros(2, BINS, device=device)  # loss and count in each bin since the last row
        self._loss = torch.zeros(2, device=device)

    def dropout(self) -> AbstractContextManager[None]:
        """A context in which the network's dropout draws from our generator; without dropout nothing is drawn."""
        has_dropout = any(isinstance(module, nn.Dropout) and module.p > 0 for module in self.model.modules())
        return dropout_from(self.generator, self.device) if has_dropout else nullcontext()

    def differentiate(self, loss: Float[Tensor, ""]) -> None:
        """Add the gradient of a loss to that of the parameters; with fp16 it is scaled, so that small numbers do not vanish."""
        self.scaler.scale(loss).backward()

    def clip(self) -> Float[Tensor, ""]:
        """Shorten the gradient to a norm of at most clip_norm; returns the norm that it had."""
        self.scaler.unscale_(self.optimizer)
        return nn.utils.clip_grad_norm_(self.model.parameters(), self.settings["clip_norm"])

    def check(self, loss: Float[Tensor, ""], norm: Float[Tensor, ""]) -> float:
        """The mean of a loss over the processes. FloatingPointError if it or the gradient's norm is not finite."""
        value = distributed.mean(loss.detach().float())
        # With fp16 an infinite gradient only means that the scaler must lower its scale: it skips the step itself.
        finite = value.isfinite() if self.scaler.is_enabled() else value.isfinite() & norm.isfinite()
        if not bool(finite):
            raise FloatingPointError(
                f"At step {self.step + 1} the loss ({float(value):g}) or its gradient was not finite; {self.kept}. "
                "A lower lr may help."
            )
        return float(value)

    def descend(self, lr: float) -> None:
        """Take a step of AdamW down the gradient, at this learning rate."""
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1

    @torch.no_grad()
    def average(self) -> None:
        """Let the moving average of the weights follow: it keeps the share ema_decay of itself."""
        # Early on, the average would mostly hold the random initial weights, so it forgets faster at first.
        decay = min(self.settings["ema_decay"], self.step / (self.step + 9))
        torch._foreach_lerp_(list(self.ema.parameters()), list(self.model.parameters()), 1 - decay)
        for mine, theirs in zip(self.ema.buffers(), self.model.buffers(), strict=True):
            mine.copy_(theirs)

    def record(self, loss: Loss) -> None:
        """Note the losses of a batch; every WINDOW steps their means become a row of the history."""
        if loss.per_item is not None:
            self._loss += torch.stack([loss.per_item.sum(), torch.full_like(loss.per_item[0], len(loss.per_item))])
            if loss.bin is not None:
                self._sums[0].index_add_(0, loss.bin, loss.per_item)
                self._sums[1].index_add_(0, loss.bin, torch.ones_like(loss.per_item))
        elif loss.bin is not None:
            raise ValueError("A Loss with bin needs per_item too: bin says to which t each of its numbers belongs.")
        if self.step % WINDOW == 0:
            mean, sums = distributed.total(self._loss).cpu(), distributed.total(self._sums).cpu()
            row = torch.cat([torch.tensor([float(self.step), float(mean[0] / mean[1])]), sums[0] / sums[1]])
            self.history = torch.cat([self.history, row[None]])
            self._loss.zero_()
            self._sums.zero_()

    def save(self, path: str | Path) -> None:
        """Write the checkpoint, whole or not at all."""
        tensors = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        tensors |= {f"ema.{k}": v for k, v in self.ema.state_dict().items()}
        for name, parameter in self.model.named_parameters():
            for part, value in self.optimizer.state[parameter].items():
                tensors[f"optimizer.{part}.{name}"] = value
        tensors |= {"generator": self.generator.get_state(), "history": self.history, "sums": self._sums, "loss": self._loss}
        state = {"step": self.step, "steps": self.steps, "seconds": self.seconds, "settings": self.settings}
        state["scaler"] = self.scaler.state_dict() or None
        weights.save(path, tensors, {**(self.config or {}), **state})

    def load(self, path: str | Path) -> None:
        """Continue from a checkpoint: ValueError if it belongs to another network or is damaged."""
        tensors, config = weights.load(path)
        if "generator" not in tensors:
            raise ValueError(f"{path} holds weights but no training run: it can be sampled from, not resumed.")
        weights.require(config, path, *FITS)
        weights.require_fit(config, path, FITS)
        if self.steps not in (None, config["steps"]):
            raise ValueError(f"{path} is a run of {config['steps']} steps, so it cannot go on with {self.steps}.")
        value: Any
        for name, value in self.settings.items():
            if config["settings"].get(name) != value:
                raise ValueError(
                    f"{path} is a run with {name} = {config['settings'].get(name)}, so it cannot go on with {value}."
                )
        weights.fill(self.model, _under("model.", tensors), str(path))
        weights.fill(self.ema, _under("ema.", tensors), str(path))
        self._check_state(tensors, path)
        for name, parameter in self.model.named_parameters():
            for part in PARTS:
                value = tensors[f"optimizer.{part}.{name}"]
                # The parameter's memory format matters: sums in another order would differ in the last bit.
                self.optimizer.state[parameter][part] = (
                    value.to(parameter.device) if part == "step" else torch.empty_like(parameter).copy_(value)
                )
        try:
            self.generator.set_state(tensors["generator"])
        except RuntimeError as error:
            raise ValueError(f"{path} is damaged (its generator's state is not valid): copy it again.") from error
        self.history, self._sums, self._loss = tensors["history"], tensors["sums"].to(self._sums), tensors["loss"].to(self._loss)
        self.step, self.steps, self.seconds = config["step"], config["steps"], config["seconds"]
        self.config = self.config or config
        if config["scaler"]:
            try:
                self.scaler.load_state_dict(config["scaler"])
            except KeyError as error:
                raise weights.refusal(path, f"scaler lacks {error}") from error

    def _check_state(self, tensors: dict[str, Tensor], path: str | Path) -> None:
        """ValueError if anything that training needs besides the weights is missing or has another shape."""
        own = {"generator": self.generator.get_state(), "sums": self._sums, "loss": self._loss}
        for name, parameter in self.model.named_parameters():
            own |= {f"optimizer.{part}.{name}": torch.zeros(()) if part == "step" else parameter for part in PARTS}
        if not own.keys() | {"history"} <= tensors.keys():
            raise ValueError(f"{path} lacks a part of the optimizer's state: it can be sampled from, not resumed.")
        if tensors["generator"].dtype != torch.uint8 or tensors["generator"].shape != own["generator"].shape:
            raise ValueError(f"{path} was trained on another kind of device than {self.generator.device}: resume it there.")
        wrong = [name for name, value in own.items() if tensors[name].shape != value.shape]
        if wrong or tensors["history"].shape[1:] != self.history.shape[1:]:
            raise ValueError(f"{path} is damaged ({(wrong or ['history'])[0]} has another shape): copy it again.")


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
