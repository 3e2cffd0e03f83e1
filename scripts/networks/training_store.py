"""Saved states of unfinished trainings and the store of finished folds, both outside the declared outputs.

Snakemake deletes a job's outputs before it starts; what lies here survives that. A fold is known by its key:
a hash of its data, the settings that can change its numbers, the weights that it starts from and the training
code.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from scripts.common.code_hash import code_hash
from scripts.common.files import atomic_folder, atomic_path, write_text
from scripts.networks import progress
from scripts.networks.film_network import FilmNetwork
from scripts.networks.kinds.registry import HYBRID, code_of, kind_of
from scripts.networks.member import Member
from scripts.networks.settings import Settings, stored

PRODUCTS = ("weights.pt", "history.csv", "held_out.csv")
"""The files of a finished fold."""

TRAINED_ON = "trained_on.json"
"""Published beside them: ``device`` and ``torch`` of the training, not of the run that took it from the
store, the number of ``attempts``, and the ``seconds`` that they took, where they are known.
"""


def trained_on(record: Mapping) -> dict[str, bytes]:
    """The file TRAINED_ON of a fold with this record in the store."""
    told = {name: record[name] for name in ("device", "torch")}
    told |= {name: record[name] for name in ("attempts", "seconds") if name in record}
    return {TRAINED_ON: (json.dumps(told, sort_keys=True) + "\n").encode()}


def fold_key(data: str, settings: Settings, member: Member, initial: bytes | None) -> str:
    """Key of a training, 32 hex digits: of what decides its weights, which the model's name doesn't.

    The versions of PyTorch and NumPy and the device are left out on purpose: a finished fold is not trained
    again because a library was updated or the run moved to another machine. Both are recorded beside the
    weights.
    """
    source = ["scripts/networks/kept_views.py"] if settings.training.views else []
    code = code_hash("scripts/networks/loop.py", *source, *code_of(settings.kind, settings.architecture))
    return key_of(data, settings, initial, code, run=member.run, kind=settings.kind)


def key_of(data: str, settings: Settings, initial: bytes | None, code: str, **which: object) -> str:
    """The digits of a key; ``which`` says which training of what network it is."""
    parts = {
        "data": data,
        "settings": {name: value for name, value in settings.plain().items() if name != "init"},
        "initial": "random" if initial is None else hashlib.sha256(initial).hexdigest(),
        "code": code,
        **which,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


class SavedState:
    """The one saved state of an unfinished fold on one kind of device: ``<folder>/<key>/<device>.pt``.

    A CPU and a GPU round differently, so each resumes from its own states only.
    """

    def __init__(self, folder: Path, key: str, device: str) -> None:
        self.path = folder / key / f"{device}.pt"
        self.key = key

    def save(self, state: dict) -> None:
        """Write the state: to a temporary file, flushed to the disk, then renamed.

        ``StudyError`` when the disk is full.
        """
        buffer = io.BytesIO()  # PyTorch's own writer hides why a write failed
        torch.save({"key": self.key, "torch": str(torch.__version__), **state}, buffer)
        with atomic_path(self.path) as part, part.open("wb") as file:
            file.write(buffer.getbuffer())

    def load(self, say: Callable[[str], None]) -> dict | None:
        """The state, or None when there is none that can be used (then ``say`` is told why)."""
        if not self.path.exists():
            return None
        try:
            state = torch.load(self.path, map_location="cpu", weights_only=True)
            usable = isinstance(state, dict) and state["key"] == self.key
            step, version = state["step"], state["torch"]
        except Exception:  # cut, empty, or no file of ours: PyTorch raises many kinds
            usable = False
        if not usable:
            say(progress.state_ignored(self.path))
            return None
        if version != str(torch.__version__):
            say(progress.state_of_another_version(version, str(torch.__version__)))
        say(progress.resuming(step))
        return state

    def clear(self) -> None:
        """Delete the saved states of this key."""
        shutil.rmtree(self.path.parent, ignore_errors=True)


def weights_bytes(network: FilmNetwork, precision: str, fold: int) -> bytes:
    """A ``weights.pt`` file: ``architecture``, ``precision``, ``fold``, ``model`` and, but for the hybrid's,
    ``kind``; the same weights give the same bytes.
    """
    kind = kind_of(network)
    model = {name: value.detach().cpu().contiguous().clone() for name, value in network.state_dict().items()}
    buffer = io.BytesIO()
    torch.save(
        {
            "architecture": stored(network.architecture),
            "precision": precision,
            "fold": fold,
            "model": model,
            **({} if kind == HYBRID else {"kind": kind}),
        },
        buffer,
    )
    return buffer.getvalue()


class Store:
    """Finished folds: ``<folder>/<key>/`` holds PRODUCTS and ``record.json`` with their checksums."""

    def __init__(self, folder: Path, key: str) -> None:
        self.folder = folder / key

    def put(self, products: Mapping[str, bytes], record: Mapping) -> None:
        """Store the files of a fold; the folder appears whole or not at all."""
        sums = {name: hashlib.sha256(content).hexdigest() for name, content in products.items()}
        with atomic_folder(self.folder) as part:
            for name, content in products.items():
                with atomic_path(part / name) as file:
                    file.write_bytes(content)
            write_text(
                part / "record.json", json.dumps({**record, "sha256": sums}, indent=1, sort_keys=True) + "\n"
            )

    def get(self, say: Callable[[str], None]) -> dict[str, bytes] | None:
        """The files of the fold with TRAINED_ON, or None when it is not there or was damaged (then ``say`` is
        told).
        """
        if not self.folder.exists():
            return None
        try:
            record = json.loads((self.folder / "record.json").read_text(encoding="utf-8"))
            sums, told = record["sha256"], trained_on(record)
            products = {name: (self.folder / name).read_bytes() for name in PRODUCTS}
        except (OSError, ValueError, KeyError):
            products = {}
        if not products or any(
            hashlib.sha256(c).hexdigest() != sums.get(name) for name, c in products.items()
        ):
            say(progress.fold_damaged(self.folder))
            return None
        return products | told


def publish(products: Mapping[str, bytes], folder: Path) -> None:
    """Write the files of a fold where the workflow expects them, each one atomically."""
    for name, content in products.items():
        with atomic_path(folder / name) as part:
            part.write_bytes(content)
