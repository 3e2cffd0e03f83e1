"""One training of a screening: the shipped loop in another form, on a film stack that lies on the device.

Order of films, random changes and rates are the shipped ones (a test compares the two loops); nothing is
saved or resumed. On a GPU a step is recorded as a CUDA graph after the first three and replayed, since
launching it from Python takes longer than computing it.
"""

from __future__ import annotations

import contextlib
import copy
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scripts.networks.augmentation import draw_changes
from scripts.networks.loop import learning_rate
from scripts.networks.member import Member
from scripts.networks.settings import Augmentation
from scripts.statistics.delong import auc_of
from tests.bench.screened_networks import ScreenedNetwork, pretrained_trunk, share_between_films
from tests.bench.screening_films import decoded
from tests.bench.screening_recipes import RECIPES, TASKS, Recipe

SEED = 20260317
"""The shipped study's seed; recipes are repeated with seeds derived from it."""

ARCHITECTURE = {
    "grid": 6,
    "block_size": 64,
    "trunk_width": 16,
    "layers": 6,
    "heads": 4,
    "mlp_ratio": 4,
    "dropout": 0,
    "head_hidden": 64,
}
AUGMENTATION = {
    "flip": 0.5,
    "rotation": 10.0,
    "crop_scale": (0.9, 1.1),
    "shift": 0.05,
    "brightness": 0.1,
    "contrast": 0.1,
}

AT_ONCE = 32
EARLY = 2
"""The epoch after which the first figures are taken."""


class Stack:
    """The films of a set on a device, at one side, and their labels and folds for one task."""

    def __init__(
        self, path: Path, task: str, side: int, device: torch.device, pixels: Tensor | None = None
    ) -> None:
        with np.load(path) as stored:
            self.labels = stored[f"label_{task}"].astype(int)
            self.folds = stored[f"fold_{task}"].astype(int)
            self.films = pixels if pixels is not None else self._resized(decoded(stored), side).to(device)
        wide = self.films.float()
        self.mean, self.sd = wide.mean((1, 2)), wide.std((1, 2), unbiased=False).clamp(min=1.0)

    @staticmethod
    def _resized(films: np.ndarray, side: int) -> Tensor:
        """Bilinear, as the cache does it, and rounded to 8 bits as the films are."""
        kept = torch.from_numpy(films)
        if films.shape[-1] == side:
            return kept
        parts = (
            F.interpolate(part[:, None].float(), size=(side, side), mode="bilinear")
            for part in kept.split(32)
        )
        return torch.cat([part[:, 0].round().to(torch.uint8) for part in parts])

    def batch(self, rows: Tensor) -> Tensor:
        """Films of ``rows`` (on the device), z-scored, ``(n, 1, side, side)`` float32."""
        films = self.films.index_select(0, rows).float()
        return (
            (films - self.mean.index_select(0, rows)[:, None, None])
            / self.sd.index_select(0, rows)[:, None, None]
        ).unsqueeze(1)


class Stacks:
    """Stacks by name, task and side; pixels are read once."""

    def __init__(self, folder: Path, device: torch.device) -> None:
        self.folder, self.device = folder, device
        self._stacks: dict[tuple, Stack] = {}

    def get(self, name: str, task: str, side: int) -> Stack:
        key = (name, task, side)
        if key not in self._stacks:
            same = next((s for k, s in self._stacks.items() if (k[0], k[2]) == (name, side)), None)
            pixels = None if same is None else same.films
            self._stacks[key] = Stack(self.folder / f"{name}.npz", task, side, self.device, pixels)
            if self.device.type == "cuda":
                torch.cuda.synchronize()  # every stream reads it from now on
        return self._stacks[key]


@dataclass
class Schedule:
    """All that the steps of a training draw, on the device; step ``k`` reads row ``k`` of each."""

    rows: Tensor
    labels: Tensor
    matrices: Tensor
    contrast: Tensor
    brightness: Tensor
    rates: Tensor
    per_epoch: int

    @property
    def steps(self) -> int:
        return len(self.rows)


def schedule(
    settings: Recipe,
    labels: np.ndarray,
    training: np.ndarray,
    epochs: int,
    seed: int,
    fold: int,
    device: torch.device,
) -> Schedule:
    """What the shipped loop draws for films ``training`` (rows) with ``seed`` and ``fold``."""
    per_epoch = len(training) // settings.batch
    rows = []
    for epoch in range(epochs):
        generator = torch.Generator().manual_seed(Member("bench", fold).sub_seed(seed, "order", epoch))
        order = torch.randperm(len(training), generator=generator).numpy()[: per_epoch * settings.batch]
        rows.append(training[order].reshape(per_epoch, settings.batch))
    chosen = np.concatenate(rows)
    total = len(chosen)
    drawn = [
        draw_changes(
            settings.batch, Member("bench", fold).sub_seed(seed, "augment", k), Augmentation(**AUGMENTATION)
        )
        for k in range(total)
    ]
    matrices, contrast, brightness = (torch.stack(part).to(device) for part in zip(*drawn))
    rates = [learning_rate(k, total, settings.rate, settings.warmup) for k in range(total)]
    return Schedule(
        torch.from_numpy(chosen).to(device),
        torch.from_numpy(labels[chosen]).float().to(device),
        matrices,
        contrast,
        brightness,
        torch.tensor(rates, device=device),
        per_epoch,
    )


class Optimizer:
    """SGD with momentum or AdamW with the rate as a tensor, so that a recorded step can follow a schedule."""

    def __init__(self, groups: Sequence[tuple[Sequence[nn.Parameter], float]], settings: Recipe) -> None:
        self.settings = settings
        self.groups = [(list(values), factor) for values, factor in groups if values]
        self.first = [[torch.zeros_like(p) for p in values] for values, _ in self.groups]
        self.second = [[torch.zeros_like(p) for p in values] for values, _ in self.groups]

    @torch.no_grad()
    def step(self, gradients: Sequence[Sequence[Tensor]], rate: Tensor, number: Tensor) -> None:
        """One step with ``rate``; ``number`` counts from 1 (both are tensors of no dimension)."""
        for (values, factor), grads, first, second in zip(self.groups, gradients, self.first, self.second):
            if self.settings.optimizer == "sgd":
                grads = torch._foreach_add(grads, values, alpha=self.settings.decay)
                torch._foreach_mul_(first, self.settings.momentum)
                torch._foreach_add_(first, grads)
                torch._foreach_sub_(values, torch._foreach_mul(first, rate * factor))
                continue
            torch._foreach_mul_(values, 1 - rate * factor * self.settings.decay)
            torch._foreach_lerp_(first, grads, 0.1)
            torch._foreach_mul_(second, 0.999)
            torch._foreach_addcmul_(second, grads, grads, 0.001)
            spread = torch._foreach_sqrt(torch._foreach_mul(second, 1 / (1 - 0.999**number)))
            torch._foreach_add_(spread, 1e-8)
            change = torch._foreach_div(torch._foreach_mul(first, rate * factor / (1 - 0.9**number)), spread)
            torch._foreach_sub_(values, change)


def clip(gradients: Sequence[Sequence[Tensor]], limit: float | None, parts: bool) -> tuple[Tensor, Tensor]:
    """Scale ``gradients`` (a list a part) to a norm of at most ``limit``; the norm, and 1.0 where scaled."""
    norms = [torch.stack(torch._foreach_norm(list(part))).norm() for part in gradients if part]
    whole = torch.stack(norms).norm()
    if limit is None:
        return whole, torch.zeros_like(whole)
    held = norms if parts else [whole] * len(norms)
    for part, norm in zip([part for part in gradients if part], held):
        torch._foreach_mul_(list(part), (limit / (norm + 1e-6)).clamp(max=1.0))
    return whole, (torch.stack(held).max() > limit).float()


class Training:
    """Recipe ``name`` on ``task`` with ``seed``; ``run`` yields after each step and returns the row."""

    def __init__(
        self,
        name: str,
        task: str,
        seed: int,
        stacks: Stacks,
        lite: Path,
        stream: torch.cuda.Stream | None,
        graphs: bool,
    ) -> None:
        self.name, self.task, self.seed = name, task, seed
        self.settings, self.stacks, self.lite, self.graphs = RECIPES[name], stacks, lite, graphs
        self.device, self.stream = stacks.device, stream
        self.fold = seed % 5

    def on_stream(self) -> contextlib.AbstractContextManager:
        return contextlib.nullcontext() if self.stream is None else torch.cuda.stream(self.stream)

    def run(self) -> Iterator[None]:
        began = time.monotonic()
        settings, task = self.settings, self.task
        side = settings.grid * settings.block
        inner, outer = (self.stacks.get(name, task, side) for name in TASKS[task])
        held_out, training = (
            np.flatnonzero(inner.folds == self.fold),
            np.flatnonzero(inner.folds != self.fold),
        )
        row: dict = {"recipe": self.name, "task": task, "seed": self.seed}
        if settings.anchor:
            with self.on_stream():
                row |= anchor(inner, outer, training, held_out, self.lite)
            return row | {"seconds": round(time.monotonic() - began, 1)}
        seed = SEED + self.seed
        epochs = settings.epochs_of(task)
        with self.on_stream():
            plan = schedule(settings, inner.labels, training, epochs, seed, self.fold, self.device)
            torch.manual_seed(Member("bench", self.fold).sub_seed(seed, "init"))
            architecture = ARCHITECTURE | {
                "grid": settings.grid,
                "block_size": settings.block,
                "trunk_width": settings.width,
            }
            network = ScreenedNetwork(settings.changes, self.lite, **architecture).to(self.device)
            self.network = network.to(memory_format=torch.channels_last)
            parts = network.parts()
            self.values = [p for part in parts for p in part]
            sizes = [len(part) for part in parts]
            optimizer = Optimizer(list(zip(parts, (settings.trunk_rate, 1.0, 1.0))), settings)
            number = torch.zeros(1, dtype=torch.long, device=self.device)
            record = torch.zeros(plan.steps, 4, device=self.device)
            if settings.changes.trunk_norm == "frozen":
                self._settle(inner, plan, 0, network)

        def step() -> None:
            x = self._augmented(inner, plan, number)
            y = plan.labels.index_select(0, number)[0]
            with torch.autocast(self.device.type, torch.bfloat16, enabled=settings.precision == "bf16"):
                logits = network(x)
            first, second = network.loss_terms(logits, y)
            gradients = torch.autograd.grad(
                first + settings.local_weight * second, self.values, materialize_grads=True
            )
            split = [list(part) for part in _split(gradients, sizes)]
            norm, clipped = clip(split, settings.clip, settings.clip_parts)
            rate = plan.rates.index_select(0, number)[0]
            optimizer.step([part for part in split if part], rate, (number + 1)[0])
            record.index_copy_(0, number, torch.stack([first.detach(), second.detach(), norm, clipped])[None])
            number.add_(1)

        graph, trained = None, 0.0
        for k in range(plan.steps):
            network.train()
            mark = time.monotonic()
            with self.on_stream():
                if graph is not None:
                    graph.replay()
                elif k == 3 and self.graphs and self.stream is not None:
                    graph = torch.cuda.CUDAGraph()
                    with torch.cuda.graph(graph, stream=self.stream, capture_error_mode="thread_local"):
                        step()
                    graph.replay()
                else:
                    step()
            if k % 24 == 23 and self.stream is not None:
                self.stream.synchronize()  # keeps the queue of a stream short, so that a deadline holds
            trained += time.monotonic() - mark
            yield
            epoch, place = divmod(k + 1, plan.per_epoch)
            if place == 0 and epoch in (EARLY, epochs):
                with self.on_stream():
                    scored = self._settle(inner, plan, epoch - 1, copy.deepcopy(network))
                    when = "early" if epoch == EARLY and epoch < epochs else "end"
                    row |= {
                        f"{key}_{when}": value
                        for key, value in self._held_out(scored, inner, held_out).items()
                    }
                    if when == "end":
                        outside, _ = self._scores(scored, outer, np.arange(len(outer.labels)))
                        row["external_auc"] = _rounded(_auc(outer.labels, outside)[0])
        with self.on_stream():
            losses = record.cpu().numpy()
        last = losses[-plan.per_epoch :].mean(0)
        row |= {
            "clipped": _rounded(losses[:, 3].mean()),
            "norm": _rounded(float(np.median(losses[:, 2]))),
            "loss_global": _rounded(last[0]),
            "loss_local": _rounded(last[1]),
            "steps": plan.steps,
            "graph": graph is not None,
            "seconds": round(time.monotonic() - began, 1),
            "steps_per_s": round(plan.steps / max(trained, 1e-9), 1),
        }
        return row

    def _augmented(self, stack: Stack, plan: Schedule, number: Tensor) -> Tensor:
        """The films of step ``number`` (1,), changed as ``scripts.networks.augmentation.augment`` does it."""
        x = stack.batch(plan.rows.index_select(0, number)[0])
        grid = F.affine_grid(plan.matrices.index_select(0, number)[0], list(x.shape), align_corners=False)
        moved = F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)
        return moved * plan.contrast.index_select(0, number)[0] + plan.brightness.index_select(0, number)[0]

    @torch.no_grad()
    def _settle(self, stack: Stack, plan: Schedule, epoch: int, network: ScreenedNetwork) -> ScreenedNetwork:
        """``network`` with BatchNorm statistics of an epoch's first batches, as in ``settle_norms``."""
        norms = [m for m in network.trunk.modules() if isinstance(m, nn.BatchNorm2d)]
        if (
            not norms
            or network.changes.trunk.startswith("lite")
            or (network.changes.trunk_norm == "frozen" and network is not self.network)
        ):
            return network.eval()
        network.trunk.train()
        start = epoch * plan.per_epoch
        for k in range(min(self.settings.norm_batches, plan.per_epoch)):
            for norm in norms:
                norm.train()
                norm.momentum = 1 / (k + 1)  # a plain mean; None would wait for the device at every norm
            network.block_features(stack.batch(plan.rows[start + k]))
        return network.eval()

    @torch.no_grad()
    def _scores(self, network: ScreenedNetwork, stack: Stack, rows: np.ndarray) -> tuple[np.ndarray, tuple]:
        """Global logits (n,) and, beside them, the mean local logits and the Transformer's outputs."""
        logits, local, outputs = [], [], []
        for part in torch.from_numpy(rows).to(self.device).split(AT_ONCE):
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.settings.precision == "bf16"):
                encoded = network.encoded(network.block_features(stack.batch(part)))
                one, many = network.read_out(encoded)
            logits.append(one.float())
            local.append(many.float().mean(1))
            outputs.append(encoded.float())
        return torch.cat(logits).cpu().numpy(), (torch.cat(local).cpu().numpy(), torch.cat(outputs))

    def _held_out(self, network: ScreenedNetwork, stack: Stack, rows: np.ndarray) -> dict[str, object]:
        labels = stack.labels[rows]
        logits, (local, outputs) = self._scores(network, stack, rows)
        area, low, high = _auc(labels, logits)
        token, blocks = share_between_films(outputs)
        return {
            "auc": _rounded(area),
            "low": _rounded(low),
            "high": _rounded(high),
            "auc_local": _rounded(_auc(labels, local)[0]),
            "sd": _rounded(float(logits.std())),
            "token_share": _rounded(token),
            "blocks_share": _rounded(blocks),
        }


def _split(values: Sequence[Tensor], sizes: Sequence[int]) -> Iterator[Sequence[Tensor]]:
    start = 0
    for size in sizes:
        yield values[start : start + size]
        start += size


def _rounded(value: float) -> float | None:
    """Four digits; None for a value that is no number, which JSON can't hold."""
    return round(float(value), 4) if np.isfinite(value) else None


def _auc(labels: np.ndarray, scores: np.ndarray) -> tuple[float, float, float]:
    """AUC and its 95 % interval; NaN where scores are not finite."""
    if not np.isfinite(scores).all():
        return float("nan"), float("nan"), float("nan")
    found = auc_of(labels, scores, 0.95)
    return found["auc"], found["auc_low"], found["auc_high"]


@torch.no_grad()
def anchor(
    inner: Stack, outer: Stack, training: np.ndarray, held_out: np.ndarray, lite: Path
) -> dict[str, object]:
    """Ridge logistic regression on the mean of the pretrained features of a film and its mirror image."""
    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    trunk = pretrained_trunk(lite).to(inner.films.device).eval()

    def features(stack: Stack) -> np.ndarray:
        parts = []
        for rows in torch.arange(len(stack.labels), device=stack.films.device).split(AT_ONCE):
            films = stack.batch(rows)
            parts.append((trunk(films).mean((2, 3)) + trunk(films.flip(3)).mean((2, 3))) / 2)
        return torch.cat(parts).float().cpu().numpy()

    ours, others = features(inner), features(outer)
    ridge = LogisticRegressionCV(Cs=np.logspace(-5, 0, 6), cv=5, scoring="neg_log_loss", max_iter=500)
    model = make_pipeline(StandardScaler(), ridge).fit(ours[training], inner.labels[training])
    logits = model.decision_function(ours[held_out])
    area, low, high = _auc(inner.labels[held_out], logits)
    outside = _auc(outer.labels, model.decision_function(others))[0]
    return {
        "auc_end": _rounded(area),
        "low_end": _rounded(low),
        "high_end": _rounded(high),
        "sd_end": _rounded(logits.std()),
        "external_auc": _rounded(outside),
    }
