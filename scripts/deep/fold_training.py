"""One fold from the cache to its published files: from the store, from a saved state, or from the first
step.
"""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch

from scripts.common.contracts.networks import HELD_OUT, HISTORY
from scripts.common.errors import StudyError
from scripts.common.log import Log
from scripts.common.scores import SAME_SCORE
from scripts.deep.arithmetic import exact_arithmetic, out_of_memory
from scripts.deep.compute_device import (
    device_memory,
    hold_device,
    warn_of_slow_bf16,
    warn_of_too_many_threads,
)
from scripts.deep.csv_tables import csv_text
from scripts.deep.films import FilmStack, data_hash, split_fold
from scripts.deep.memory_estimate import check_memory, training_memory
from scripts.deep.scoring import SCORING_MEMORY
from scripts.deep.training import Interrupted, refuse_no_batch, train
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


def train_fold(
    cache: Path,
    fold: int,
    settings: Mapping,
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
    settings : ``seed``, ``init``, ``cpu_threads``, ``architecture``, ``training``, ``augmentation``
    state : folder that keeps ``train/`` (saved states) and ``store/`` (finished folds) between runs
    device : auto, cpu or cuda
    checkpoint_minutes : longest time between two saved states; 0 saves after every step

    Returns
    -------
    int : exit status, 0 when the files are written, 143 when a signal stopped the training and its state was
        saved
    """
    exact_arithmetic(settings["cpu_threads"])
    initial = initial_content(settings["init"])
    side = settings["architecture"]["grid"] * settings["architecture"]["block_size"]
    training, held_out = split_fold(FilmStack(cache, side).films, fold)
    key = fold_key(data_hash(training, held_out), settings, fold, initial)
    store = Store(state / "store", key)
    products = store.get(log.say)
    if products is not None:
        publish(products, output)
        log.say(f"fold {fold}: nothing changed since it was trained; its files are taken from the store")
        log.say("optimiser steps: 0")
        return 0

    refuse_no_batch(len(training), settings["training"]["batch_size"], fold)
    if settings["init"] == "random" and settings["training"]["learning_rate"] <= 1e-4:
        log.say(
            f"WARNING: random weights and a learning rate of {settings['training']['learning_rate']:g}: the"
            " network will hardly learn. Set 'deep.init: imagenet' or raise 'deep.training.learning_rate'"
            " (0.01 works for random weights)."
        )
    with hold_device(device, log.say) as place, _stop_signals() as received:
        warn_of_too_many_threads(place, settings["cpu_threads"], log.say)
        warn_of_slow_bf16(place, settings["training"]["precision"], "deep.training.precision", log.say)
        saved = SavedState(state / "train", key, place.type)
        last_saved = time.monotonic()

        def save(content: dict) -> None:
            nonlocal last_saved
            saved.save(content)
            last_saved = time.monotonic()

        try:
            need = training_memory(
                settings["architecture"],
                settings["training"]["batch_size"],
                settings["training"]["precision"],
                place.type,
            )
            stack = FilmStack(cache, side, place, max(need.likely, SCORING_MEMORY))
            log.say(
                f"fold {fold}: {len(training)} training and {len(held_out)} held-out films on {place.type}"
            )
            memory = device_memory(place)
            if memory is not None:
                log.say(check_memory(settings, need, *memory))
            if place.type == "cuda":
                log.say(
                    f"films: {stack.nbytes / 1e9:.1f} GB,"
                    f" {'in GPU memory' if stack.on_device else 'read from the disk'}"
                )
            trained = train(
                stack,
                training,
                held_out,
                fold,
                settings,
                initial,
                saved.load(log.say),
                save,
                lambda: time.monotonic() - last_saved >= 60 * checkpoint_minutes,
                lambda: bool(received),
                log.say,
                log.live,
            )
        except Interrupted:
            log.say(
                f"fold {fold}: stopped by a signal; the state is saved. Run the same command again to go on."
            )
            return 143
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
            raise StudyError(
                f"Fold {fold}: out of memory on the {'GPU' if place.type == 'cuda' else 'CPU'}. Lower"
                f" 'deep.training.batch_size' (now {settings['training']['batch_size']}), set"
                " 'deep.training.precision: bf16', or use a larger machine."
            ) from None

    rows = [(f.patient_id, f.image_id, fold, f.label, p) for f, p in zip(held_out, trained.held_out)]
    products = {
        "weights.pt": weights_bytes(trained.network, settings, fold),
        "history.csv": csv_text(HISTORY, trained.history).encode(),
        "held_out.csv": csv_text(HELD_OUT, rows).encode(),
    }
    record = {"fold": fold, "settings": settings, "torch": str(torch.__version__), "device": place.type}
    if len(trained.held_out) > 1 and max(trained.held_out) - min(trained.held_out) < SAME_SCORE:
        log.say(
            f"WARNING: fold {fold} gives all held-out films the same score: it has learned nothing that could"
            " be used. Look at history.csv; lower 'deep.training.learning_rate', or start from other"
            " weights."
        )
    store.put(products, record)
    publish(products | trained_on(record), output)
    saved.clear()
    log.say(f"optimiser steps: {trained.steps}")
    return 0
