"""A study's files as the earlier stages would leave them, drawn at random with realistic sizes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest

from scripts.common.contracts.cohort import COHORT, FLOW, PREDICTIONS
from scripts.common.contracts.intake import FILMS
from scripts.common.contracts.networks import CASES, HELD_OUT
from scripts.common.contracts.statistics import LEARNING
from scripts.common.cutoffs import rounded
from scripts.common.tables import write_table
from scripts.statistics.scored_cohort import ScoredCohort

SIZES = {"train": (90, 166), "internal_test": (22, 42), "external_1": (35, 21), "external_2": (28, 12)}
"""OP and non-OP patients per set, as in the shipped configuration."""

MODELS = ["deep", "clinical", "combined"]
BASELINES = ["age", "logistic", "osta"]


def random_cohort(sizes: Mapping[str, tuple[int, int]], seed: int = 1) -> pd.DataFrame:
    """Included patients (COHORT) whose age, sex and bone density differ between the classes as in the
    paper.
    """
    rng = np.random.default_rng(seed)
    parts = []
    for name, (n_op, n_non_op) in sizes.items():
        n = n_op + n_non_op
        label = np.repeat([1, 0], [n_op, n_non_op])
        center = "internal" if name in ("train", "internal_test") else name
        height = rng.normal(160, 8, n)
        bmi = np.where(label == 1, rng.normal(22.2, 3.5, n), rng.normal(24.3, 3.4, n))
        parts.append(
            pd.DataFrame(
                {
                    "patient_id": [f"P{name}{i:05d}" for i in range(n)],
                    "center": center,
                    "set": name,
                    "fold": rng.integers(0, 5, n) if name == "train" else pd.NA,
                    "label": label,
                    "sex": np.where(rng.random(n) < np.where(label == 1, 0.14, 0.30), "M", "F"),
                    "age": np.clip(
                        np.where(label == 1, rng.normal(71, 9, n), rng.normal(59, 11, n)).round(), 41, 90
                    ),
                    "height_cm": height.round(1),
                    "weight_kg": (bmi * (height / 100) ** 2).round(1),
                    "bmi": bmi.round(2),
                    "bmd": np.where(label == 1, rng.normal(0.6, 0.1, n), rng.normal(0.9, 0.1, n)).round(3),
                    "t_score": (
                        np.where(
                            label == 1, -2.5 - rng.exponential(0.6, n), -2.4 + rng.exponential(1.0, n)
                        ).round(1)
                    ),
                    "dxa_site": "lumbar",
                    "n_sites": 3,
                    "image_id": [f"I{name}{i:05d}" for i in range(n)],
                    "dxa_interval_days": rng.integers(-150, 151, n),
                    "manufacturer": rng.choice(["Maker A", "Maker B"], n),
                    "review": (rng.random(n) < 0.05).astype(int),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def random_predictions(cohort: pd.DataFrame, seed: int = 2) -> pd.DataFrame:
    """Scores (PREDICTIONS) of three correlated models, better than chance."""
    rng = np.random.default_rng(seed)
    label = cohort["label"].to_numpy(dtype=float)
    film, clinic = (rng.normal(size=len(label)) for _ in range(2))
    logit = {
        "deep": -0.5 + 2.6 * (label - 0.5) + 1.4 * film,
        "clinical": -0.5 + 1.4 * (label - 0.5) + 1.0 * clinic,
        "combined": -0.5 + 2.8 * (label - 0.5) + 1.3 * film + 0.5 * clinic,
    }
    frame = cohort[["patient_id", "center", "set", "fold", "label"]].copy()
    for model in MODELS:
        frame[model] = 1 / (1 + np.exp(-logit[model]))
    return frame


def with_baselines(predictions: pd.DataFrame, cohort: pd.DataFrame) -> pd.DataFrame:
    """The predictions with the scores of BASELINES behind them; ``age`` is a column of the cohort too."""
    frame = predictions.copy()
    age, weight = (cohort[name].to_numpy(dtype=float) for name in ("age", "weight_kg"))
    frame["age"] = 1 / (1 + np.exp(-0.08 * (age - 65)))
    frame["logistic"] = 1 / (1 + np.exp(-0.08 * (age - 65) + 0.05 * (weight - 60)))
    frame["osta"] = 1 / (1 + np.exp(-0.3 * index_of(cohort)))
    return frame


def index_of(cohort: pd.DataFrame) -> np.ndarray:
    """Minus OSTA's index, as its ``raw``."""
    return rounded(0.2 * (cohort["age"].to_numpy(dtype=float) - cohort["weight_kg"].to_numpy(dtype=float)))


def flow_of_cohort(cohort: pd.DataFrame) -> pd.DataFrame:
    """A flow table (FLOW) whose counts close."""
    excluded = {
        "no_film": 3,
        "no_frontal_film": 4,
        "too_young": 6,
        "no_pair_in_interval": 5,
        "secondary_osteoporosis": 2,
        "no_dxa": 0,
    }
    rows = []
    for center, part in cohort.groupby("center", sort=False):
        n, n_op = len(part), int(part["label"].sum())
        rows.append((center, "found", n + sum(excluded.values()), None, "found", None))
        rows += [(center, reason, count, None, "excluded", count) for reason, count in excluded.items()]
        rows.append((center, "included", n, n_op, "included", n))
    return pd.DataFrame(rows, columns=list(FLOW))


def write_gradcam(
    folder: Path, cohort: pd.DataFrame, predictions: pd.DataFrame, network: str = "deep", seed: int = 3
) -> None:
    """Cases, maps and films tables as the networks' and intake stages leave them; the last case's film is not
    known to be free of text.
    """
    predictions = predictions.assign(score=predictions[network])
    rng = np.random.default_rng(seed)
    inside = predictions[predictions["set"] == "internal_test"].merge(
        cohort[["patient_id", "image_id"]], on="patient_id"
    )
    rows = []
    for kind, positive, op in (("TP", True, 1), ("FP", True, 0), ("TN", False, 0), ("FN", False, 1)):
        some = inside[((inside["score"] >= 0.5) == positive) & (inside["label"] == op)].head(2)
        rows += [
            ("internal_test", r.image_id, r.patient_id, kind, r.score, r.label, 0.5, "certain")
            for r in some.itertuples()
        ]
    for r in inside.sample(3, random_state=seed).itertuples():
        kind = ("T" if (r.score >= 0.5) == (r.label == 1) else "F") + ("P" if r.score >= 0.5 else "N")
        rows.append(("internal_test", r.image_id, r.patient_id, kind, r.score, r.label, 0.5, "random"))
    cases = pd.DataFrame(rows, columns=list(CASES))
    where = folder / f"results/models/{network}/gradcam"
    where.mkdir(parents=True)
    cases.to_csv(where / "cases.csv", index=False)
    side, n = 96, len(cases)
    y, x = np.mgrid[0:side, 0:side] / side
    film = 20000 + 30000 * np.exp(-(((x - 0.5) / 0.3) ** 2)) + rng.normal(0, 800, (n, side, side))
    centre = rng.random((n, 2, 1, 1))
    bump = np.exp(-(((x - centre[:, 0]) / 0.15) ** 2) - ((y - centre[:, 1]) / 0.15) ** 2)
    evidence = bump * rng.uniform(-6, 12, (n, 1, 1)) - 1
    np.savez_compressed(
        where / "maps.npz",
        image_id=cases["image_id"].to_numpy(dtype=str),
        film=film.astype(np.uint16),
        evidence=evidence.astype(np.float32),
        grid=np.zeros((n, 6, 6), dtype=np.float32),
    )
    for center, part in cohort.groupby("center", sort=False):
        films = pd.DataFrame({name: "" for name in FILMS}, index=range(len(part)))
        films["image_id"] = part["image_id"].to_numpy()
        films[["same_day_order", "enrolled"]] = 1
        films["burned_in"] = np.where(part["image_id"].eq(cases["image_id"].iloc[-1]), "unknown", "NO")
        write_table(films, folder / f"results/intake/{center}/films.csv", FILMS)


def write_learning(folder: Path, network: str = "deep", learned: str = "yes") -> None:
    """The row of LEARNING that the figures read."""
    row = dict.fromkeys(LEARNING) | {"model": network, "fold": "all", "learned": learned}
    write_table(pd.DataFrame([row]), folder / LEARNING.path, LEARNING)


def random_exposure(cohort: pd.DataFrame, seed: int = 4) -> pd.DataFrame:
    """Measures of the cohort's films (EXPOSURE's columns that the stage reads): nothing in them depends on
    the label.
    """
    rng = np.random.default_rng(seed)
    n = len(cohort)
    frame = cohort[["center", "image_id"]].copy()
    frame["view"] = rng.choice(["PA", "AP"], n, p=[0.8, 0.2])
    frame["rows"], frame["columns"] = rng.choice([2500, 3000], n), rng.choice([2048, 2500], n)
    for name in ("mean", "value_range", "noise_ratio", "clipped_low", "clipped_high", "polarity"):
        frame[name] = rng.uniform(0.2, 0.6, n)
    frame["exposure_index"] = np.where(rng.random(n) < 0.2, np.nan, rng.normal(300, 50, n))
    frame["deviation_index"] = np.nan
    return frame


def random_masked(
    predictions: pd.DataFrame, cohort: pd.DataFrame, name: str, network: str = "deep", seed: int = 5
) -> pd.DataFrame:
    """Scores of a set with parts of the film covered: less of the network's score is left with the spine
    covered.
    """
    rng = np.random.default_rng(seed)
    part = predictions[predictions["set"] == name].merge(cohort[["patient_id", "image_id"]], on="patient_id")
    logit = np.log(part[network] / (1 - part[network]))
    kept = {"spine_masked": 0.3, "flanks_masked": 0.9, "border_masked": 0.95, "spine_only": 0.6}
    columns = {
        mask: 1 / (1 + np.exp(-share * logit - rng.normal(0, 1 - share, len(part))))
        for mask, share in kept.items()
    }
    return part[["patient_id", "image_id"]].assign(**columns)


def random_fold_scores(
    predictions: pd.DataFrame,
    cohort: pd.DataFrame,
    name: str,
    network: str = "deep",
    runs: Sequence[object] = range(5),
    seed: int = 6,
) -> pd.DataFrame:
    """A network's scores of a set as its rule leaves them: the mean of the trainings' own."""
    rng = np.random.default_rng(seed)
    part = predictions[predictions["set"] == name].merge(cohort[["patient_id", "image_id"]], on="patient_id")
    spread = rng.uniform(-1, 1, (len(runs), len(part)))
    room = np.minimum(part[network], 1 - part[network]).to_numpy()
    own = part[network].to_numpy() + 0.4 * room * (spread - spread.mean(axis=0))
    columns = {f"fold_{run}": scores for run, scores in zip(runs, own, strict=True)}
    mean = own.mean(axis=0)
    return part[["patient_id", "image_id"]].assign(score=mean, raw=mean, **columns)


def random_histories(runs: Sequence[str], epochs: int = 8, seed: int = 4) -> dict[str, pd.DataFrame]:
    """Histories (HISTORY) of trainings; the last one held out one class only, so it has no AUC."""
    rng, histories = np.random.default_rng(seed), {}
    for run in runs:
        epoch = np.arange(1, epochs + 1)
        loss_global, loss_local = (
            0.7 * np.exp(-epoch / 6) + rng.uniform(0, 0.06, epochs) + more for more in (0, 0.04)
        )
        auc = (
            np.full(epochs, np.nan)
            if run == runs[-1]
            else 0.92 - 0.4 * np.exp(-epoch / 2.5) + rng.normal(0, 0.015, epochs)
        )
        histories[run] = pd.DataFrame(
            {
                "epoch": epoch,
                "loss": loss_global + loss_local,
                "loss_global": loss_global,
                "loss_local": loss_local,
                "held_out_auc": auc,
                "lr": 0.03 * np.minimum(epoch / 2, 0.5 * (1 + np.cos(np.pi * (epoch - 1) / epochs))),
                "films_per_s": rng.uniform(14, 16, epochs),
                "data_wait": rng.uniform(0, 0.01, epochs),
            }
        )
    return histories


def write_trainings(
    folder: Path,
    cohort: pd.DataFrame,
    predictions: pd.DataFrame,
    network: str = "deep",
    runs: Sequence[str] = tuple("01234"),
) -> None:
    """Histories, records and held-out scores of a network's trainings."""
    train = predictions[predictions["set"] == "train"].merge(cohort[["patient_id", "image_id"]])
    for run, history in random_histories(runs).items():
        place = folder / f"results/models/{network}/fold_{run}"
        place.mkdir(parents=True, exist_ok=True)
        history.to_csv(place / "history.csv", index=False)
        told = {"device": "cpu", "torch": "2", "seconds": 90.0}
        (place / "trained_on.json").write_text(json.dumps(told), encoding="utf-8")
        unseen = train[train["fold"] == int(run.split("_")[0])].rename(columns={network: "score"})
        write_table(unseen[list(HELD_OUT)], place / "held_out.csv", HELD_OUT)


def write_index_scores(
    folder: Path, cohort: pd.DataFrame, predictions: pd.DataFrame, osta: str = "osta"
) -> None:
    """The files of an OSTA's scores of the test sets."""
    frame = cohort[["patient_id", "image_id", "set"]].assign(score=predictions[osta], raw=index_of(cohort))
    for name, part in frame[frame["set"] != "train"].groupby("set"):
        path = folder / f"results/models/{osta}/scores/{name}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        part.drop(columns="set").to_csv(path, index=False)


def write_study(
    folder: Path,
    sizes: Mapping[str, tuple[int, int]] = SIZES,
    seed: int = 1,
    called: Mapping[str, str] = MappingProxyType({}),
    further: Sequence[str] = (),
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """All the files that the stage reads, under ``folder``; returns cohort and predictions.

    ``called`` gives other names to the models (MODELS, BASELINES), ``further`` names further networks, with
    two seeds each.
    """
    cohort = random_cohort(sizes, seed)
    predictions = with_baselines(random_predictions(cohort, seed + 1), cohort).rename(columns=called)
    network, osta = (called.get(name, name) for name in ("deep", "osta"))
    seeds = [f"{fold}{end}" for fold in range(5) for end in ("", "_seed_1")]
    rng = np.random.default_rng(seed + 2)
    for other in further:
        noisy = np.log(predictions[network] / (1 - predictions[network])) + rng.normal(0, 1.5, len(cohort))
        predictions[other] = 1 / (1 + np.exp(-noisy))
    write_table(cohort, folder / "results/cohort/cohort.csv", COHORT)
    write_table(flow_of_cohort(cohort), folder / "results/cohort/flow.csv", FLOW)
    write_table(predictions, folder / "results/predictions.csv", PREDICTIONS)
    write_gradcam(folder, cohort, predictions, network)
    write_learning(folder, network)
    write_index_scores(folder, cohort, predictions, osta)
    random_exposure(cohort).to_csv(folder / "results/intake/exposure.csv", index=False)
    masked = folder / f"results/models/{network}/masked/internal_test.csv"
    masked.parent.mkdir()
    random_masked(predictions, cohort, "internal_test", network).to_csv(masked, index=False)
    for own, runs in {network: tuple("01234"), **dict.fromkeys(further, seeds)}.items():
        write_trainings(folder, cohort, predictions, own, runs)
        scores = folder / f"results/models/{own}/scores"
        scores.mkdir()
        for name in sizes:
            if name != "train":
                random_fold_scores(predictions, cohort, name, own, runs).to_csv(
                    scores / f"{name}.csv", index=False
                )
    return cohort, predictions


@pytest.fixture
def cohort() -> pd.DataFrame:
    return random_cohort(SIZES)


@pytest.fixture
def predictions(cohort: pd.DataFrame) -> pd.DataFrame:
    return random_predictions(cohort)


@pytest.fixture
def study_writer():
    """``write_study`` as a fixture: test files can't import from each other."""
    return write_study


@pytest.fixture
def draw_cohort():
    """``random_cohort`` as a fixture."""
    return random_cohort


@pytest.fixture
def draw_predictions():
    """``random_predictions`` as a fixture."""
    return random_predictions


@pytest.fixture
def films_of():
    """``random_exposure`` as a fixture."""
    return random_exposure


@pytest.fixture
def masked_of():
    """``random_masked`` as a fixture."""
    return random_masked


@pytest.fixture
def scored(cohort: pd.DataFrame, predictions: pd.DataFrame) -> ScoredCohort:
    """All patients with the scores of MODELS and of the baselines, one of which is called ``age``."""
    return ScoredCohort(with_baselines(predictions, cohort), cohort)


@pytest.fixture
def histories_of():
    """``random_histories`` as a fixture."""
    return random_histories


@pytest.fixture
def run_r(tmp_path: Path):
    """Run lines of R that leave a vector ``out``; returns it as numbers. Skips where R is not installed."""
    import shutil
    import subprocess

    program = shutil.which("Rscript")
    if program is None:
        pytest.skip("R is not installed")

    def run(lines: str) -> list[float]:
        script = tmp_path / "ask.R"
        script.write_text(lines + '\ncat(sprintf("%.17g", as.numeric(out)), sep = "\\n")\n', encoding="utf-8")
        done = subprocess.run(
            [program, "--vanilla", str(script)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return [float(line) for line in done.stdout.split()]

    return run
