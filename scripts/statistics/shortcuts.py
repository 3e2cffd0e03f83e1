"""What else than bone could carry a network's score: device, film size, brightness and exposure, and parts of
the film.

Three analyses in one table. *Variables*: how much of the score's logit a group of variables explains,
and how well the group alone tells the label. *Within a manufacturer*: the AUC among films of one device
maker, where the maker can't help. *Masked*: the AUC of scores of films with a part covered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import fdtrc, logit

from scripts.common.contracts.intake import EXPOSURE
from scripts.common.contracts.networks import MASKED
from scripts.common.contracts.statistics import SHORTCUTS
from scripts.common.errors import StudyError
from scripts.common.scores import CLIP
from scripts.common.seeds import sub_seed
from scripts.common.tables import read_table
from scripts.common.vocabulary import MASKS, TRAIN
from scripts.statistics.auc_comparison import compare_set
from scripts.statistics.delong import NONE, auc_of
from scripts.statistics.scored_cohort import ScoredCohort, arrays

FILM = EXPOSURE.only(
    *("center", "image_id", "view", "rows", "columns", "mean", "value_range", "noise_ratio"),
    *("clipped_low", "clipped_high", "polarity", "exposure_index", "deviation_index"),
)
"""What of ``exposure.csv`` is read."""

FILM_GROUPS: dict[str, tuple[str, ...]] = {
    "manufacturer": ("manufacturer",),
    "view": ("view",),
    "film_size": ("rows", "columns"),
    "brightness": ("mean",),
    "exposure": (
        "value_range", "noise_ratio", "clipped_low", "clipped_high", "polarity", "exposure_index",
        "deviation_index",
    ),
}  # fmt: skip
"""Groups of variables that tell how and with what a film was made."""

GROUPS: dict[str, tuple[str, ...]] = {
    **FILM_GROUPS,
    "all_of_these": tuple(name for group in FILM_GROUPS.values() for name in group),
    "age_sex": ("age", "sex"),
}
"""The groups of the audit; age and sex stand beside the film's own for comparison, since a film shows
both.
"""

CATEGORIES = ("manufacturer", "view", "sex")
CONTRASTS = (*((mask, "unmasked") for mask in MASKS), ("spine_masked", "flanks_masked"))

RARE = 5
"""A category or a gap that fewer patients have gets no column of its own."""

FEWEST = 5
"""Patients of each class that the AUC within a manufacturer needs."""

PATIENTS_PER_COLUMN = 3
"""A set needs this many patients per column of a linear model, the constant's included."""

FOLDS = 5


@dataclass(frozen=True)
class Design:
    """How variables become columns: learned from some patients, applied to any.

    Categories: a column for each level but the most frequent one. Numbers: standardised, a gap becomes the
    median, and gets a column that marks it. What is constant, or unknown in half of the patients, is left
    out.
    """

    levels: tuple[tuple[str, str], ...]
    numbers: tuple[tuple[str, float, float, float], ...]
    gaps: tuple[str, ...]

    @classmethod
    def learn(cls, frame: pd.DataFrame, variables: Sequence[str]) -> Design:
        """The columns that ``variables`` of ``frame`` give."""
        levels, numbers, gaps = [], [], []
        for name in variables:
            if name in CATEGORIES:
                counts = frame[name].value_counts()
                counts = counts.iloc[np.lexsort((counts.index.to_numpy(dtype=str), -counts.to_numpy()))]
                levels += [(name, level) for level, count in counts.iloc[1:].items() if count >= RARE]
                continue
            values = frame[name].to_numpy(dtype=float, na_value=np.nan)
            known = values[~np.isnan(values)]
            if 2 * len(known) < len(values) or not len(known):
                continue
            if known.std() > 1e-12 * max(1.0, np.abs(known).max()):
                numbers.append((name, float(np.median(known)), float(known.mean()), float(known.std())))
            if len(values) - len(known) >= RARE:
                gaps.append(name)
        return cls(tuple(levels), tuple(numbers), tuple(gaps))

    @property
    def width(self) -> int:
        """Number of columns."""
        return len(self.levels) + len(self.numbers) + len(self.gaps)

    def columns(self, frame: pd.DataFrame) -> np.ndarray:
        """(patients, width), float64."""
        out = [(frame[name] == level).to_numpy(dtype=float) for name, level in self.levels]
        for name, median, mean, sd in self.numbers:
            values = frame[name].to_numpy(dtype=float, na_value=np.nan)
            out.append((np.where(np.isnan(values), median, values) - mean) / sd)
        out += [frame[name].isna().to_numpy(dtype=float) for name in self.gaps]
        return np.column_stack(out) if out else np.empty((len(frame), 0))


def why_no_column(frame: pd.DataFrame, variables: Sequence[str]) -> str:
    """Why ``Design.learn`` finds no column in ``variables`` of these patients (one or more)."""
    if any(2 * frame[name].notna().sum() < len(frame) for name in variables if name not in CATEGORIES):
        return "unknown in most patients"
    if all(frame[name].nunique(dropna=False) == 1 for name in variables):
        return "one value only"
    return f"no second value in {RARE} patients or more"


def residual_sum(columns: np.ndarray, target: np.ndarray) -> tuple[float, int]:
    """Residual sum of squares of least squares on a constant and ``columns`` (n, p), and the rank of both."""
    design = np.column_stack([np.ones(len(target)), columns])
    solution, _, rank, _ = np.linalg.lstsq(design, target, rcond=None)
    return float(((target - design @ solution) ** 2).sum()), int(rank)


def adjusted_r2(columns: np.ndarray, target: np.ndarray) -> float:
    """1 - (1 - R^2) (n - 1) / (n - k) of least squares, k the rank with the constant."""
    rest, rank = residual_sum(columns, target)
    total = float(((target - target.mean()) ** 2).sum())
    return 1 - rest / (len(target) - rank) * (len(target) - 1) / total


def partial_r2(columns: np.ndarray, target: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Share of the target's variance left by the label that ``columns`` explain, and P of the F test for
    it.
    """
    before, rank_before = residual_sum(labels[:, None].astype(float), target)
    after, rank = residual_sum(np.column_stack([labels, columns]), target)
    more, free = rank - rank_before, len(target) - rank
    if more < 1 or free < 1 or not before > 0:
        return NONE, NONE
    p = fdtrc(more, free, (before - after) / more / (after / free)) if after > 0 else 0.0
    return 1 - after / before, float(p)


def cross_validated_r2(
    frame: pd.DataFrame, variables: Sequence[str], target: np.ndarray, folds: np.ndarray
) -> float:
    """1 - PRESS / SS: patients of a fold are predicted by least squares on the others.

    It is negative where that is worse than the mean.
    """
    predicted = np.empty(len(target))
    for fold in np.unique(folds):
        out = folds == fold
        design = Design.learn(frame[~out], variables)
        learnt = np.column_stack([np.ones((~out).sum()), design.columns(frame[~out])])
        solution = np.linalg.lstsq(learnt, target[~out], rcond=None)[0]
        predicted[out] = np.column_stack([np.ones(out.sum()), design.columns(frame[out])]) @ solution
    return 1 - float(((target - predicted) ** 2).sum() / ((target - target.mean()) ** 2).sum())


def label_scores(learn: pd.DataFrame, apply: pd.DataFrame, variables: Sequence[str]) -> np.ndarray:
    """Probabilities of the label for ``apply`` by a logistic regression (ridge penalty 1) on ``variables`` of
    ``learn``.
    """
    design = Design.learn(learn, variables)
    labels = learn["label"].to_numpy(dtype=int)
    if design.width == 0 or len(np.unique(labels)) < 2 or not len(apply):
        return np.full(len(apply), labels.mean())
    # imported here: it takes seconds, and what only reads this module's tables needs none of it
    from sklearn.linear_model import LogisticRegression

    solver = LogisticRegression(C=1.0, solver="newton-cholesky", tol=1e-10, max_iter=200)
    return solver.fit(design.columns(learn), labels).predict_proba(design.columns(apply))[:, 1]


AUDITED = ("patient_id", "center", "set", "fold", "label", "image_id", "age", "sex", "manufacturer")
"""What of the cohort is read."""


def with_films(scored: ScoredCohort, network: str, exposure: str | Path) -> pd.DataFrame:
    """Patients with the measures of their films and ``score``, the network's; manufacturers in one spelling.

    ``StudyError`` where a film has no row.
    """
    patients = scored.patients[list(AUDITED)].assign(score=scored.scores[network])
    films = read_table(exposure, FILM)
    if films.duplicated(["center", "image_id"]).any():
        raise StudyError(f"'{exposure}' holds a film twice. Delete it and run again; it is made anew.")
    both = patients.merge(
        films[list(FILM)], on=["center", "image_id"], how="left", indicator="film", validate="many_to_one"
    )
    absent = int((both["film"] != "both").sum())
    if absent:
        raise StudyError(
            f"'{exposure}' lacks the films of {absent} patient(s): the files are of different runs; run"
            " again."
        )
    makers = both["manufacturer"].fillna("").str.split().str.join(" ")
    spelled = makers.groupby(makers.str.casefold()).transform(
        lambda same: same.value_counts().sort_index().idxmax()
    )
    both["manufacturer"] = spelled.where(makers != "", "unknown")
    return both.drop(columns="film")


def folds_of(frame: pd.DataFrame, seed: int) -> np.ndarray:
    """The study's folds in train; elsewhere five, dealt by a hash of ``seed`` and the pseudonym, (n,)."""
    if len(frame) and frame["fold"].notna().all():
        return frame["fold"].to_numpy(dtype=int)
    ranks = np.argsort(
        [sub_seed(seed, "statistics", "shortcuts", i) for i in frame["patient_id"]], kind="stable"
    )
    folds = np.empty(len(frame), dtype=int)
    folds[ranks] = np.arange(len(frame)) % FOLDS
    return folds


def audited_score(part: pd.DataFrame) -> np.ndarray:
    """The logit of the score (n,) of a set's patients; in train with mean 0 and SD 1 within each fold.

    Each fold's network has a scale of its own. Pooled as they are, its offset and spread would count as
    unexplained variance. A fold with one score for all is 0.
    """
    score = logit(np.clip(part["score"].to_numpy(dtype=float), CLIP, 1 - CLIP))
    if not len(part) or part["fold"].isna().any():
        return score
    folds = part["fold"].to_numpy(dtype=int)
    for fold in np.unique(folds):
        own = folds == fold
        spread = score[own].std()
        score[own] = (score[own] - score[own].mean()) / (spread if spread > 0 else 1)
    return score


def variable_rows(frame: pd.DataFrame, sets: Sequence[str], confidence: float, seed: int) -> list[dict]:
    """Rows of the analysis ``variables``: train (out of fold) and every test set, each group.

    R^2 is of the set alone. The AUC is that of the group for the label: in train over the study's folds, in a
    test set from a fit to all of train.
    """
    train = frame[frame["set"] == TRAIN]
    rows = []
    for name in [TRAIN, *sets]:
        part = frame[frame["set"] == name]
        labels, n = part["label"].to_numpy(dtype=int), len(part)
        target = audited_score(part)
        folds = folds_of(part, seed)
        for group, variables in GROUPS.items():
            row = {"set": name, "analysis": "variables", "subject": group, "n": n, "n_pos": int(labels.sum())}
            design = Design.learn(part, variables)
            columns = design.columns(part)
            if n and not target.std() > 0:
                row["note"] = "the score is constant"
            elif design.width == 0:
                row["note"] = why_no_column(part, variables) if n else "no patients"
            elif n < PATIENTS_PER_COLUMN * (design.width + 1):
                row["note"] = f"too few patients for {design.width} columns"
            else:
                row["r2_adjusted"] = adjusted_r2(columns, target)
                row["r2_cross_validated"] = cross_validated_r2(part, variables, target, folds)
                row["r2_partial"], row["p_partial"] = partial_r2(columns, target, labels)
            if name == TRAIN:
                scores = np.empty(n)
                for fold in np.unique(folds):
                    out = folds == fold
                    scores[out] = label_scores(part[~out], part[out], variables)
            else:
                scores = label_scores(train, part, variables)
            rows.append({**row, **auc_of(labels, scores, confidence)})
    return rows


def manufacturer_rows(frame: pd.DataFrame, sets: Sequence[str], confidence: float) -> list[dict]:
    """Rows of the analysis ``within_manufacturer``: the score's AUC among films of one maker."""
    rows = []
    for name in [TRAIN, *sets]:
        part = frame[frame["set"] == name]
        for maker in sorted(part["manufacturer"].unique()):
            own = part[part["manufacturer"] == maker]
            labels, scores = arrays(own, ["score"])
            n_pos = int(labels.sum())
            row = {
                "set": name,
                "analysis": "within_manufacturer",
                "subject": maker,
                "n": len(own),
                "n_pos": n_pos,
            }
            if min(n_pos, len(own) - n_pos) < FEWEST:
                rows.append({**row, "note": f"fewer than {FEWEST} patients in a class"})
            else:
                rows.append({**row, **auc_of(labels, scores, confidence)})
    return rows


def read_masked(paths: Mapping[str, str | Path], frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The masked scores of each set in the order of its patients in ``frame``.

    ``StudyError`` where they don't fit them.
    """
    tables = {}
    for name, path in paths.items():
        key = ["patient_id", "image_id"]
        part = frame.loc[frame["set"] == name, [*key, "label", "score"]]
        table = part.merge(read_table(path, MASKED), on=key, how="outer", validate="one_to_one")
        if len(table) != len(part) or table[[*MASKS, "score"]].isna().any().any():
            raise StudyError(
                f"'{path}' does not hold the patients of '{name}'. Delete it and run again; it is made anew."
            )
        tables[name] = table
    return tables


def masked_rows(masked: Mapping[str, pd.DataFrame], confidence: float, proc: object | None) -> list[dict]:
    """Rows of the analysis ``masked``: the AUC with each part covered, and DeLong's paired differences
    (CONTRASTS).
    """
    rows = []
    names = ["unmasked", *MASKS]
    for name, table in masked.items():
        table = table.rename(columns={"score": "unmasked"})
        labels, scores = arrays(table, names)
        base = {"set": name, "analysis": "masked", "n": len(labels), "n_pos": int(labels.sum())}
        shown = {mask: auc_of(labels, scores[i], confidence) for i, mask in enumerate(names)}
        rows.append({**base, "subject": "unmasked", **shown["unmasked"]})
        for test in compare_set(labels, scores, names, CONTRASTS, confidence, proc, name):
            kept = ("difference", "difference_low", "difference_high", "p_value", "engine", "note")
            mask = test["model_a"]
            rows.append(
                {
                    **base,
                    "subject": mask,
                    "against": test["model_b"],
                    **shown[mask],
                    **{key: test[key] for key in kept},
                }
            )
    return rows


def shortcut_table(
    frame: pd.DataFrame,
    masked: Mapping[str, pd.DataFrame],
    sets: Sequence[str],
    confidence: float,
    seed: int,
    proc: object | None,
) -> pd.DataFrame:
    """``SHORTCUTS``: all three analyses.

    ``frame`` comes from ``with_films``, ``masked`` from ``read_masked``.
    """
    rows = variable_rows(frame, sets, confidence, seed) + manufacturer_rows(frame, sets, confidence)
    return pd.DataFrame(rows + masked_rows(masked, confidence, proc), columns=list(SHORTCUTS))
