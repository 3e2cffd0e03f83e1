"""One training from the cache to its published files: from the store, from a saved state, or from the first
step.
"""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import torch

from scripts.common.contracts.networks import HELD_OUT, HISTORY
from scripts.common.errors import StudyError
from scripts.common.log import Log
from scripts.common.scores import SAME_SCORE
from scripts.networks import earlier_releases, progress
from scripts.networks.arithmetic import exact_arithmetic, out_of_memory
from scripts.networks.csv_tables import csv_text
from scripts.networks.films import Film, FilmStack, data_hash, split_fold
from scripts.networks.loop import FoldTraining, NotCompiled, refuse_no_batch, train
from scripts.networks.machine.device import (
    choose_kind,
    device_memory,
    hold_device,
    warn_of_slow_bf16,
    warn_of_too_many_threads,
)
from scripts.networks.machine.locks import hold_one
from scripts.networks.machine.memory import check_memory, training_memory
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


def _train(
    run: FoldTraining,
    stack: FilmStack,
    training: Sequence[Film],
    held_out: Sequence[Film],
    saved: SavedState,
    checkpoint_minutes: float,
    received: Sequence[int],
    seconds: Callable[[], float | None],
    log: Log,
) -> bool:
    """Train ``run`` to its end, saving its state and the ``seconds`` spent now and then; whether it got
    there.

    Where a signal is ``received``, the state is saved after the step and the training ends.
    """
    said = progress.FoldProgress(log, run.member, run.step, run.total, run.per_epoch, stack.device.type)
    last_saved = time.monotonic()
    try:
        with contextlib.closing(train(run, stack, training, held_out)) as steps:
            for _ in steps:
                said.after_step(run.step, run.history, lambda: run.losses()[0], run.films_per_s)
                stop = bool(received) and run.step < run.total
                if stop or time.monotonic() - last_saved >= 60 * checkpoint_minutes:
                    saved.save({**run.state(), "seconds": seconds()})
                    last_saved = time.monotonic()
                if stop:
                    return False
    except NotCompiled:
        # a signal to all processes of a job ends the compiler's first; no step was made since the last state
        if received:
            return False
        raise
    return True


def _seconds_since_now(found: Mapping | None) -> Callable[[], float | None]:
    """A clock of a training: seconds from now on, and those before the state ``found``; None where an earlier
    release saved that without them.
    """
    began, before = time.monotonic(), 0.0 if found is None else found.get("seconds")
    return lambda: None if before is None else before + time.monotonic() - began


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
        return _trained(
            cache,
            training,
            held_out,
            member,
            settings,
            initial,
            output,
            store,
            saved,
            device,
            checkpoint_minutes,
            log,
        )


def _trained(
    cache: Path,
    training: Sequence[Film],
    held_out: Sequence[Film],
    member: Member,
    settings: Settings,
    initial: bytes | None,
    output: Path,
    store: Store,
    saved: SavedState,
    device: str,
    checkpoint_minutes: float,
    log: Log,
) -> int:
    """Train from the first step or from the ``saved`` state, store and publish; gives the exit status."""
    options, side = settings.training, settings.architecture.side
    refuse_no_batch(len(training), options.batch_size, member)
    if settings.init == "random" and options.learning_rate <= 1e-4:
        log.say(progress.hardly_learns(options.learning_rate, member.key))
    with hold_device(device, log.say) as place, _stop_signals() as received:
        warn_of_too_many_threads(place, settings.cpu_threads, log.say)
        warn_of_slow_bf16(place, options.precision, member.key("training.precision"), log.say)
        try:
            need = training_memory(settings.architecture, options.batch_size, options.precision, place.type)
            stack = FilmStack(cache, side, place, max(need.likely, SCORING_MEMORY))
            log.say(progress.begun(member, len(training), len(held_out), place.type))
            memory = device_memory(place)
            if memory is not None:
                log.say(check_memory(settings, need, *memory, member.key))
            if place.type == "cuda":
                log.say(progress.film_array(stack.nbytes, stack.on_device))
            run = FoldTraining(member, len(training), settings, initial, place)
            found = saved.load(log.say)
            if found is not None:
                run.load(found)
            first, seconds = run.step, _seconds_since_now(found)
            if not _train(run, stack, training, held_out, saved, checkpoint_minutes, received, seconds, log):
                log.say(progress.stopped(member))
                return 143
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
            raise StudyError(
                f"{member}: out of memory on the {'GPU' if place.type == 'cuda' else 'CPU'}. Lower"
                f" '{member.key('training.batch_size')}' (now {options.batch_size}), set"
                f" '{member.key('training.precision')}: bf16', or use a larger machine."
            ) from None

    rows = [(f.patient_id, f.image_id, member.fold, f.label, p) for f, p in zip(held_out, run.held_out)]
    products = {
        "weights.pt": weights_bytes(run.settled, options.precision, member.fold),
        "history.csv": csv_text(HISTORY, run.history).encode(),
        "held_out.csv": csv_text(HELD_OUT, rows).encode(),
    }
    record = {
        "kind": settings.kind,
        "run": member.run,
        "settings": settings.plain(),
        "torch": str(torch.__version__),
        "device": place.type,
    }
    spent = seconds()
    if spent is not None:
        record["seconds"] = round(spent, 1)
    if len(run.held_out) > 1 and max(run.held_out) - min(run.held_out) < SAME_SCORE:
        log.say(progress.learned_nothing(member, member.key))
    store.put(products, record)
    publish(products | trained_on(record), output)
    saved.clear()
    log.say(progress.optimiser_steps(run.step - first))
    return 0
