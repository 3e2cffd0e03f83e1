"""The trained networks of all folds, read from their weights files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from scripts.common.errors import StudyError
from scripts.deep.film_network import FilmNetwork
from scripts.deep.kinds.registry import HYBRID, architecture_class, new_network


def load_networks(weights: Sequence[str | Path], device: torch.device) -> tuple[list[FilmNetwork], str]:
    """Networks in evaluation mode, in the order of ``weights``, and the precision that they were trained
    in.
    """
    networks, precision = [], "fp32"
    for path in weights:
        try:
            found = torch.load(path, map_location="cpu", weights_only=True)
            network = new_network(HYBRID, architecture_class(HYBRID)(**found["architecture"]))
            network.load_state_dict(found["model"])
            precision = found["precision"]
        except Exception:
            raise StudyError(
                f"'{path}' can't be read as a fold's weights. Delete it and run again; it comes from the"
                " store."
            ) from None
        networks.append(network.eval().to(device, memory_format=torch.channels_last))
    return networks, precision
