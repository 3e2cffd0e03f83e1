"""The networks of all folds, made ready to score films together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from scripts.common.errors import StudyError
from scripts.deep.arithmetic import out_of_memory
from scripts.deep.film_network import FilmNetwork
from scripts.deep.scoring import FilmBatches, films_per_forward, for_scoring, probabilities

TRAINED, AUTO = "trained", "auto"
"""``deep.scoring``: the precision that the networks were trained in; films at once by the geometry."""


def mean_probability(each: Sequence[float]) -> float:
    """The ensemble's score: the mean of the folds' probabilities."""
    return sum(each) / len(each)


def chosen_precision(wanted: str, trained: str) -> str:
    """``fp32`` or ``bf16`` for ``deep.scoring.precision``."""
    return trained if wanted == TRAINED else wanted


class FoldNetworks:
    """The folds' networks on a device, fused for scoring.

    Parameters
    ----------
    networks : in the order of the folds, on ``device``
    device : where they and the films lie
    precision : fp32 or bf16
    at_once : films that go through a network together, or ``AUTO`` (``films_per_forward``)
    advice : what to do where the memory doesn't suffice; None names the keys of ``deep.scoring``
    """

    def __init__(
        self,
        networks: Sequence[FilmNetwork],
        device: torch.device,
        precision: str,
        at_once: str | int = AUTO,
        advice: str | None = None,
    ) -> None:
        self.side = networks[0].side
        self.device = device
        self.precision = precision
        self._fused = [for_scoring(network) for network in networks]
        self.at_once = (
            films_per_forward(self._fused[0], device.type, precision) if at_once == AUTO else int(at_once)
        )
        self._advice = advice or (
            f"Set 'deep.scoring.films_per_forward' to less than {self.at_once}, and run again."
            if self.at_once > 1
            else "Set 'deep.scoring.precision: bf16', or 'deep.device: cpu', and run again."
        )

    def __len__(self) -> int:
        return len(self._fused)

    def probabilities(self, films: FilmBatches, rows: Sequence[int]) -> np.ndarray:
        """``(len(rows), folds)`` float64, as ``scoring.probabilities`` gives them.

        Raises ``StudyError`` where the device's memory doesn't suffice.
        """
        try:
            return probabilities(self._fused, films, rows, self.precision, self.at_once)
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
            where = self.device.type.replace("cuda", "GPU")
            raise StudyError(
                f"Out of memory on the {where} while scoring {self.at_once} film(s) at once. {self._advice}"
            ) from None
