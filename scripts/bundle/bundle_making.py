"""A finished run's model as one folder that scores new films by itself."""

from __future__ import annotations

import json
import shutil
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from scripts.bundle import progress
from scripts.bundle.contents import (
    CARD,
    ONNX,
    SETTINGS,
    manifest_text,
    open_bundle,
    refuse_within_bundle,
    settings_text,
    weights_name,
)
from scripts.bundle.ensemble import (
    FOLDS,
    INPUT,
    PROBABILITY,
    TOLERANCE,
    Ensemble,
    check_onnx,
    export_onnx,
    pattern_films,
)
from scripts.bundle.film_scoring import Scorer, reading_code
from scripts.bundle.model_card import model_card
from scripts.common.code_hash import ROOT
from scripts.common.contracts.cohort import COHORT
from scripts.common.contracts.statistics import LEARNING
from scripts.common.errors import StudyError
from scripts.common.files import atomic_folder, write_text
from scripts.common.language import Language
from scripts.common.learning_words import WORDS, told
from scripts.common.log import Log
from scripts.common.standards import SHA256_LIST
from scripts.common.tables import read_table
from scripts.networks.arithmetic import exact_arithmetic
from scripts.networks.fold_networks import chosen_precision
from scripts.networks.trained_networks import load_networks

CHECKED_FILMS = 4
"""Films of the internal test set, besides the pattern films, on which the ONNX file is checked."""


def frozen_threshold(path: str | Path, model: str) -> dict[str, Any]:
    """``value`` and ``rule`` of a model's frozen threshold in ``thresholds.csv``."""
    frame = pd.read_csv(path)
    row = frame[frame["model"] == model]
    if len(row) != 1:
        raise StudyError(
            f"'{path}' holds no threshold of the model '{model}'. Delete the file and run again; it is made"
            " anew."
        )
    return {"value": float(row["threshold"].iloc[0]), "rule": str(row["rule"].iloc[0])}


def _warning(learning: str | Path, settings: Mapping[str, Any]) -> str:
    """What there is to say of a network that did not plainly learn; empty of one that did."""
    rows = read_table(learning, LEARNING)
    own = rows[rows["model"] == settings["model"]].to_dict("records")
    return told(own, Language("en", WORDS), lambda _: settings["label"]).get(settings["model"], "")


def make_bundle(
    *,
    weights: Sequence[str | Path],
    thresholds: str | Path,
    learning: str | Path,
    cohort: str | Path,
    performance: str | Path,
    provenance: str | Path,
    films: str | Path,
    settings: Mapping[str, Any],
    facts: Mapping[str, Any],
    target: str | Path,
    log: Log,
) -> str:
    """Write the bundle to ``target``, whole or not at all, and return its fingerprint.

    Parameters
    ----------
    weights : ``weights.pt`` of the network's trainings, in their order
    learning : ``learning.csv``; where the network did not plainly learn, card, settings and log say so
    performance : ``table2.csv``, or ``folds.csv`` of a model that isn't in it
    films : ``films.npy`` of the internal test set's cache; its first films check the ONNX file
    settings : ``model``, ``label``, ``kind``, ``seed``, ``synthetic``, ``frontal_view``, ``exposure``, and
        ``scoring`` with the config's ``precision``, ``films_per_forward`` and ``cpu_threads``
    facts : what the model card says of the study (``model_card``), without ``commit``

    Raises
    ------
    StudyError : weights can't be read, ONNX Runtime and PyTorch differ by more than ``TOLERANCE``, or
        ``target`` would lie in a bundle of version 0.1.0
    """
    refuse_within_bundle(Path(target))
    kind = settings["kind"]
    exact_arithmetic(settings["scoring"]["cpu_threads"])
    place = torch.device("cpu")
    networks, trained = load_networks(weights, place)
    content = torch.load(weights[0], map_location="cpu", weights_only=True)
    architecture, side = dict(content["architecture"]), networks[0].side
    scoring = {
        **settings["scoring"],
        "precision": chosen_precision(settings["scoring"]["precision"], trained),
    }
    warning = _warning(learning, settings)
    record = json.loads(Path(provenance).read_text(encoding="utf-8"))
    cached = np.load(films, mmap_mode="r", allow_pickle=False)
    checked = np.concatenate([pattern_films(side), np.array(cached[:CHECKED_FILMS])])

    with atomic_folder(target) as part:
        for fold, path in enumerate(weights):
            (part / weights_name(fold)).parent.mkdir(exist_ok=True)
            shutil.copyfile(path, part / weights_name(fold))
        ensemble = Ensemble(networks)
        log.say(progress.exporting(len(networks)))
        export_onnx(ensemble, part / ONNX)
        difference = check_onnx(part / ONNX, ensemble, checked)
        log.say(progress.onnx_agrees(difference, len(checked), TOLERANCE))
        scorer = Scorer(
            [part / weights_name(k) for k in range(len(weights))], kind, architecture, scoring, place
        )
        stated = {
            "software": tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
                "version"
            ],
            "code": reading_code(kind, architecture),
            "versions": {
                name: record["versions"]["packages"][name]
                for name in ("torch", "numpy", "pydicom")
                if name in record["versions"]["packages"]
            },
            "model": settings["model"],
            "label": settings["label"],
            "kind": kind,
            "synthetic": bool(settings["synthetic"]),
            "seed": settings["seed"],
            "folds": len(weights),
            "architecture": architecture,
            "scoring": scoring,
            "preprocessing": {
                "side": side,
                "frontal_view": settings["frontal_view"],
                "exposure": settings["exposure"],
            },
            "threshold": frozen_threshold(thresholds, settings["model"]),
            "warning": warning,
            "onnx": {
                "input": INPUT,
                "outputs": [PROBABILITY, FOLDS],
                "largest_difference": difference,
                "films": len(checked),
                "tolerance": TOLERANCE,
            },
            "self_check": {
                "films": "pattern_films of scripts/bundle/ensemble.py",
                "probabilities": scorer(list(pattern_films(side))).tolist(),
            },
        }
        write_text(part / SETTINGS, settings_text(stated))
        card = model_card(
            stated,
            read_table(cohort, COHORT),
            pd.read_csv(performance),
            {**facts, "commit": record["git"]["commit"]},
        )
        write_text(part / CARD, card)
        write_text(part / SHA256_LIST, manifest_text(part))
        fingerprint = open_bundle(part).fingerprint
    log.say(progress.made(fingerprint, len(weights), target))
    if warning:
        log.say(progress.warned(warning))
    return fingerprint
