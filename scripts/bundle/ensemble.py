"""The ensemble of all folds as one network for 16-bit films, and as an ONNX file that is checked against
it.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from scripts.common.errors import StudyError
from scripts.deep.film_network import FilmNetwork
from scripts.deep.scoring import for_scoring

TOLERANCE = 1e-4
"""Largest difference of a probability between ONNX Runtime and PyTorch with which a bundle is written."""

INPUT, PROBABILITY, FOLDS = "film", "probability", "fold_probabilities"
"""Names of the ONNX graph's input and outputs."""

_ONE_FILE = 1 << 30
"""Bytes of weights above which they stand in a file beside the graph: a protobuf message ends at 2 GiB."""


class Ensemble(nn.Module):
    """Probabilities of osteoporosis for 16-bit films: every fold's, and their mean.

    The z-score over the whole film is part of it, so a user hands over grey values. An SD below 1 (a blank
    film) counts as 1, as in ``scripts/deep/films.py``. Means are taken by rows and then over rows, which
    keeps them exact in fp32.
    """

    def __init__(self, networks: Sequence[FilmNetwork]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(for_scoring(network) for network in networks)
        self.eval()

    def forward(self, film: Tensor) -> tuple[Tensor, Tensor]:
        """Films ``(n, side, side)`` uint16 to probabilities ``(n,)`` and ``(n, folds)``, float32."""
        x = film.to(torch.float32).unsqueeze(1)
        x = x - x.mean(3, keepdim=True).mean(2, keepdim=True)
        sd = (x * x).mean(3, keepdim=True).mean(2, keepdim=True).sqrt().clamp(min=1.0)
        x = x / sd
        each = torch.stack([torch.sigmoid(network(x)[0]) for network in self.networks], 1)
        return each.mean(1), each


def pattern_films(side: int) -> np.ndarray:
    """Films ``(4, side, side)`` uint16 that integer arithmetic alone makes: a ramp, rings, a fine weave, a
    blank one.
    """
    y, x = np.mgrid[0:side, 0:side].astype(np.int64)
    ramp = (x + y) * 65535 // max(2 * side - 2, 1)
    middle = side // 2
    rings = ((x - middle) ** 2 + (y - middle) ** 2) * 257 % 65536
    weave = (x * 40503 + y * 30011 + x * y * 7919) % 65536
    return np.stack([ramp, rings, weave, np.full((side, side), 30000)]).astype(np.uint16)


def export_onnx(ensemble: Ensemble, path: Path) -> None:
    """Write the ensemble as ONNX: input ``film``, outputs ``probability`` and ``fold_probabilities``, any
    number of films.

    The exporter's notes on where each node came from (lines of code, with folders of this machine) are left
    out.
    """
    import onnx

    side = ensemble.networks[0].side
    example = torch.from_numpy(pattern_films(side)[:2])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns of its own parts
        program = torch.onnx.export(
            ensemble,
            (example,),
            dynamo=True,
            input_names=[INPUT],
            output_names=[PROBABILITY, FOLDS],
            dynamic_shapes=({0: torch.export.Dim("films")},),
            verbose=False,
        )
    model = program.model_proto
    graph = model.graph
    for part in (
        model,
        graph,
        *graph.node,
        *graph.value_info,
        *graph.input,
        *graph.output,
        *graph.initializer,
    ):
        del part.metadata_props[:]
        part.doc_string = ""
    large = sum(p.numel() * p.element_size() for p in ensemble.parameters()) > _ONE_FILE
    onnx.save_model(model, path, save_as_external_data=large, location=f"{path.name}.data" if large else None)
    onnx.checker.check_model(path)


def check_onnx(path: Path, ensemble: Ensemble, films: np.ndarray) -> float:
    """Largest difference of a probability between ONNX Runtime and PyTorch (fp32, CPU) over ``films`` ``(n,
    side, side)`` uint16.

    They go through one by one, and two together. Raises ``StudyError`` where the difference is above
    ``TOLERANCE``.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    largest = 0.0
    for rows in (slice(0, 2), *(slice(i, i + 1) for i in range(len(films)))):
        with torch.inference_mode():
            expected = [tensor.numpy() for tensor in ensemble(torch.from_numpy(films[rows]))]
        got = session.run([PROBABILITY, FOLDS], {INPUT: films[rows]})
        largest = float(
            np.max([largest, *(np.abs(a - b).max() for a, b in zip(got, expected))])
        )  # NaN stays NaN
    if not largest <= TOLERANCE:  # also where it is no number
        raise StudyError(
            f"The ONNX model differs from the trained networks by {largest:.2g} (allowed: {TOLERANCE:g}), so"
            " no bundle was written. Install the pinned versions of torch, onnx and onnxruntime ('make"
            " setup') and run again."
        )
    return largest
