"""Training of one fold, from the first step or from a saved state, to the same weights either way.

This module and those that it imports decide the numbers of a fold; their code is part of the fold's key.
"""

from __future__ import annotations

import contextlib
import copy
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim.swa_utils import update_bn

from scripts.common.errors import StudyError
from scripts.common.seeds import sub_seed
from scripts.deep.arithmetic import autocast, compiled
from scripts.deep.augmentation import augment
from scripts.deep.films import Film, FilmStack
from scripts.deep.initial_weights import load_initial
from scripts.deep.network import HybridNetwork, cut_blocks
from scripts.deep.scoring import auc, for_scoring, probabilities


class Interrupted(Exception):
    """Training stopped because it was asked to; its state is saved."""


@dataclass
class Trained:
    """A finished fold: network as it scores, history rows (HISTORY), held-out probabilities, and the number
    of steps made now.
    """

    network: HybridNetwork
    history: list[list[float]]
    held_out: list[float]
    steps: int


def new_network(settings: Mapping, fold: int, initial: bytes | None) -> HybridNetwork:
    """The fold's network before its first step; ``initial`` is a weights file's content, or None for random
    weights.
    """
    torch.manual_seed(sub_seed(settings["seed"], "deep", "init", fold))
    network = HybridNetwork(**settings["architecture"])
    if initial is not None:
        load_initial(network, initial)
    return network


def loss_terms(global_logits: Tensor, local_logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Binary cross-entropy of the global logits ``(n,)`` and its mean over the local ones ``(n, blocks)``.

    Every block of a film has the film's label ``(n,)``.
    """
    loss_global = F.binary_cross_entropy_with_logits(global_logits.float(), labels)
    every_block = labels[:, None].expand_as(local_logits)
    return loss_global, F.binary_cross_entropy_with_logits(local_logits.float(), every_block)


def learning_rate(step: int, total: int, peak: float, warmup_fraction: float) -> float:
    """Rate of step ``step`` (from 0) of ``total``: linear warm-up to ``peak``, then a cosine to 0."""
    warmup = round(warmup_fraction * total)
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(total - warmup, 1)))


def refuse_no_batch(films: int, batch_size: int, fold: int) -> None:
    """Raise ``StudyError`` where so many ``films`` don't fill one batch."""
    if films < batch_size:
        raise StudyError(
            f"Fold {fold} trains on {films} films, which don't fill one batch of 'deep.training.batch_size'"
            f" ({batch_size}). Lower it."
        )


def epoch_batches(
    films: Sequence[Film], batch_size: int, seed: int, fold: int, epoch: int
) -> list[list[Film]]:
    """The batches of one epoch: a shuffle that depends on seed, fold and epoch only, cut into whole batches.

    The few films left over wait for the next epoch's shuffle. Raises ``StudyError`` for fewer films than
    ``batch_size``.
    """
    refuse_no_batch(len(films), batch_size, fold)
    generator = torch.Generator().manual_seed(sub_seed(seed, "deep", "order", fold, epoch))
    order = torch.randperm(len(films), generator=generator).tolist()
    return [
        [films[i] for i in order[n : n + batch_size]]
        for n in range(0, len(films) - batch_size + 1, batch_size)
    ]


def settle_norms(
    network: HybridNetwork, stack: FilmStack, batches: Sequence[Sequence[Film]], precision: str
) -> HybridNetwork:
    """A copy whose BatchNorms hold the mean and variance that ``batches`` have under the present weights.

    In training a BatchNorm keeps a running average, in which batches of earlier weights still count. Where
    the weights move fast, the scores that rest on it jump from epoch to epoch. Source: Wu and Johnson 2021,
    "Rethinking Batch in BatchNorm", section 3 (PreciseBN). The films are taken as they are scored, without
    random changes. No batch: the network itself, with its running averages.
    """
    if not batches:
        return network
    settled = copy.deepcopy(network)
    with autocast(stack.device, precision):
        update_bn(
            (cut_blocks(stack.batch([film.row for film in films]), settled.grid) for films in batches),
            settled.trunk,
        )
    return settled


class FilmWait:
    """Seconds in which a device had no films to compute on.

    On the CPU these are the seconds in the ``with`` block that takes the next films. A GPU works through a
    queue, so there they are the time on its own clock between the end of one step and the arrival of the
    films of the next.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._seconds = 0.0
        self._marks: list[tuple[torch.cuda.Event, torch.cuda.Event]] = []

    def __enter__(self) -> None:
        self._began = self._mark()

    def __exit__(self, *_: object) -> None:
        ended = self._mark()
        if self._device.type == "cuda":
            self._marks.append((self._began, ended))
        else:
            self._seconds += ended - self._began

    def _mark(self) -> float | torch.cuda.Event:
        if self._device.type != "cuda":
            return time.monotonic()
        event = torch.cuda.Event(enable_timing=True)
        event.record(torch.cuda.current_stream(self._device))
        return event

    def seconds(self) -> float:
        """The sum since the start or the last ``reset``; waits for a GPU to be done with what it was
        given.
        """
        if self._marks:
            self._marks[-1][1].synchronize()
            self._seconds += sum(began.elapsed_time(ended) for began, ended in self._marks) / 1000
            self._marks.clear()
        return self._seconds

    def reset(self, seconds: float = 0.0) -> None:
        """Count on from ``seconds``."""
        self._marks.clear()
        self._seconds = seconds


def train(
    stack: FilmStack,
    training: Sequence[Film],
    held_out: Sequence[Film],
    fold: int,
    settings: Mapping,
    initial: bytes | None,
    state: Mapping | None,
    save: Callable[[dict], None],
    save_due: Callable[[], bool],
    stop_asked: Callable[[], bool],
    say: Callable[[str], None],
    show: Callable[[Callable[[], str]], None],
) -> Trained:
    """Train fold ``fold`` and score its held-out films with the last weights.

    Parameters
    ----------
    stack, training, held_out : the films, and those that this fold trains on and holds out
    settings : ``seed``, ``architecture``, ``training`` and ``augmentation`` of the config
    initial : content of the weights file to start from, None for random weights
    state : a state that ``save`` was given earlier, None for the first step
    save, save_due, stop_asked : called after a step; a due or asked-for state is saved at a step's end
    say : takes progress lines
    show : takes a function that gives a line for a terminal, and calls it only when it shows the line

    Raises
    ------
    StudyError : the loss is no longer finite, or ``training.compile`` is asked for and fails
    Interrupted : ``stop_asked`` said so; the state is saved
    """
    seed, options = settings["seed"], settings["training"]
    device = stack.device
    network = new_network(settings, fold, initial).to(device, memory_format=torch.channels_last)
    forward = compiled(network) if options["compile"] else network
    optimizer = torch.optim.SGD(
        network.parameters(),
        lr=options["learning_rate"],
        momentum=options["momentum"],
        weight_decay=options["weight_decay"],
    )
    step, history, spent, waited = 0, [], 0.0, FilmWait(device)
    sums = torch.zeros(2, dtype=torch.float64, device=device)
    if state is not None:
        network.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        step, history, spent = state["step"], [list(row) for row in state["history"]], state["spent"]
        waited.reset(state["waited"])
        sums.copy_(state["sums"])
    per_epoch = len(epoch_batches(training, options["batch_size"], seed, fold, 0))
    total = per_epoch * options["epochs"]
    first, began = step, time.monotonic()
    spoken, lap, settled = began, began, None

    def settle(epoch: int) -> HybridNetwork:
        batches = epoch_batches(training, options["batch_size"], seed, fold, epoch)[: options["norm_batches"]]
        return settle_norms(network, stack, batches, options["precision"])

    def progress() -> str:
        means = (sums / done).tolist()
        _refuse_not_finite(means, fold, options)
        return (
            f"fold {fold}: epoch {epoch + 1}/{options['epochs']}, step {done}/{per_epoch}, loss"
            f" {means[0] + options['local_weight'] * means[1]:.3f},"
            f" {done * len(films) / max(spent, 1e-9):.1f} films/s, {_duration(left)} left"
        )

    while step < total:
        epoch, place = divmod(step, per_epoch)
        batches = epoch_batches(training, options["batch_size"], seed, fold, epoch)[place:]
        network.train()
        with contextlib.closing(stack.stream([[film.row for film in films] for films in batches])) as stream:
            for films in batches:
                with waited:
                    bits = next(stream)
                x = stack.standardize(bits, [film.row for film in films])
                x = augment(x, sub_seed(seed, "deep", "augment", fold, step), settings["augmentation"])
                y = torch.tensor([film.label for film in films], dtype=torch.float32).to(
                    device, non_blocking=True
                )
                torch.manual_seed(sub_seed(seed, "deep", "dropout", fold, step))
                with _compiling(options["compile"] and step == first, stop_asked):
                    with autocast(device, options["precision"]):
                        global_logits, local_logits = forward(x)
                    loss_global, loss_local = loss_terms(global_logits, local_logits, y)
                    optimizer.zero_grad(set_to_none=True)
                    (loss_global + options["local_weight"] * loss_local).backward()
                torch.nn.utils.clip_grad_norm_(network.parameters(), options["clip_norm"])
                rate = learning_rate(step, total, options["learning_rate"], options["warmup_fraction"])
                optimizer.param_groups[0]["lr"] = rate
                optimizer.step()
                sums += torch.stack([loss_global.detach(), loss_local.detach()])
                step += 1

                done = (step - 1) % per_epoch + 1
                means = (
                    (sums / per_epoch).tolist() if done == per_epoch else None
                )  # waits for a GPU's last step
                now = time.monotonic()
                spent, lap = spent + now - lap, now
                left = (now - began) / (step - first) * (total - step)

                if means is not None:
                    _refuse_not_finite(means, fold, options)
                    loss = means[0] + options["local_weight"] * means[1]
                    settled = settle(epoch)
                    scores = _held_out_scores(settled, stack, held_out, options["precision"])
                    area = auc([f.label for f in held_out], scores)
                    speed, wait = done * len(films) / max(spent, 1e-9), waited.seconds() / max(spent, 1e-9)
                    history.append([epoch + 1, loss, *means, area, rate, round(speed, 2), round(wait, 5)])
                    say(
                        f"fold {fold}: epoch {epoch + 1}/{options['epochs']}, loss {loss:.3f} (global"
                        f" {means[0]:.3f}, local {means[1]:.3f}), held-out AUC {area:.3f}, {speed:.1f}"
                        f" films/s, {wait:.1%} of the time waiting for films, {_duration(left)} left"
                    )
                    sums.zero_()
                    spent, lap = 0.0, time.monotonic()
                    waited.reset()
                    spoken = lap
                elif now - spoken > 300 or (step - first == 20 and left > 600):
                    spoken = now
                    say(progress())
                else:
                    show(progress)

                stop = stop_asked() and step < total
                if stop or save_due():
                    _refuse_not_finite(sums.tolist(), fold, options)
                    save(
                        {
                            "model": network.state_dict(),
                            "optimizer": optimizer.state_dict(),
                            "step": step,
                            "history": history,
                            "sums": sums.cpu(),
                            "spent": spent,
                            "waited": waited.seconds(),
                        }
                    )
                if stop:
                    raise Interrupted

    if settled is None:  # the saved state was that of the last step
        settled = settle(options["epochs"] - 1)
        scores = _held_out_scores(settled, stack, held_out, options["precision"])
    return Trained(settled, history, scores, step - first)


@contextlib.contextmanager
def _compiling(first_step: bool, stop_asked: Callable[[], bool]) -> Iterator[None]:
    """Say what to do where the first step, in which the network is compiled, fails for another reason than
    memory.

    A signal to all processes of a job also ends the compiler's: then ``Interrupted`` is raised. Nothing is
    lost by it, as no step was made since the last state.
    """
    try:
        yield
    except Exception as error:
        if not first_step or isinstance(error, MemoryError | torch.OutOfMemoryError):
            raise
        if stop_asked():
            raise Interrupted from error
        cause = next(iter(str(error).strip().splitlines()), "")[:200]
        raise StudyError(
            "'deep.training.compile' is true, but PyTorch can't compile the network here"
            f" ({type(error).__name__}: {cause}). Set it to false, or install what compiling needs: a C++"
            " compiler (apt-get install -y g++)."
        ) from error


def _held_out_scores(
    network: HybridNetwork, stack: FilmStack, films: Sequence[Film], precision: str
) -> list[float]:
    return probabilities([for_scoring(network)], stack, [f.row for f in films], precision)[:, 0].tolist()


def _refuse_not_finite(losses: Sequence[float], fold: int, options: Mapping) -> None:
    if not all(map(math.isfinite, losses)):
        raise StudyError(
            f"Fold {fold}: the loss is no longer a finite number. Lower 'deep.training.learning_rate' (now"
            f" {options['learning_rate']:g}), 'deep.training.clip_norm' (now {options['clip_norm']:g}) or"
            f" 'deep.training.weight_decay' (now {options['weight_decay']:g})."
        )


def _duration(seconds: float) -> str:
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60:02d} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60:02d} min"
