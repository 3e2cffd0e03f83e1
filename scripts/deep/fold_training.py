"""One fold from the cache to its published files: from the store, from a saved state, or from the first
step.
"""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from scripts.common.contracts.networks import HELD_OUT, HISTORY
from scripts.common.errors import StudyError
from scripts.common.log import Log
from scripts.common.scores import SAME_SCORE
from scripts.deep import progress
from scripts.deep.arithmetic import exact_arithmetic, out_of_memory
from scripts.deep.compute_device import (
    device_memory,
    hold_device,
    warn_of_slow_bf16,
    warn_of_too_many_threads,
)
from scripts.deep.csv_tables import csv_text
from scripts.deep.films import Film, FilmStack, data_hash, split_fold
from scripts.deep.loop import FoldTraining, NotCompiled, refuse_no_batch, train
from scripts.deep.memory_estimate import check_memory, training_memory
from scripts.deep.scoring import SCORING_MEMORY
from scripts.deep.settings import Settings
from scripts.deep.training_store import SavedState, Store, fold_key, publish, trained_on, weights_bytes
from scripts.deep.weights_file import initial_content


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


def _train(
    run: FoldTraining,
    stack: FilmStack,
    training: Sequence[Film],
    held_out: Sequence[Film],
    saved: SavedState,
    checkpoint_minutes: float,
    received: Sequence[int],
    log: Log,
) -> bool:
    """Train ``run`` to its end, saving its state now and then; whether it got there.

    Where a signal is ``received``, the state is saved after the step and the training ends.
    """
    said = progress.FoldProgress(log, run.fold, run.step, run.total, run.per_epoch)
    last_saved = time.monotonic()
    try:
        with contextlib.closing(train(run, stack, training, held_out)) as steps:
            for _ in steps:
                said.after_step(run.step, run.history, lambda: run.losses()[0], run.films_per_s)
                stop = bool(received) and run.step < run.total
                if stop or time.monotonic() - last_saved >= 60 * checkpoint_minutes:
                    saved.save(run.state())
                    last_saved = time.monotonic()
                if stop:
                    return False
    except NotCompiled:
        # a signal to all processes of a job ends the compiler's first; no step was made since the last state
        if received:
            return False
        raise
    return True


def train_fold(
    cache: Path,
    fold: int,
    settings: Settings,
    output: Path,
    state: Path,
    device: str,
    checkpoint_minutes: float,
    log: Log,
) -> int:
    """Write ``weights.pt``, ``history.csv``, ``held_out.csv`` and ``trained_on.json`` of fold ``fold`` into
    ``output``.

    Parameters
    ----------
    cache : folder with ``films.npy`` and ``index.csv`` of the training set
    state : folder that keeps ``train/`` (saved states) and ``store/`` (finished folds) between runs
    device : auto, cpu or cuda
    checkpoint_minutes : longest time between two saved states; 0 saves after every step

    Returns
    -------
    int : exit status, 0 when the files are written, 143 when a signal stopped the training and its state was
        saved
    """
    options, side = settings.training, settings.architecture.side
    exact_arithmetic(settings.cpu_threads)
    initial = initial_content(settings.init)
    training, held_out = split_fold(FilmStack(cache, side).films, fold)
    key = fold_key(data_hash(training, held_out), settings, fold, initial)
    store = Store(state / "store", key)
    products = store.get(log.say)
    if products is not None:
        publish(products, output)
        log.say(progress.from_store(fold))
        log.say(progress.optimiser_steps(0))
        return 0

    refuse_no_batch(len(training), options.batch_size, fold)
    if settings.init == "random" and options.learning_rate <= 1e-4:
        log.say(progress.hardly_learns(options.learning_rate))
    with hold_device(device, log.say) as place, _stop_signals() as received:
        warn_of_too_many_threads(place, settings.cpu_threads, log.say)
        warn_of_slow_bf16(place, options.precision, "deep.training.precision", log.say)
        saved = SavedState(state / "train", key, place.type)
        try:
            need = training_memory(settings.architecture, options.batch_size, options.precision, place.type)
            stack = FilmStack(cache, side, place, max(need.likely, SCORING_MEMORY))
            log.say(progress.begun(fold, len(training), len(held_out), place.type))
            memory = device_memory(place)
            if memory is not None:
                log.say(check_memory(settings, need, *memory))
            if place.type == "cuda":
                log.say(progress.film_array(stack.nbytes, stack.on_device))
            run = FoldTraining(fold, len(training), settings, initial, place)
            found = saved.load(log.say)
            if found is not None:
                run.load(found)
            first = run.step
            if not _train(run, stack, training, held_out, saved, checkpoint_minutes, received, log):
                log.say(progress.stopped(fold))
                return 143
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
            raise StudyError(
                f"Fold {fold}: out of memory on the {'GPU' if place.type == 'cuda' else 'CPU'}. Lower"
                f" 'deep.training.batch_size' (now {options.batch_size}), set"
                " 'deep.training.precision: bf16', or use a larger machine."
            ) from None

    rows = [(f.patient_id, f.image_id, fold, f.label, p) for f, p in zip(held_out, run.held_out)]
    products = {
        "weights.pt": weights_bytes(run.settled, options.precision, fold),
        "history.csv": csv_text(HISTORY, run.history).encode(),
        "held_out.csv": csv_text(HELD_OUT, rows).encode(),
    }
    record = {
        "fold": fold,
        "settings": settings.plain(),
        "torch": str(torch.__version__),
        "device": place.type,
    }
    if len(run.held_out) > 1 and max(run.held_out) - min(run.held_out) < SAME_SCORE:
        log.say(progress.learned_nothing(fold))
    store.put(products, record)
    publish(products | trained_on(record), output)
    saved.clear()
    log.say(progress.optimiser_steps(run.step - first))
    return 0
