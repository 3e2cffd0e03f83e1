"""Time steps of a network's training on this machine, before there is anything to train on.

``python -m scripts.networks.time_steps --model <name> --kind hybrid --settings '{...}' --seconds 20``

The films are made up; network, loop and device are those of a run. It prints a line of JSON (``Timed``).
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from scripts.common.errors import StudyError
from scripts.networks.arithmetic import autocast, exact_arithmetic
from scripts.networks.changed_films import ChangedFilms
from scripts.networks.csv_tables import INDEX, csv_text
from scripts.networks.films import FilmStack
from scripts.networks.kept_views import KeptViews
from scripts.networks.kinds.registry import KINDS
from scripts.networks.loop import FoldTraining, settle_norms, train
from scripts.networks.machine.device import choose_kind, device_memory
from scripts.networks.machine.memory import memory_options, training_memory
from scripts.networks.member import Member
from scripts.networks.settings import Settings, read_settings
from scripts.networks.started_network import started_network
from scripts.networks.view_cache import view_of

SMALLEST = 2
"""Films of the smallest batch that is timed: BatchNorm needs two."""

MOST = 20
"""Steps that are enough."""


@dataclass(frozen=True)
class Timed:
    """What was timed.

    Attributes
    ----------
    device : cpu or cuda
    devices : GPUs that PyTorch can use; 0 on the CPU
    batch : films of the steps that were timed
    steps : how many of them
    step_s : seconds of a step, the median
    norms_s : seconds to measure the BatchNorms on such a batch
    score_s : seconds to score a film
    view_s : seconds to make a view of a film that is kept; 0 where none are
    """

    device: str
    devices: int
    batch: int
    steps: int
    step_s: float
    norms_s: float
    score_s: float
    view_s: float


def made_up_films(folder: Path, films: int, side: int) -> None:
    """Write ``films.npy`` and ``index.csv`` of noise, both labels in turn."""
    noise = np.random.default_rng(0).integers(0, 2**16, (films, side, side), np.uint16)
    np.save(folder / "films.npy", noise)
    mean, sd = 2.0**15, 2.0**16 / 12**0.5
    rows = [(n, f"film_{n}", f"patient_{n}", n % 2, 0, mean, sd, "") for n in range(films)]
    (folder / "index.csv").write_text(csv_text(INDEX, rows), encoding="utf-8")


def largest_batch(settings: Settings, device: torch.device) -> int:
    """The largest batch, up to the configured one, that the free memory takes.

    Raises ``StudyError`` where not even two films fit.
    """
    memory = device_memory(device)
    options = settings.training
    for batch in range(options.batch_size, SMALLEST - 1, -1):
        need = training_memory(
            settings.architecture, batch, options.precision, device.type, **memory_options(options)
        )
        if memory is None or need.likely <= memory[0]:
            return batch
    raise StudyError("not timed: the free memory takes no batch of two films")


def made_up_views(
    folder: Path,
    stack: FilmStack,
    settings: Settings,
    member: Member,
    spent: Callable[[Callable[[], object]], float],
) -> tuple[KeptViews, float]:
    """Views of noise in the shape of real ones, and the seconds that one of them would take."""
    network = started_network(settings, None, member).eval()
    network = network.to(stack.device, memory_format=torch.channels_last)
    film, precision = stack.films[0], settings.training.precision
    found: list[torch.Tensor] = []

    @torch.inference_mode()
    def act() -> None:
        with autocast(stack.device, precision):
            found.append(network.frozen(view_of(stack, film, 1, settings)))

    act()  # memory is taken in it
    seconds, shape = spent(act), tuple(found[0].shape[1:])
    noise = np.random.default_rng(0).random((len(stack), 1 + settings.training.views, *shape), np.float32)
    np.save(folder / "views.npy", noise.astype(np.float16))
    views = KeptViews(folder / "views.npy", len(stack), shape, settings, member, stack.device)
    return views, seconds


def time_steps(member: Member, settings: Settings, device: torch.device, seconds: float) -> Timed:
    """Time steps of the largest batch that fits in the memory and in ``seconds``; one of two films is made in
    any case.

    The first step isn't counted where there are more: memory is taken and kernels are chosen in it.
    """
    largest, began = largest_batch(settings, device), time.monotonic()

    def spent(act: Callable[[], object]) -> float:
        start = time.monotonic()
        act()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.monotonic() - start

    with tempfile.TemporaryDirectory() as folder:
        made_up_films(Path(folder), largest, settings.architecture.side)
        stack = FilmStack(folder, settings.architecture.side, device)
        views, view = None, 0.0
        if settings.training.views:
            views, view = made_up_views(Path(folder), stack, settings, member, spent)

        def steps(batch: int, until: float) -> tuple[list[float], FoldTraining]:
            """Seconds of the steps that end before ``until``, one at least, and the training behind them."""
            # an epoch that doesn't end: what is done at an epoch's end is timed apart
            films = (stack.films * batch)[:batch] * 1000
            options = dataclasses.replace(settings.training, batch_size=batch, compile=False, thaw_epoch=0)
            run = FoldTraining(
                member, len(films), dataclasses.replace(settings, training=options), None, device
            )
            made: list[float] = []
            with contextlib.closing(train(run, stack, films, stack.films, views)) as running:
                while not made or (len(made) <= MOST and time.monotonic() - began + made[-1] < until):
                    made.append(spent(lambda: next(running)))
            return made[1:] or made, run

        batch = min(SMALLEST, largest)
        made, run = steps(batch, 0.3 * seconds)
        if largest > batch and 3 * min(made) * largest / batch < 0.7 * seconds - (time.monotonic() - began):
            batch = largest
            made, run = steps(batch, 0.7 * seconds)
        films, precision = stack.films[:batch], settings.training.precision
        source = views or ChangedFilms(stack, settings, member)
        norms = spent(lambda: settle_norms(run.network, source, [films], precision))
        score = spent(lambda: source.scores(run.network, films)) / len(films)
    return Timed(
        device.type,
        torch.cuda.device_count() if device.type == "cuda" else 0,
        batch,
        len(made),
        statistics.median(made),
        norms,
        score,
        view,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Time as ``arguments`` say (None: those of the command line) and print; gives the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, help="name of the network, for messages")
    parser.add_argument("--kind", choices=tuple(KINDS), required=True, help="kind of the network")
    parser.add_argument("--settings", required=True, help="JSON, as train_fold takes it")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--seconds", type=float, default=20.0, help="about how long it may take")
    given = parser.parse_args(arguments)
    try:
        settings = read_settings(given.settings, given.kind)
        exact_arithmetic(settings.cpu_threads)
        device = torch.device(choose_kind(given.device))
        timed = time_steps(Member(given.model, 0), settings, device, given.seconds)
    except StudyError as error:
        print(error)
        return 1
    print(json.dumps(dataclasses.asdict(timed)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
