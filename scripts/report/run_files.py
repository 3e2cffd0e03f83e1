"""Everything that the report is written from, read once from the run's result files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from scripts.common.catalogue import SEVERAL_NETWORKS, shown_figures, shown_statistics
from scripts.common.contracts.cohort import COHORT, FLOW, PREDICTIONS
from scripts.common.contracts.intake import FILES, FILMS
from scripts.common.errors import StudyError
from scripts.common.language.names import titled
from scripts.common.predictors import Predictor
from scripts.common.strata import Strata, strata_of_frame
from scripts.common.study_models import StudyModel, labels_of, study_models
from scripts.common.tables import read_table
from scripts.common.vocabulary import ABLATION, TRAIN

STATISTICS = shown_statistics((SEVERAL_NETWORKS,))
"""Tables of ``results/statistics`` that the report reads, by name, as far as the study has them."""

FIGURES = shown_figures()
"""Figures of ``results/figures`` that the report shows. Those with films on them are bitmaps."""

FILM_COLUMNS = ["image_id", "status", "burned_in", "verdict", "verdict_reason"]


@dataclass(frozen=True)
class RunFiles:
    """The run's results, as frames. ``centers``, ``sets`` and ``models`` are in the config's order;
    ``fold_scores`` are by network and set.
    """

    centers: list[str]
    sets: list[str]
    labels: dict[str, str]
    models: list[StudyModel]
    main_network: str
    files: pd.DataFrame
    films: dict[str, pd.DataFrame]
    contact_sheets: dict[tuple[str, str], Path]
    cohort: pd.DataFrame
    flow: pd.DataFrame
    predictions: pd.DataFrame
    statistics: dict[str, pd.DataFrame]
    fold_scores: dict[tuple[str, str], pd.DataFrame]
    figures: dict[str, Path]
    provenance: dict[str, Any]
    predictors: dict[str, Predictor]

    @property
    def config(self) -> dict[str, Any]:
        """The config as resolved, redacted."""
        return self.provenance["config"]

    @property
    def synthetic(self) -> bool:
        return bool(self.provenance["synthetic"])

    @property
    def networks(self) -> list[str]:
        """The networks that are shown for themselves, the main network first; ablations aren't."""
        names = [one.name for one in self.models if one.network and one.role != ABLATION]
        return sorted({self.main_network, *names}, key=[self.main_network, *names].index)

    @property
    def model_labels(self) -> dict[str, str]:
        """Models as the reader sees them."""
        return labels_of(self.models)

    @property
    def strata(self) -> Strata:
        """Whether the development centre's sets and folds are stratified by today's labels."""
        settings = self.config["cohort"]
        return strata_of_frame(self.cohort, settings["test_fraction"], settings["folds"])

    def center_of(self, name: str) -> str:
        """A centre as the reader sees it."""
        return self.labels.get(name) or titled(name)


def read_statistics(paths: Mapping[str, str | Path]) -> dict[str, pd.DataFrame]:
    """The statistics tables by name; ``StudyError`` where a file lacks a column that the report needs."""
    frames = {}
    for name, path in paths.items():
        try:
            frame = pd.read_csv(path, encoding="utf-8", keep_default_na=False, na_values=[""])
        except pd.errors.EmptyDataError:
            raise StudyError(f"'{path}' is empty. Delete it and run again; it is made anew.") from None
        absent = [column for column in STATISTICS[name] if column not in frame.columns]
        if absent:
            raise StudyError(
                f"'{path}' lacks the column '{absent[0]}'. Delete the file and run again; it is made anew."
            )
        frames[name] = frame
    return frames


def read_fold_scores(path: str | Path) -> pd.DataFrame:
    """``patient_id`` and each fold's probability (``fold_0`` ...) of a test set."""
    frame = read_table(path, {"patient_id": "text"})
    return frame[[name for name in frame.columns if name == "patient_id" or name.startswith("fold_")]]


def read_films(path: str | Path) -> pd.DataFrame:
    """A centre's ``films.csv``, only the columns that the report uses."""
    return read_table(path, FILMS.only(*FILM_COLUMNS))[FILM_COLUMNS]


def read_run(
    *,
    labels: Mapping[str, str | None],
    models: Sequence[Mapping[str, Any]],
    main_network: str,
    predictors: Sequence[Mapping[str, Any]],
    test_sets: Sequence[str],
    files: str | Path,
    films: Sequence[str | Path],
    reject_sheets: Sequence[str | Path],
    review_sheets: Sequence[str | Path],
    cohort: str | Path,
    flow: str | Path,
    predictions: str | Path,
    statistics: Mapping[str, str | Path],
    fold_scores: Mapping[str, Sequence[str | Path]],
    figures: Mapping[str, str | Path],
    provenance: str | Path,
) -> RunFiles:
    """Read the run.

    ``labels`` (centre to label or None) gives the order of the centres, and so of films and sheets;
    ``predictors`` are the study's, as plain values.

    ``models`` are those of the config (``Config.shown_models``). ``fold_scores`` are, by network, its
    scores of the test sets, in the order of ``test_sets``.
    """
    centers = list(labels)
    sheets = {}
    for verdict, paths in (("reject", reject_sheets), ("review", review_sheets)):
        sheets.update({(center, verdict): Path(path) for center, path in zip(centers, paths)})
    return RunFiles(
        centers=centers,
        sets=[TRAIN, *test_sets],
        labels={name: label for name, label in labels.items() if label},
        models=study_models(models),
        main_network=main_network,
        files=read_table(files, FILES),
        films={center: read_films(path) for center, path in zip(centers, films)},
        contact_sheets=sheets,
        cohort=read_table(cohort, COHORT),
        flow=read_table(flow, FLOW),
        predictions=read_table(predictions, PREDICTIONS),
        statistics=read_statistics(statistics),
        fold_scores={
            (network, name): read_fold_scores(path)
            for network, paths in fold_scores.items()
            for name, path in zip(test_sets, paths, strict=True)
        },
        figures={name: Path(path) for name, path in figures.items()},
        provenance=json.loads(Path(provenance).read_text(encoding="utf-8")),
        predictors={one["name"]: Predictor.of(one) for one in predictors},
    )
