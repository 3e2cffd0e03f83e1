"""How long the trainings of a study will take on this machine, from a few timed steps of each network."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from scripts.common.config import Config
from scripts.common.errors import StudyError
from scripts.common.log import duration
from scripts.intake.patient_rows import read_patients

ASSUMED = 1000
"""Training patients where nothing tells their number."""

LAST_RUN = "of the last run's cohort"


class Patients(NamedTuple):
    """Patients of the training set, where the number is from, and how many films of them train."""

    number: int
    source: str
    films: int


def training_patients(config: Config) -> Patients:
    """Those of the last run's cohort; else, before any exclusion, those that the development centre has, each
    with one film.
    """
    number, source = _patients(config)
    cached = [
        Path(f"state/cache/{config.models[name].film_side}/train/index.csv") for name in config.networks_named
    ]
    rows = [_rows(path) for path in cached if path.is_file()]
    return Patients(number, source, max([number, *rows]) if source == LAST_RUN else number)


def _rows(path: Path) -> int:
    with path.open(encoding="utf-8", newline="") as stream:
        return sum(1 for _ in csv.DictReader(stream))


def _patients(config: Config) -> tuple[int, str]:
    cohort = Path("results/cohort/train.csv")
    if cohort.is_file():
        return _rows(cohort), LAST_RUN
    center, share = config.development, 1 - config.cohort.test_fraction
    if center.simulate is not None:
        return round(share * (center.simulate.n_op + center.simulate.n_non_op)), "simulated"
    if center.patients is not None:
        table, ids = center.patients.model_dump(mode="json"), center.ids.model_dump(mode="json")
        try:
            rows = read_patients(table, ids, f"centers[{center.name}].patients").rows
            return round(share * rows["source_id"].nunique()), "by the patient table, before exclusions"
        except StudyError:  # the check of the tables tells of it
            pass
    return ASSUMED, "assumed"


def training_seconds(settings: Mapping, folds: int, patients: Patients, timed: Mapping) -> float:
    """Seconds of one training.

    Parameters
    ----------
    settings : ``training`` of the network
    folds, patients : of the training set; one fold is held out, and its patients scored at each epoch's end
    timed : what ``scripts.networks.time_steps`` printed; its steps count in proportion to the batch
    """
    held_out = patients.number / folds
    steps = int((patients.films * (1 - 1 / folds)) // settings["batch_size"])
    batches = settings["batch_size"] / timed["batch"]
    of_steps = steps * batches * timed["step_s"]
    of_norms = min(settings["norm_batches"], steps) * batches * timed["norms_s"]
    return settings["epochs"] * (of_steps + of_norms + held_out * timed["score_s"])


def side_by_side(config: Config, timed: Mapping, cores: int) -> int:
    """Trainings that this machine runs at a time: one a GPU, or as many as have their threads."""
    return timed["devices"] or max(1, cores // config.networks.cpu_threads)


def described(
    config: Config, network: str, timed: Mapping, patients: Patients, cores: int, busy: str = ""
) -> tuple[float, str]:
    """Seconds of all trainings of a network, and the sentence on them; ``busy`` says how the machine was."""
    options, folds = config.training_settings(network)["training"], config.cohort.folds
    one = training_seconds(options, folds, patients, timed)
    trainings, at_once = folds * config.models[network].seeds, side_by_side(config, timed, cores)
    at_once = min(at_once, trainings)
    of_views = patients.films * (1 + options["views"]) * timed["view_s"]
    whole = math.ceil(trainings / at_once) * one + of_views
    place = "this machine's GPU" if timed["device"] == "cuda" else "this machine's CPU"
    scaled = (
        "" if timed["batch"] == options["batch_size"] else f", scaled to batches of {options['batch_size']}"
    )
    films = "" if patients.films == patients.number else f", {patients.films} films"
    together = f", {at_once} at a time" if at_once > 1 else ""
    before = f", after {duration(of_views)} for the films' views" if of_views else ""
    return whole, (
        f"models.{network}: about {duration(one)} a training{before}, {duration(whole)} for"
        f" {trainings}{together} ({patients.number} training patients, {patients.source}{films};"
        f" {timed['step_s']:.2g} s a step of {timed['batch']} films, timed on {place}{busy}{scaled})"
    )


def read_timed(text: str) -> dict | None:
    """What the timing printed, out of all its output; None where it failed."""
    last = next(reversed(text.strip().splitlines()), "")
    try:
        timed = json.loads(last)
    except ValueError:
        return None
    return timed if isinstance(timed, dict) else None


def arguments(config: Config, network: str) -> Sequence[str]:
    """Arguments of ``scripts.networks.time_steps`` for a network of the study."""
    settings = json.dumps(config.training_settings(network))
    return ("--model", network, "--kind", config.models[network].kind, "--settings", settings)
