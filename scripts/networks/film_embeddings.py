"""Embeddings of films by a trunk that is not trained further."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from scripts.common.contracts.tabular import EMBEDDINGS
from scripts.common.errors import StudyError
from scripts.common.files import atomic_path
from scripts.common.log import Log
from scripts.common.weights_files import IMAGENET
from scripts.networks import progress
from scripts.networks.arithmetic import exact_arithmetic, out_of_memory
from scripts.networks.cells import pooling
from scripts.networks.films import FilmStack
from scripts.networks.machine.device import hold_device
from scripts.networks.trunks.registry import new_trunk
from scripts.networks.trunks.trunk import Trunk
from scripts.networks.weights_file import verified_content


def cached_side(cache: Path) -> int:
    """Rows and columns of the films of a cache; ``StudyError`` where it can't be read."""
    try:
        return np.load(cache / "films.npy", mmap_mode="r", allow_pickle=False).shape[-1]
    except (OSError, ValueError):
        raise StudyError(
            f"'{cache / 'films.npy'}' can't be read. Delete the folder '{cache}' and run again; it is made"
            " anew."
        ) from None


@torch.inference_mode()
def embedding(trunk: Trunk, films: Tensor, grid: int) -> Tensor:
    """Means of a trunk's last maps over the cells of a grid, of films ``(n, 1, side, side)`` and their mirror
    images: ``(n, grid**2 * width)``, cell after cell, row by row.

    The trunk's first convolution is summed over its channels, so it sees a film as a grey image in three
    channels. The film's z-score (mean 0, SD 1) stands in the place of ImageNet's normalisation, which makes
    every channel of its images so on average.
    """
    maps = (trunk(films) + trunk(films.flip(3))) / 2
    cells = pooling(maps.shape[-1], grid).to(maps)
    return (maps.flatten(2) @ cells).transpose(1, 2).flatten(1)


def trunk_with(name: str, weights: Path, key: str) -> Trunk:
    """A trunk with the weights of a file, in evaluation mode.

    A file of torchvision's that a run can fetch must have the checksum in its name. ``StudyError`` names the
    config's ``key`` of the file.
    """
    trunk = new_trunk(name).eval()
    try:
        known = weights.name in IMAGENET.values()
        trunk.load_initial(verified_content(weights) if known else weights.read_bytes())
    except OSError:
        raise StudyError(f"{key}: the file '{weights}' is not there. Correct the path.") from None
    except StudyError as error:
        raise StudyError(f"{key}: {error}") from None
    return trunk


def embed_films(
    cache: Path,
    model: str,
    trunk_name: str,
    grid: int,
    weights: Path,
    output: Path,
    device: str,
    threads: int,
    log: Log,
) -> None:
    """Write ``image_id, e0 ...`` (EMBEDDINGS) of all films of a cache, nine significant digits a number.

    Films go through the trunk one by one, and rows are written as they come, so memory doesn't grow with
    their number. On one machine the bytes are the same each time.

    Parameters
    ----------
    cache : folder with ``films.npy`` and ``index.csv``
    model : name of the model that the embeddings are for
    trunk_name, weights : a name of ``scripts/common/trunks.py``, and the file of its weights
    grid : cells in a row and in a column of each film

    Raises
    ------
    StudyError : the cache or the weights can't be read, or the memory doesn't suffice
    """
    exact_arithmetic(threads)
    trunk = trunk_with(trunk_name, weights, f"models.{model}.init")
    with hold_device(device, log.say) as place:
        trunk = trunk.to(place, memory_format=torch.channels_last)
        stack = FilmStack(cache, cached_side(cache), place)
        log.say(progress.embedding(len(stack), trunk_name, grid, place.type))
        try:
            with atomic_path(output) as part, part.open("w", encoding="utf-8", newline="") as file:
                table = csv.writer(file, lineterminator="\n")
                for n, film in enumerate(log.progress(stack.films, len(stack), "films")):
                    values = embedding(trunk, stack.batch([film.row]), grid)[0].tolist()
                    if n == 0:
                        table.writerow([*EMBEDDINGS, *(f"e{k}" for k in range(len(values)))])
                    table.writerow([film.image_id, *(f"{value:.9g}" for value in values)])
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
            raise StudyError(
                f"Out of memory on the {place.type.replace('cuda', 'GPU')} while one film of {stack.side} x"
                f" {stack.side} pixels was embedded. Lower 'models.{model}.side', or set 'networks.device:"
                " cpu', and run again."
            ) from None
