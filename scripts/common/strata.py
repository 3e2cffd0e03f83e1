"""Whether the development centre's split is stratified by today's labels.

A lock keeps the split while patients and labels change.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from scripts.common import progress
from scripts.common.vocabulary import INTERNAL_TEST, TRAIN

SLACK = 0.01
"""Shares of osteoporosis, and of patients, that differ by this much or less count as alike."""


def test_quotas(sizes: Mapping[int, int], test_fraction: float) -> dict[int, int]:
    """Test patients per label: ``test_fraction`` of all, halves up, spread by largest remainder (Hamilton).

    ``sizes`` are the patients per label. The paper's 1,518 + 2,760 patients at 0.2 give 304 + 552 = 856.
    """
    share = Fraction(str(test_fraction))
    total = int(share * sum(sizes.values()) + Fraction(1, 2))
    quotas = {label: int(share * n) for label, n in sizes.items()}
    by_remainder = sorted(sizes, key=lambda label: (quotas[label] - share * sizes[label], -label))
    for label in by_remainder[: max(0, total - sum(quotas.values()))]:
        quotas[label] += 1
    return quotas


test_quotas.__test__ = False  # a function of the study, not a test


@dataclass(frozen=True)
class Part:
    """A set or a fold: its patients without and with osteoporosis."""

    non_op: int
    op: int

    @property
    def n(self) -> int:
        return self.non_op + self.op

    @property
    def share(self) -> float:
        """Share of osteoporosis; 0 in an empty part."""
        return self.op / self.n if self.n else 0.0


@dataclass(frozen=True)
class Strata:
    """Both sets and the folds of the training set, as they are today.

    Attributes
    ----------
    train, test : the development centre's sets
    folds : the training set's folds, in their order
    sets_hold : whether a new draw today would give the sets the same sizes per label, within the slack
    folds_hold : the same of the folds
    """

    train: Part
    test: Part
    folds: tuple[Part, ...]
    sets_hold: bool
    folds_hold: bool

    @property
    def hold(self) -> bool:
        return self.sets_hold and self.folds_hold

    @property
    def test_share(self) -> float:
        """Share of the development centre's patients in the internal test set; 0 where there is nobody."""
        whole = self.train.n + self.test.n
        return self.test.n / whole if whole else 0.0

    def warnings(self) -> list[str]:
        """A sentence where the sets, and one where the folds, are stratified by today's labels no longer."""
        out = []
        if not self.sets_hold:
            out.append(progress.sets_uneven(self.train.share, self.test.share, self.test_share))
        if not self.folds_hold:
            out.append(progress.folds_uneven([fold.share for fold in self.folds]))
        return out


def _alike(part: Part, expected: Mapping[int, float], whole: Part, share_of_whole: float) -> bool:
    """Whether a part has what is expected of it per label, to the whole patient, or the shares of the
    whole.
    """
    drawn = abs(part.non_op - expected[0]) < 1 and abs(part.op - expected[1]) < 1
    size = part.n / whole.n if whole.n else 0.0
    return drawn or (abs(part.share - whole.share) <= SLACK and abs(size - share_of_whole) <= SLACK)


def strata_of(patients: Iterable[tuple[str, int, int]], test_fraction: float, folds: int) -> Strata:
    """The strata of (set, fold, label) of patients.

    The fold of a test patient may be anything; patients of other centres play no part.
    """
    counts: Counter[tuple[str, int, int]] = Counter(patients)

    def part(name: str, fold: int | None = None) -> Part:
        chosen = {
            label: sum(
                n
                for (s, k, y), n in counts.items()
                if s == name and y == label and (fold is None or k == fold)
            )
            for label in (0, 1)
        }
        return Part(chosen[0], chosen[1])

    train, test = part(TRAIN), part(INTERNAL_TEST)
    whole = Part(train.non_op + test.non_op, train.op + test.op)
    quotas = test_quotas({0: whole.non_op, 1: whole.op}, test_fraction)
    parts = tuple(part(TRAIN, fold) for fold in range(folds))
    per_fold = {0: train.non_op / folds, 1: train.op / folds}
    return Strata(
        train,
        test,
        parts,
        _alike(test, quotas, whole, test_fraction),
        all(_alike(one, per_fold, train, 1 / folds) for one in parts),
    )


def strata_of_frame(cohort: Any, test_fraction: float, folds: int) -> Strata:
    """The strata of a cohort as a data frame (``set``, ``fold``, ``label``)."""
    numbers = cohort["fold"].fillna(-1).astype(int)
    return strata_of(zip(cohort["set"], numbers, cohort["label"].astype(int)), test_fraction, folds)


def read_strata(path: str | Path, test_fraction: float, folds: int) -> Strata:
    """The strata of a cohort table (``set``, ``fold``, ``label``)."""
    with Path(path).open(encoding="utf-8", newline="") as stream:
        rows = [
            (row["set"], int(float(row["fold"] or -1)), int(float(row["label"])))
            for row in csv.DictReader(stream)
        ]
    return strata_of(rows, test_fraction, folds)
