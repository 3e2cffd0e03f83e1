"""Training of one fold, from the first step or from a saved state, to the same weights either way.

The loop says nothing (``progress.py`` does) and writes nothing (``fold_training.py`` does). This module,
those that it imports and the network's kind decide the numbers of a fold; their code is part of the fold's
key.
"""

from __future__ import annotations

import contextlib
import copy
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor

from scripts.common.errors import StudyError
from scripts.networks.arithmetic import autocast, compiled
from scripts.networks.changed_films import ChangedFilms
from scripts.networks.collapse import JUDGED, logit_spread
from scripts.networks.film_network import FilmNetwork
from scripts.networks.films import Film, FilmStack
from scripts.networks.member import Member
from scripts.networks.scoring import auc
from scripts.networks.settings import Settings, Training
from scripts.networks.started_network import started_network
from scripts.networks.step_clock import StepClock


class Source(Protocol):
    """Where the batches of a training come from: ``ChangedFilms``, or ``KeptViews``."""

    device: torch.device

    def read(self, batches: Sequence[Sequence[Film]], first_step: int) -> Iterator[Tensor]:
        """What is read of the films of each batch, in order; the first one is that of ``first_step``."""

    def inputs(self, bits: Tensor, films: Sequence[Film], step: int) -> Tensor:
        """What ``part`` takes of a batch that was read."""

    def part(self, network: FilmNetwork) -> Callable[[Tensor], tuple[Tensor, ...]]:
        """What of the network the films go through."""

    def frozen(self, network: FilmNetwork, films: Sequence[Film]) -> Tensor:
        """What the frozen stages of the network give of films as they are scored."""

    def scores(self, network: FilmNetwork, films: Sequence[Film]) -> list[float]:
        """Each film's probability under the network."""


class NotCompiled(StudyError):
    """The network can't be compiled here, or a signal ended the compiler; the step was not made."""


class FoldTraining:
    """A training between two steps: all that its next step depends on.

    Parameters
    ----------
    member : which training of the network
    films : how many it trains on
    initial : content of the weights file to start from, None for random weights
    device : where it is trained

    Attributes
    ----------
    step, per_epoch, total : steps made, of an epoch, and in all
    history : rows of ``history.csv`` (HISTORY)
    sums : global and local loss, summed over the epoch's steps so far
    settled : after the last step the network as it scores
    held_out : after the last step its probabilities of the held-out films
    spread : after the last step the SD of its logits of JUDGED training films
    """

    def __init__(
        self, member: Member, films: int, settings: Settings, initial: bytes | None, device: torch.device
    ) -> None:
        refuse_no_batch(films, settings.training.batch_size, member)
        self.member, self.settings = member, settings
        torch.manual_seed(member.sub_seed(settings.seed, "init"))
        network = started_network(settings, initial, member)
        self.network = network.to(device, memory_format=torch.channels_last)
        self.optimizer = new_optimizer(self.network, settings.training)
        self.step, self.per_epoch = 0, films // settings.training.batch_size
        self.total = self.per_epoch * settings.training.epochs
        self.history: list[list[float]] = []
        self.sums = torch.zeros(2, dtype=torch.float64, device=device)
        self.clock = StepClock(device)
        self.settled: FilmNetwork | None = None
        self.held_out: list[float] = []
        self.spread = math.nan

    def state(self) -> dict:
        """What ``load`` needs to go on from here; ``StudyError`` where the loss is no longer finite."""
        self._refuse_not_finite(self.sums.tolist())
        return {
            "model": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "history": self.history,
            "sums": self.sums.cpu(),
            "spent": self.clock.spent,
            "waited": self.clock.waited(),
        }

    def load(self, state: Mapping) -> None:
        """Go on from a state that ``state`` gave."""
        self.network.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.history = state["step"], [list(row) for row in state["history"]]
        self.sums.copy_(state["sums"])
        self.clock.start(state["spent"], state["waited"])

    def losses(self) -> tuple[float, float, float]:
        """Mean loss, global loss and local loss of the epoch so far; waits for a GPU's last step.

        Raises ``StudyError`` where one is no longer finite.
        """
        done = (self.step - 1) % self.per_epoch + 1
        of_film, of_blocks = (self.sums / done).tolist()
        self._refuse_not_finite((of_film, of_blocks))
        return of_film + self.settings.training.local_weight * of_blocks, of_film, of_blocks

    def films_per_s(self) -> float:
        """Films a second of the epoch so far."""
        done = (self.step - 1) % self.per_epoch + 1
        return done * self.settings.training.batch_size / max(self.clock.spent, 1e-9)

    def _refuse_not_finite(self, losses: Sequence[float]) -> None:
        options, key = self.settings.training, self.member.key
        if not all(map(math.isfinite, losses)):
            raise StudyError(
                f"{self.member}: the loss is no longer a finite number. Lower"
                f" '{key('training.learning_rate')}' (now {options.learning_rate:g}),"
                f" '{key('training.clip_norm')}' (now {options.clip_norm:g}) or"
                f" '{key('training.weight_decay')}' (now {options.weight_decay:g})."
            )


def new_optimizer(network: FilmNetwork, options: Training) -> torch.optim.Optimizer:
    """The optimiser of what trains of ``network``: the trunk at its share of the rate, and all else.

    SGD with momentum adds the weight decay to the gradient. AdamW takes it from the weights themselves
    (Loshchilov and Hutter 2019) and has the usual 0.9 and 0.999 for its means.
    """
    of_trunk = {id(p) for p in network.trunk.parameters()}
    others = [p for p in network.parameters() if id(p) not in of_trunk]
    groups = [{"params": others, "share": 1.0}]
    if trained := network.trunk_parameters():
        groups.append({"params": trained, "share": options.trunk_rate})
    if options.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=options.learning_rate, weight_decay=options.weight_decay)
    return torch.optim.SGD(
        groups, lr=options.learning_rate, momentum=options.momentum, weight_decay=options.weight_decay
    )


def learning_rate(step: int, total: int, peak: float, warmup_fraction: float) -> float:
    """Rate of step ``step`` (from 0) of ``total``: linear warm-up to ``peak``, then a cosine to 0."""
    warmup = round(warmup_fraction * total)
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(total - warmup, 1)))


def refuse_no_batch(films: int, batch_size: int, member: Member) -> None:
    """Raise ``StudyError`` where so many ``films`` don't fill one batch."""
    if films < batch_size:
        raise StudyError(
            f"{member}: {films} films to train on don't fill one batch of"
            f" '{member.key('training.batch_size')}' ({batch_size}). Lower it."
        )


def epoch_batches(
    films: Sequence[Film], batch_size: int, seed: int, member: Member, epoch: int
) -> list[list[Film]]:
    """The batches of one epoch: a shuffle that depends on seed, member and epoch only, cut into whole
    batches.

    The few films left over wait for the next epoch's shuffle. Raises ``StudyError`` for fewer films than
    ``batch_size``.
    """
    refuse_no_batch(len(films), batch_size, member)
    generator = torch.Generator().manual_seed(member.sub_seed(seed, "order", epoch))
    order = torch.randperm(len(films), generator=generator).tolist()
    return [
        [films[i] for i in order[n : n + batch_size]]
        for n in range(0, len(films) - batch_size + 1, batch_size)
    ]


def settle_norms(
    network: FilmNetwork, source: Source, batches: Sequence[Sequence[Film]], precision: str
) -> FilmNetwork:
    """A copy whose BatchNorms hold the mean and variance that ``batches`` have under the present weights.

    In training a BatchNorm keeps a running average, in which batches of earlier weights still count. Where
    the weights move fast, the scores that rest on it jump from epoch to epoch. Source: Wu and Johnson 2021,
    "Rethinking Batch in BatchNorm", section 3 (PreciseBN). The films are taken as they are scored, without
    random changes. No batch: the network itself, with its running averages.
    """
    if not batches:
        return network
    settled = copy.deepcopy(network)
    with autocast(source.device, precision):
        settled.measure_norms(source.frozen(settled, films) for films in batches)
    return settled


def train(
    run: FoldTraining,
    stack: FilmStack,
    training: Sequence[Film],
    held_out: Sequence[Film],
    views: Source | None = None,
) -> Iterator[None]:
    """Make the steps that are left, and score the held-out films at each epoch's end; yields after each step.

    Whoever takes the steps may show and save ``run`` between them. Closed early it loses nothing: a run that
    loads its state goes on to the same weights.

    Parameters
    ----------
    run : the training as it stands; it moves with the steps
    stack : the films, on the device of the run
    training, held_out : those that this fold trains on and holds out
    views : what it trains on and is watched by in place of the films, where their views are kept; the scores
        that it ends with are those of the films either way

    Raises
    ------
    StudyError : the loss is no longer finite
    NotCompiled : ``training.compile`` is asked for and fails
    """
    settings, options, clock, device = run.settings, run.settings.training, run.clock, stack.device
    network, optimizer, member, first = run.network, run.optimizer, run.member, run.step
    films_as_scored = ChangedFilms(stack, settings, member)
    source = views or films_as_scored
    part = source.part(network)
    forward = compiled(part) if options.compile else part
    clock.start(clock.spent, clock.waited())

    def score(batches: Sequence[Sequence[Film]]) -> None:
        run.settled = settle_norms(network, source, batches[: options.norm_batches], options.precision)
        ended = run.step == run.total
        run.held_out = (films_as_scored if ended else source).scores(run.settled, held_out)
        if ended:
            judged = [film for batch in batches for film in batch][:JUDGED]
            run.spread = logit_spread(source.scores(run.settled, judged))

    while run.step < run.total:
        epoch, place = divmod(run.step, run.per_epoch)
        batches = epoch_batches(training, options.batch_size, settings.seed, member, epoch)
        network.rest(epoch < options.thaw_epoch)
        network.train()
        with contextlib.closing(source.read(batches[place:], run.step)) as stream:
            for films in batches[place:]:
                with clock.waiting():
                    bits = next(stream)
                x = source.inputs(bits, films, run.step)
                y = torch.tensor([film.label for film in films], dtype=torch.float32)
                y = y.to(device, non_blocking=True)
                torch.manual_seed(member.sub_seed(settings.seed, "dropout", run.step))
                compiles = options.compile and run.step in (first, options.thaw_epoch * run.per_epoch)
                with compiling(member, compiles):
                    with autocast(device, options.precision):
                        outputs = forward(x)
                    loss_global, loss_local = network.loss_terms(outputs, y)
                    optimizer.zero_grad(set_to_none=True)
                    (loss_global + options.local_weight * loss_local).backward()
                torch.nn.utils.clip_grad_norm_(network.parameters(), options.clip_norm)
                rate = learning_rate(run.step, run.total, options.learning_rate, options.warmup_fraction)
                for group in optimizer.param_groups:
                    group["lr"] = rate * group["share"]
                optimizer.step()
                run.sums += torch.stack([loss_global.detach(), loss_local.detach()])
                run.step += 1

                losses = run.losses() if run.step % run.per_epoch == 0 else None
                clock.lap()
                if losses is not None:
                    speed, wait = run.films_per_s(), clock.waited() / max(clock.spent, 1e-9)
                    score(batches)
                    area = auc([film.label for film in held_out], run.held_out)
                    run.history.append([epoch + 1, *losses, area, rate, round(speed, 2), round(wait, 5)])
                    run.sums.zero_()
                    clock.start()
                yield

    if run.settled is None:  # the state that it began from was that of the last step
        score(epoch_batches(training, options.batch_size, settings.seed, member, options.epochs - 1))


@contextlib.contextmanager
def compiling(member: Member, compiles: bool) -> Iterator[None]:
    """Raise ``NotCompiled`` where a step in which the network is compiled fails for another reason than
    memory.
    """
    try:
        yield
    except Exception as error:
        if not compiles or isinstance(error, MemoryError | torch.OutOfMemoryError):
            raise
        cause = next(iter(str(error).strip().splitlines()), "")[:200]
        raise NotCompiled(
            f"'{member.key('training.compile')}' is true, but PyTorch can't compile the network here"
            f" ({type(error).__name__}: {cause}). Set it to false, or install what compiling needs: a C++"
            " compiler (apt-get install -y g++)."
        ) from error
