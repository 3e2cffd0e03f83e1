"""A small bundle of two networks without a study around it, and films to score."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import pytest
import torch
from pydicom.dataset import Dataset, FileMetaDataset

from scripts.bundle.bundle_making import make_bundle
from scripts.bundle.contents import FORMAT, SETTINGS, manifest_text, open_bundle
from scripts.common.config import Exposure, FrontalView
from scripts.common.contracts.cohort import COHORT
from scripts.common.contracts.statistics import LEARNING
from scripts.common.files import write_text
from scripts.common.log import Log
from scripts.common.standards import SHA256_LIST
from scripts.common.tables import write_table
from scripts.networks.film_network import FilmNetwork
from scripts.networks.kinds.registry import architecture_class, new_network
from scripts.networks.training_store import weights_bytes

ARCHITECTURE = {
    "grid": 3, "block_size": 32, "trunk_width": 8, "layers": 1, "heads": 4, "mlp_ratio": 4, "dropout": 0.1,
    "head_hidden": 16,
}  # fmt: skip
FACTS = {
    "what": "A network of blocks.",
    "test_sets": ["internal_test", "external_1"],
    "confidence": 0.95,
    "init": "random",
    "epochs": 2,
    "older_than": 40,
    "op_t_score": -2.5,
    "interval_months": 6,
    "exclusions": ["abnormal_spine"],
}


def lively_network(seed: int, kind: str = "hybrid", architecture: dict | None = None) -> FilmNetwork:
    """A network whose BatchNorm has statistics of its own and whose scores differ between films."""
    torch.manual_seed(seed)
    network = new_network(kind, architecture_class(kind)(**(architecture or ARCHITECTURE)))
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 1.5)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
    if kind == "hybrid":
        torch.nn.init.normal_(network.global_head[2].weight, std=1.0)
    return network


def write_learning(folder: Path, finding: str) -> None:
    """What was found of the network and of both its trainings, and of another network."""
    row = {"start": "random", "n": 40, "n_pos": 20, "auc_ci_method": "DeLong, logit", "attempts": 1}
    row |= {"auc": 0.52, "auc_low": 0.45, "auc_high": 0.59, "sd_logit": 0.03, "lowest": 0.44, "highest": 0.46}
    row |= {"loss": 0.69, "learned": "no" if finding == "nothing_learned" else "yes", "finding": finding}
    rows = [{"model": m, "fold": k, **row} for m in ("plain", "other") for k in ("all", "0", "1")]
    rows[3]["finding"] = "nothing_learned"
    write_table(pd.DataFrame(rows), folder / "learning.csv", LEARNING)


def write_inputs(
    folder: Path,
    precision: str = "fp32",
    synthetic: bool = True,
    kind: str = "hybrid",
    architecture: dict | None = None,
) -> dict:
    """The files that ``make_bundle`` reads, and its other arguments."""
    rng = np.random.default_rng(5)
    weights = []
    for fold in range(2):
        weights.append(folder / f"fold_{fold}.pt")
        network = lively_network(fold, kind, architecture)
        weights[-1].write_bytes(weights_bytes(network, precision, fold))
    side = network.side
    np.save(folder / "films.npy", rng.integers(0, 65536, (6, side, side), np.uint16))
    (folder / "thresholds.csv").write_text("model,threshold,rule\nplain,0.4375,youden\nother,0.2,youden\n")
    write_learning(folder, "learned")
    rows = []
    for name, n in (("train", 40), ("internal_test", 12), ("external_1", 9)):
        for i in range(n):
            rows.append(
                {
                    "patient_id": f"PPLANTED{name}{i}", "center": "internal", "set": name,
                    "label": i % 3 == 0, "sex": "F" if i % 4 else "M",
                    "age": 50 + i, "bmi": 20 + i / 10, "image_id": f"IPLANTED{name}{i}",
                    "manufacturer": "Maker PLANTED", "dxa_site": "lumbar",
                    "height_cm": 160, "weight_kg": 60, "bmd": 0.7, "t_score": -2, "n_sites": 3,
                    "dxa_interval_days": 3, "review": 0, "fold": None,
                }
            )  # fmt: skip
    write_table(pd.DataFrame(rows), folder / "cohort.csv", COHORT)
    metrics = {
        f"{m}{e}": v
        for m in ("auc", "sensitivity", "specificity", "ppv", "npv")
        for e, v in (("", 0.75), ("_low", 0.6125), ("_high", 0.875))
    }
    table2 = [
        {"set": s, "model": m, "n": n, "n_pos": p, **metrics}
        for s, n, p in (("internal_test", 12, 6), ("external_1", 9, 3))
        for m in ("plain", "other")
    ]
    pd.DataFrame(table2).to_csv(folder / "table2.csv", index=False)
    (folder / "provenance.json").write_text(
        json.dumps({"git": {"commit": "abc123"}, "versions": {"packages": {"torch": "2", "numpy": "2"}}})
    )
    return {
        "weights": weights,
        "thresholds": folder / "thresholds.csv",
        "learning": folder / "learning.csv",
        "cohort": folder / "cohort.csv",
        "performance": folder / "table2.csv",
        "provenance": folder / "provenance.json",
        "films": folder / "films.npy",
        "settings": {
            "model": "plain",
            "label": "Plain film",
            "kind": kind,
            "seed": 7,
            "synthetic": synthetic,
            "scoring": {"precision": "trained", "films_per_forward": "auto", "cpu_threads": 1},
            "frontal_view": FrontalView().model_dump(mode="json"),
            "exposure": Exposure().model_dump(mode="json"),
        },
        "facts": FACTS,
        "log": Log(None, "test", echo=False),
    }


@pytest.fixture
def inputs(tmp_path):
    """Arguments of ``make_bundle`` but for the target."""
    folder = tmp_path / "inputs"
    folder.mkdir()
    return write_inputs(folder)


@pytest.fixture(scope="session")
def made(tmp_path_factory) -> Path:
    """A bundle; tests only read it."""
    folder = tmp_path_factory.mktemp("bundle")
    make_bundle(**write_inputs(folder), target=folder / "bundle")
    return folder / "bundle"


@pytest.fixture(scope="session")
def bundle(made):
    return open_bundle(made)


def as_of_0_1_0(made: Path, folder: Path) -> Path:
    """A copy of the bundle in the layout that version 0.1.0 wrote: no model and no kind in its settings."""
    shutil.copytree(made, folder)

    settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    later = ("model", "label", "kind", "warning", "format", "version")
    settings = {key: value for key, value in settings.items() if key not in later}
    settings |= {"software": "0.1.0", "code": "of version 0.1.0", "format": FORMAT, "version": 1}
    write_text(folder / SETTINGS, json.dumps(settings, indent=1, sort_keys=True) + "\n")
    write_text(folder / SHA256_LIST, manifest_text(folder))
    return folder


def chest(seed: int, shape: tuple[int, int] = (230, 210)) -> np.ndarray:
    """A 12-bit picture with a wide range and little noise: the exposure rules let it pass."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]]
    waves = sum(
        np.sin(x / (9 + 7 * k) + rng.uniform(0, 6)) * np.cos(y / (8 + 5 * k) + rng.uniform(0, 6))
        for k in range(4)
    )
    scaled = (waves - waves.min()) / (waves.max() - waves.min())
    middle = np.exp(-(((x - shape[1] * 0.52) / (shape[1] * 0.1)) ** 2))
    return (300 + 3000 * (0.55 * scaled + 0.45 * middle)).astype(np.uint16)


def write_film(path: Path, image: np.ndarray, **changes) -> Path:
    """Write a frontal CR film; keyword arguments set or (None) delete attributes."""
    film = Dataset()
    film.file_meta = FileMetaDataset()
    film.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    film.SOPClassUID = film.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1"
    film.SOPInstanceUID = film.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid(
        prefix="1.2.826.0.1.3680043.10.999."
    )
    film.Modality, film.PatientID, film.PatientName = "CR", "HOSP-0042", "Musterfrau^Erika"
    film.StudyDate, film.ViewPosition, film.BodyPartExamined, film.Manufacturer = (
        "20240520",
        "PA",
        "CHEST",
        "ACME Imaging",
    )
    film.Rows, film.Columns = image.shape
    film.SamplesPerPixel, film.PhotometricInterpretation, film.PixelRepresentation = 1, "MONOCHROME2", 0
    film.BitsAllocated, film.BitsStored, film.HighBit = 16, 12, 11
    film.PixelData = image.astype("<u2").tobytes()
    film["PixelData"].VR = "OW"
    for keyword, value in changes.items():
        if value is None:
            del film[keyword]
        else:
            setattr(film, keyword, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    pydicom.dcmwrite(path, film, implicit_vr=False, little_endian=True, enforce_file_format=True)
    return path


@pytest.fixture
def films(tmp_path) -> Path:
    """A folder as a hospital may give it: good films, troubled ones, and what is no film."""
    folder = tmp_path / "PACS Müller Anna 19480229"
    write_film(folder / "IM1", chest(1))
    write_film(folder / "deep/er/IM2.dcm", chest(2, (500, 430)))
    write_film(folder / "IM3", 4095 - chest(1), PhotometricInterpretation="MONOCHROME1")
    write_film(folder / "no_id", chest(4), PatientID="", StudyDate=None)
    write_film(folder / "lateral", chest(5), ViewPosition="LL")
    write_film(folder / "white", np.full((230, 210), 4095, np.uint16))
    write_film(folder / "text", chest(6), BurnedInAnnotation="YES")
    whole = write_film(folder / "whole", chest(7)).read_bytes()
    (folder / "whole").unlink()
    (folder / "cut").write_bytes(whole[: len(whole) * 2 // 3])
    (folder / "notes.txt").write_text("Müller, Anna")
    return folder


@pytest.fixture
def silent() -> Log:
    return Log(None, "test", echo=False)
