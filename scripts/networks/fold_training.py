"""One training from the cache to its published files: from the store, from a saved state, or from the first
step.
"""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from scripts.common.contracts.networks import HELD_OUT, HISTORY
from scripts.common.errors import StudyError
from scripts.common.log import Log
from scripts.networks import earlier_releases, progress
from scripts.networks.arithmetic import exact_arithmetic, out_of_memory
from scripts.networks.collapse import ATTEMPTS, learned_nothing
from scripts.networks.csv_tables import csv_text
from scripts.networks.films import Film, FilmStack, data_hash, split_fold
from scripts.networks.kept_views import KeptViews, recorded_views
from scripts.networks.loop import FoldTraining, NotCompiled, refuse_no_batch, train
from scripts.networks.machine.device import (
    choose_kind,
    device_memory,
    hold_device,
    warn_of_slow_bf16,
    warn_of_too_many_threads,
)
from scripts.networks.machine.locks import hold_one
from scripts.networks.machine.memory import check_memory, memory_options, training_memory
from scripts.networks.member import Member
from scripts.networks.scoring import SCORING_MEMORY
from scripts.networks.settings import Settings
from scripts.networks.training_store import SavedState, Store, fold_key, publish, trained_on, weights_bytes
from scripts.networks.weights_file import initial_content


@contextlib.contextmanager
def _stop_signals() -> Iterator[list[int]]:
    """Collect SIGTERM and SIGINT instead of dying from them, so that a step can end and its state be
    saved.
    """
    received: list[int] = []
    kept = {
        s: signal.signal(s, lambda number, _: received.append(number))
        for s in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield received
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


@dataclass(frozen=True)
class Ended:
    """An attempt at a training that got to its end.

    Attributes
    ----------
    weights : content of its ``weights.pt``
    history : rows of ``history.csv`` (HISTORY)
    held_out : probabilities of the held-out films
    steps, spread : its steps, and the SD of its logits of training films
    """

    weights: bytes
    history: list[list[float]]
    held_out: list[float]
    steps: int
    spread: float

    @property
    def loss(self) -> float:
        """Mean global loss of the last epoch."""
        return self.history[-1][2]

    def state(self) -> dict:
        """As a saved state holds it."""
        return vars(self) | {"weights": torch.frombuffer(bytearray(self.weights), dtype=torch.uint8)}

    @classmethod
    def of_state(cls, state: Mapping) -> Ended:
        """The attempt whose ``state`` this is."""
        return cls(**{**state, "weights": state["weights"].numpy().tobytes()})


@dataclass
class FoldJob:
    """A training and its second attempt, should the first one learn nothing.

    Attributes
    ----------
    member, settings, initial : what is trained, and from which weights file's content
    training, held_out : the films that it trains on and holds out
    saved : its saved state, and how many minutes lie between two at most
    log : where it says how it goes
    steps : optimiser steps made now
    began, before : when it started, and the seconds spent before that
    """

    member: Member
    settings: Settings
    initial: bytes | None
    training: Sequence[Film]
    held_out: Sequence[Film]
    saved: SavedState
    checkpoint_minutes: float
    log: Log
    steps: int = 0
    began: float = field(default_factory=time.monotonic)
    before: float = 0.0

    @property
    def seconds(self) -> float:
        """Seconds spent in all."""
        return self.before + time.monotonic() - self.began

    def views(self, cache: Path, record: Path | None, device: torch.device, spared: int) -> KeptViews:
        """The films' views of ``record``, on ``device``; ``spared`` bytes of a GPU's memory stay free."""
        if record is None:
            raise StudyError(
                f"{self.member.key('training.views')} is {self.settings.training.views}, but no views were"
                " given. Make them with scripts.networks.cache_views and pass their views.json as --views."
            )
        films = FilmStack(cache, self.settings.architecture.side).films
        return recorded_views(record, films, self.settings, self.initial, self.member, device, spared)

    def attempts(
        self, stack: FilmStack, views: KeptViews | None, received: Sequence[int]
    ) -> list[Ended] | None:
        """The attempts, of which the last one counts unless all have failed; None where a signal is
        ``received``: then the state is saved after the step.
        """
        found = self.saved.load(self.log.say)
        ended: list[Ended] = []
        if found is not None:
            self.before = found["seconds"]
            ended = [Ended.of_state(state) for state in found["ended"]]
        while len(ended) < ATTEMPTS and (not ended or self.failed(ended[-1])):
            if ended:
                self.log.say(progress.begins_again(self.member, ended[-1].loss, ended[-1].spread))
            member = replace(self.member, attempt=len(ended) + 1)
            run = FoldTraining(member, len(self.training), self.settings, self.initial, stack.device)
            if found is not None:
                run.load(found)
                found = None
            if not self._train(run, stack, views, received, ended):
                return None
            weights = weights_bytes(run.settled, self.settings.training.precision, self.member.fold)
            ended.append(Ended(weights, run.history, run.held_out, run.step, run.spread))
        return ended

    def failed(self, ended: Ended) -> bool:
        """Whether an attempt has learned nothing."""
        positive = sum(film.label for film in self.training) / len(self.training)
        return learned_nothing(ended.steps, ended.loss, positive, ended.spread)

    def _train(
        self,
        run: FoldTraining,
        stack: FilmStack,
        views: KeptViews | None,
        received: Sequence[int],
        ended: Sequence[Ended],
    ) -> bool:
        """Train ``run`` to its end, saving its state now and then; whether it got there."""
        said = progress.FoldProgress(
            self.log, run.member, run.step, run.total, run.per_epoch, stack.device.type
        )
        last_saved, first = time.monotonic(), run.step
        try:
            with contextlib.closing(train(run, stack, self.training, self.held_out, views)) as steps:
                for _ in steps:
                    said.after_step(run.step, run.history, lambda: run.losses()[0], run.films_per_s)
                    stop = bool(received) and run.step < run.total
                    if stop or time.monotonic() - last_saved >= 60 * self.checkpoint_minutes:
                        earlier = {"ended": [one.state() for one in ended], "seconds": self.seconds}
                        self.saved.save(run.state() | earlier)
                        last_saved = time.monotonic()
                    if stop:
                        return False
        except NotCompiled:
            # a signal to all processes of a job ends the compiler's first; no step was made since the last
            # state
            if received:
                return False
            raise
        self.steps += run.step - first
        return True


def train_fold(
    cache: Path,
    member: Member,
    settings: Settings,
    weights: Path | None,
    output: Path,
    state: Path,
    device: str,
    checkpoint_minutes: float,
    log: Log,
    views: Path | None = None,
) -> int:
    """Write ``weights.pt``, ``history.csv``, ``held_out.csv`` and ``trained_on.json`` of ``member`` into
    ``output``.

    Parameters
    ----------
    cache : folder with ``films.npy`` and ``index.csv`` of the training set
    weights : the file that ``settings.init`` names; None for random weights
    state : folder that keeps ``train/`` (saved states) and ``store/`` (finished folds) between runs
    device : auto, cpu or cuda
    checkpoint_minutes : longest time between two saved states; 0 saves after every step
    views : the record of the films' views, where ``training.views`` asks for some

    Returns
    -------
    int : exit status, 0 when the files are written, 143 when a signal stopped the training and its state was
        saved
    """
    exact_arithmetic(settings.cpu_threads)
    initial = initial_content(settings.init, weights, member.key("init"))
    training, held_out = split_fold(FilmStack(cache, settings.architecture.side).films, member.fold)
    data = data_hash(training, held_out)
    key = fold_key(data, settings, member, initial)
    # two networks with the same settings have one key: the second one waits, and finds the first one's files
    with hold_one([state / "locks" / key], progress.another_process(), log.say):
        store, folder = Store(state / "store", key), state / "store"
        earlier = earlier_releases.keys(data, settings, member, initial)
        products = store.get(log.say)
        if products is None and earlier_releases.adopt(folder, key, earlier, log.say):
            products = store.get(log.say)
        if products is not None:
            publish(products, output)
            log.say(progress.from_store(member))
            log.say(progress.optimiser_steps(0))
            return 0
        earlier_releases.refuse_to_train_again(folder, earlier, settings, member, output)
        saved = SavedState(state / "train", key, choose_kind(device))
        job = FoldJob(member, settings, initial, training, held_out, saved, checkpoint_minutes, log)
        return _trained(job, cache, views, output, store, device)


def _trained(job: FoldJob, cache: Path, views: Path | None, output: Path, store: Store, device: str) -> int:
    """Train from the first step or from the saved state, store and publish; gives the exit status."""
    settings, member, log = job.settings, job.member, job.log
    options, side = settings.training, settings.architecture.side
    refuse_no_batch(len(job.training), options.batch_size, member)
    if settings.init == "random" and options.learning_rate <= 1e-4:
        log.say(progress.hardly_learns(options.learning_rate, member.key))
    with hold_device(device, log.say) as place, _stop_signals() as received:
        warn_of_too_many_threads(place, settings.cpu_threads, log.say)
        warn_of_slow_bf16(place, options.precision, member.key("training.precision"), log.say)
        try:
            need = training_memory(
                settings.architecture,
                options.batch_size,
                options.precision,
                place.type,
                **memory_options(options),
            )
            spared = max(need.likely, SCORING_MEMORY)
            kept = job.views(cache, views, place, spared) if options.views else None
            stack = FilmStack(cache, side, place, spared)
            log.say(progress.begun(member, len(job.training), len(job.held_out), place.type))
            memory = device_memory(place)
            if memory is not None:
                log.say(check_memory(settings, need, *memory, member.key))
            if place.type == "cuda":
                read = kept or stack
                log.say(progress.film_array(read.nbytes, read.on_device))
            ended = job.attempts(stack, kept, received)
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
            raise StudyError(
                f"{member}: out of memory on the {'GPU' if place.type == 'cuda' else 'CPU'}. Lower"
                f" '{member.key('training.batch_size')}' (now {options.batch_size}), set"
                f" '{member.key('training.precision')}: bf16', or use a larger machine."
            ) from None
    if ended is None:
        log.say(progress.stopped(member))
        return 143

    last = ended[-1]
    if job.failed(last):
        last = min(ended, key=lambda one: one.loss)
        log.say(progress.learned_nothing(member, last.loss, last.spread, member.key))
    rows = [(f.patient_id, f.image_id, member.fold, f.label, p) for f, p in zip(job.held_out, last.held_out)]
    products = {
        "weights.pt": last.weights,
        "history.csv": csv_text(HISTORY, last.history).encode(),
        "held_out.csv": csv_text(HELD_OUT, rows).encode(),
    }
    record = {
        "kind": settings.kind,
        "run": member.run,
        "settings": settings.plain(),
        "torch": str(torch.__version__),
        "device": place.type,
        "attempts": len(ended),
        "seconds": round(job.seconds, 1),
    }
    store.put(products, record)
    publish(products | trained_on(record), output)
    job.saved.clear()
    log.say(progress.optimiser_steps(job.steps))
    return 0
