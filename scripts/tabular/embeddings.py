"""Image embeddings: one row of numbers per image id, checked against a set's patients."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from scripts.common.contracts.cohort import COHORT, PREDICTIONS
from scripts.common.errors import StudyError
from scripts.tabular.predictors import Design

MOST_COLUMNS = 8**2 * 1280
"""Embeddings with more columns than a grid of 8 x 8 cells of the widest trunk are probably another table."""

LARGEST = 1e30
"""Larger numbers, either way, are no embedding's; their squares would leave what a computer counts."""

NO_EMBEDDING = frozenset({*COHORT, *PREDICTIONS, "index", "row"} - {"image_id"})
"""Columns that tell of the patient or count rows; as a part of the embedding they would tell the label."""


def read_embeddings(path: str | Path, where: str) -> pd.DataFrame:
    """The embeddings of a CSV with the column ``image_id`` and numbers behind it, indexed by image id.

    Raises
    ------
    StudyError
        Where the file can't be read, an image stands twice, or a value is no number. ``where`` is the key of
        the config, or the rule, that names the file.
    """
    try:
        table = pd.read_csv(path, dtype={"image_id": str}, encoding="utf-8-sig")
    except OSError:
        raise StudyError(f"{where}: there is no file '{path}'.") from None
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError):
        raise StudyError(
            f"{where}: '{path}' is no CSV in UTF-8 with 'image_id' and a column per number of the embedding."
        ) from None
    table.columns = [str(name).strip() for name in table.columns]
    if "image_id" not in table.columns or len(table.columns) < 2:
        raise StudyError(f"{where}: '{path}' needs the column 'image_id' and a column per number behind it.")
    if len(table.columns) - 1 > MOST_COLUMNS:
        raise StudyError(
            f"{where}: '{path}' has {len(table.columns) - 1} columns of numbers, more than {MOST_COLUMNS}; is"
            " it an embedding per image?"
        )
    other = [name for name in table.columns if name in NO_EMBEDDING or name.startswith("Unnamed:")]
    if other:
        raise StudyError(
            f"{where}: '{path}' has the column '{other[0]}', which is no number of an embedding; leave it out"
            " (pandas: to_csv(index=False))."
        )
    table["image_id"] = table["image_id"].fillna("").str.strip()
    twice = int(table["image_id"].duplicated().sum())
    if twice:
        raise StudyError(f"{where}: '{path}' holds {twice} image(s) twice; give one row per image id.")
    values = table.drop(columns="image_id").apply(pd.to_numeric, errors="coerce").astype("float64")
    bad = int((~np.isfinite(values)).any(axis=1).sum())
    if bad:
        raise StudyError(f"{where}: '{path}' holds values that are missing or no numbers, in {bad} row(s).")
    large = [name for name in values if (values[name].abs() > LARGEST).any()]
    if large:
        raise StudyError(
            f"{where}: '{path}' holds numbers beyond {LARGEST:.0e} in the column '{large[0]}'; make the"
            " embeddings again, or leave the column out."
        )
    return values.set_index(pd.Index(table["image_id"], name="image_id"))


def embedding_design(cohort: pd.DataFrame, embeddings: pd.DataFrame, name: str, where: str) -> Design:
    """The embeddings of the patients of ``cohort``, in their order.

    Raises ``StudyError`` where a patient's film of the set ``name`` has none.
    """
    absent = int((~cohort["image_id"].isin(embeddings.index)).sum())
    if absent:
        raise StudyError(
            f"{where}: {absent} of {len(cohort)} films of '{name}' have no embedding. Make one for every PNG"
            " that results/cohort/cohort.csv names by its image_id."
        )
    rows = embeddings.loc[cohort["image_id"]]
    return Design(tuple(embeddings.columns), rows.to_numpy(dtype="float64"))


def together(tables: Sequence[pd.DataFrame], where: str) -> pd.DataFrame:
    """Embeddings of several files under each other. ``StudyError`` where their columns differ."""
    first = list(tables[0].columns)
    if any(list(table.columns) != first for table in tables):
        raise StudyError(f"{where}: the files of embeddings differ in their columns; make them all again.")
    whole = pd.concat(tables)
    return whole[~whole.index.duplicated()]
