"""The training loop of all scripts: seeded steps, a cosine schedule, and checkpoints to go on from."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from ovseg.files import atomic_path


@dataclass(frozen=True)
class LoopConfig:
    """How a model is trained.

    Attributes:
        steps: Optimizer steps.
        batch: Pictures a step.
        rate: Peak learning rate; falls to a hundredth on a cosine, or at the end.
        warmup: Steps until the peak.
        cooldown: Steps of the linear fall at the end, the rate being constant before: what is learned until
            then does not depend on ``steps``, which may be settled late. 0: the cosine.
        decay: Weight decay of matrices and kernels (not of biases and norms).
        clip: Largest norm of the gradient.
        ema: Decay of the averaged weights, for models that keep them.
        save_every: Steps between checkpoints.
        seed: Of everything drawn.
    """

    steps: int
    batch: int
    rate: float
    warmup: int = 200
    cooldown: int = 0
    decay: float = 0.05
    clip: float = 1.0
    ema: float = 0.0
    save_every: int = 200
    seed: int = 0


def generator_of(seed: int, step: int) -> np.random.Generator:
    """The generator of a step: what is drawn does not depend on where a training was stopped."""
    return np.random.default_rng([seed, 77, step])


class Loop:
    """Trains ``model`` and keeps its checkpoint in a folder.

    Args:
        model: Everything that has state; parameters without gradients are carried along.
        config: Steps, rate and so on.
        checkpoint: Where the state is kept (safetensors); an existing one is gone on from.
    """

    def __init__(self, model: nn.Module, config: LoopConfig, checkpoint: Path) -> None:
        self.model = model
        self.config = config
        self.checkpoint = checkpoint
        self.named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
        self._fused = all(p.is_cuda for _, p in self.named)
        matrices = [p for _, p in self.named if p.ndim > 1]
        others = [p for _, p in self.named if p.ndim <= 1]
        self.optimizer = torch.optim.AdamW(
            [{"params": matrices, "weight_decay": config.decay}, {"params": others, "weight_decay": 0.0}],
            lr=config.rate,
            betas=(0.9, 0.98),
            fused=self._fused,
        )
        self.average = {name: p.detach().clone() for name, p in self.named} if config.ema else {}
        self.done = self._resume() if checkpoint.is_file() else 0

    def run(
        self,
        loss_of: Callable[[int, np.random.Generator], torch.Tensor],
    ) -> None:
        """Train to the last step.

        Args:
            loss_of: The loss of a step from its number and generator; ``torch`` is seeded as well.
        """
        config, begun, total = self.config, time.monotonic(), torch.zeros(())
        parameters, averages = [p for _, p in self.named], list(self.average.values())
        for step in range(self.done, config.steps):
            torch.manual_seed(config.seed * 1_000_003 + step)
            for group in self.optimizer.param_groups:
                group["lr"] = config.rate * self._share(step)
            loss = loss_of(step, generator_of(config.seed, step))
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(parameters, config.clip)
            self.optimizer.step()
            if self.average:
                decay = min(config.ema, (1 + step) / (10 + step))
                torch._foreach_lerp_(averages, [p.detach() for p in parameters], 1 - decay)
            total = total.to(loss.device) + loss.detach()  # read seldom: a GPU is not waited for
            if (step + 1) % 50 == 0:
                seconds = (time.monotonic() - begun) / (step + 1 - self.done)
                print(
                    f"step {step + 1}/{config.steps} loss {total.item() / 50:.4f} {seconds:.3f} s/step",
                    flush=True,
                )
                total = torch.zeros(())
            if (step + 1) % config.save_every == 0 or step + 1 == config.steps:
                self._save(step + 1)
        self.done = max(self.done, config.steps)

    def averaged(self) -> None:
        """Put the averaged weights into the model."""
        with torch.no_grad():
            for name, p in self.named:
                if name in self.average:
                    p.copy_(self.average[name])

    def _share(self, step: int) -> float:
        if step < self.config.warmup:
            return (step + 1) / self.config.warmup
        if self.config.cooldown:
            return max(0.01, min(1.0, (self.config.steps - step) / self.config.cooldown))
        done = (step - self.config.warmup) / max(1, self.config.steps - self.config.warmup)
        return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done))

    def _save(self, step: int) -> None:
        tensors = {f"model.{name}": value.contiguous() for name, value in self.model.state_dict().items()}
        tensors |= {f"average.{name}": value for name, value in self.average.items()}
        for name, p in self.named:
            for key, value in self.optimizer.state[p].items():
                tensors[f"optimizer.{key}.{name}"] = value.clone()
        self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        tensors = {key: value.clone() for key, value in tensors.items()}  # no two entries share memory
        with atomic_path(self.checkpoint) as path:
            save_file(tensors, path, metadata={"step": json.dumps(step)})

    def _resume(self) -> int:
        from safetensors import safe_open

        with safe_open(self.checkpoint, framework="pt") as file:
            step = int(json.loads(file.metadata()["step"]))
        tensors = load_file(self.checkpoint)
        own = {k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")}
        self.model.load_state_dict(own)
        for name, p in self.named:
            state = {
                key: tensors[f"optimizer.{key}.{name}"]
                for key in ("step", "exp_avg", "exp_avg_sq")
                if f"optimizer.{key}.{name}" in tensors
            }
            # Fused kernels want the count of steps beside the rest.
            self.optimizer.state[p] = {
                key: value if key == "step" and not self._fused else value.to(p.device)
                for key, value in state.items()
            }
            if name in self.average:
                self.average[name].copy_(tensors[f"average.{name}"])
        print(f"going on after step {step}", flush=True)
        return step
