"""What the frozen stages of a network give of each film and of changed views of it, computed once and kept.

A film's views depend on the study's seed, the film's id and the view's number alone, so neither the order of
the films nor their number matters. View 0 is the film itself.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from scripts.common.code_hash import code_hash
from scripts.common.errors import StudyError
from scripts.common.files import growing_file, write_text
from scripts.common.log import Log
from scripts.common.seeds import sub_seed
from scripts.networks import progress
from scripts.networks.arithmetic import autocast, exact_arithmetic, out_of_memory
from scripts.networks.augmentation import augment
from scripts.networks.film_network import FilmNetwork
from scripts.networks.films import Film, FilmStack
from scripts.networks.kinds.registry import code_of
from scripts.networks.machine.device import hold_device
from scripts.networks.machine.locks import hold_one
from scripts.networks.member import Member
from scripts.networks.scoring import films_per_forward
from scripts.networks.settings import Settings
from scripts.networks.started_network import started_network
from scripts.networks.weights_file import initial_content

RECORD = "views.json"
"""Beside the array ``<key>.npy``: its key, and the shape of what is kept of a view."""

SAVE_SECONDS = 60
"""Seconds of computing that are lost where the machine fails."""


def views_key(films: Sequence[Film], settings: Settings, initial: bytes) -> str:
    """Key of the views of ``films``, 32 hex digits: of what decides their numbers, heads left out."""
    options = settings.training
    parts = {
        "films": [(film.row, film.image_id, film.sha256, film.mean, film.sd) for film in films],
        "kind": settings.kind,
        "frozen": settings.architecture.frozen_part,
        "trained_stages": options.trained_stages,
        "views": options.views,
        "precision": options.precision,
        "augmentation": dataclasses.asdict(settings.augmentation),
        "seed": settings.seed,
        "cpu_threads": settings.cpu_threads,
        "initial": hashlib.sha256(initial).hexdigest(),
        "code": code_hash("scripts/networks/view_cache.py", *code_of(settings.kind, settings.architecture)),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def view_of(stack: FilmStack, film: Film, view: int, settings: Settings) -> Tensor:
    """View ``view`` of a film as float32 ``(1, 1, side, side)``; 0 is the film as it is scored."""
    x = stack.batch([film.row])
    if view == 0:
        return x
    return augment(x, sub_seed(settings.seed, "view", film.image_id, view), settings.augmentation)


def cache_views(
    cache: Path, model: str, settings: Settings, weights: Path | None, output: Path, device: str, log: Log
) -> None:
    """Write RECORD and the array that it names into the folder ``output``, unless the array is there.

    The array is float16, ``(films, 1 + views, ...)``, films in the order of the cache. A job that was killed
    goes on where it was saved. Arrays of other settings in that folder are removed; an array that another
    network has already, in a folder beside this one, is taken over and takes no room of its own.

    Parameters
    ----------
    cache : folder with ``films.npy`` and ``index.csv`` of the training set
    model : name of the network
    weights : the file that ``settings.init`` names
    device : auto, cpu or cuda

    Raises
    ------
    StudyError : nothing is frozen, or frozen as drawn at random; the disk or the memory is too small; a value
        is beyond what float16 holds
    """
    exact_arithmetic(settings.cpu_threads)
    member, views = Member(model, 0), settings.training.views
    initial = initial_content(settings.init, weights, member.key("init"))
    if not views or initial is None:
        what = f"{member.key('training.views')} is 0" if not views else f"{member.key('init')} is 'random'"
        raise StudyError(f"{what}, so there are no views to keep. Run train_fold without them.")
    stack = FilmStack(cache, settings.architecture.side)
    key = views_key(stack.films, settings, initial)
    # two networks of the same views: the second one waits, and finds those of the first
    with hold_one([output.parent / f".{key}.lock"], progress.another_process(), log.say):
        output.mkdir(parents=True, exist_ok=True)
        target = output / f"{key}.npy"
        theirs = next(output.parent.glob(f"*/{key}.npy"), None)
        if theirs is not None and not target.exists():
            target.hardlink_to(theirs)
        if not target.exists():
            for path in output.glob("*.npy*"):
                if not path.name.startswith(key):
                    path.unlink()
            with hold_device(device, log.say) as place:
                network = started_network(settings, initial, member).to(
                    place, memory_format=torch.channels_last
                )
                try:
                    _fill(target, FilmStack(cache, stack.side, place), network.eval(), settings, member, log)
                except (MemoryError, RuntimeError) as error:
                    if not out_of_memory(error):
                        raise
                    raise StudyError(
                        f"{model}: out of memory on the {place.type.replace('cuda', 'GPU')} while views were"
                        f" made. Set '{member.key('training.precision')}: bf16', or use a larger machine."
                    ) from None
        shape = np.load(target, mmap_mode="r").shape
        log.say(progress.views_kept(shape[0], views, target.stat().st_size))
        write_text(output / RECORD, json.dumps({"key": key, "shape": shape[2:]}) + "\n")


def _fill(
    target: Path, stack: FilmStack, network: FilmNetwork, settings: Settings, member: Member, log: Log
) -> None:
    """Compute all views on the stack's device and put them into ``target``; a job that was killed goes on
    with the next film.
    """
    views = settings.training.views
    first = _of_film(network, stack, stack.films[0], settings, member)
    header = io.BytesIO()
    layout = {"descr": "<f2", "fortran_order": False, "shape": (len(stack), *first.shape)}
    np.lib.format.write_array_header_1_0(header, layout)
    # a CPU and a GPU round differently, so each goes on from its own part
    part = target.with_name(f"{target.name}.{stack.device.type}")
    start, whole = header.tell(), header.tell() + len(stack) * first.nbytes
    there = part.stat().st_size if part.exists() else 0
    done = max(there - start, 0) // first.nbytes
    log.say(progress.views_begun(len(stack), views, whole, stack.device.type, done))
    free = shutil.disk_usage(target.parent).free
    if free < whole - there:
        raise StudyError(
            f"The views of {len(stack)} films take {progress.gigabytes(whole)}, and the disk of"
            f" '{target.parent}' has {progress.gigabytes(free)} free. Free some space, or lower"
            f" '{member.key('training.views')}' (now {views})."
        )
    with growing_file(part, start + done * first.nbytes if done else 0) as file:
        if not done:
            file.write(header.getvalue())
        saved = time.monotonic()
        for film in log.progress(stack.films[done:], len(stack) - done, "films"):
            file.write(_of_film(network, stack, film, settings, member).tobytes())
            if time.monotonic() - saved > SAVE_SECONDS:
                file.flush()
                os.fsync(file.fileno())
                saved = time.monotonic()
    part.replace(target)


@torch.inference_mode()
def _of_film(
    network: FilmNetwork, stack: FilmStack, film: Film, settings: Settings, member: Member
) -> np.ndarray:
    """What the frozen stages give of a film's views: float16 ``(1 + views, ...)``.

    On a CPU one view goes through them at a time, on a GPU as many as fit, always as many together.
    """
    views, precision = settings.training.views, settings.training.precision
    together = min(films_per_forward(network, stack.device.type, precision), 1 + views)
    values = []
    for first in range(0, 1 + views, together):
        numbers = [min(view, views) for view in range(first, first + together)]
        films = torch.cat([view_of(stack, film, view, settings) for view in numbers])
        with autocast(stack.device, precision):
            values.append(network.frozen(films)[: 1 + views - first].to(torch.float16))
    found = torch.cat(values)
    if not found.isfinite().all():
        raise StudyError(
            f"{member.model}: the frozen stages give numbers beyond 65504, the largest of float16, so that"
            f" views can't be kept. Set '{member.key('training.views')}: 0', or start from other weights."
        )
    return found.cpu().numpy()
