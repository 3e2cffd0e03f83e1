"""Statistics of scores that were made elsewhere: ``make statistics``.

Two tables in, every table and figure of the stage out.

    python -m scripts.statistics.own_tables --predictions my/predictions.csv --cohort my/cohort.csv --to out
    [--flow my/flow.csv]
        [--configfile my.yaml ...]

The two tables are checked and written into the folder as the stage reads them; then its rules run there as in
a study.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from scripts.common.config import Config, read_config
from scripts.common.config.files import laid_over, read_config_file
from scripts.common.config.shown_names import refuse_alike, words_beside_models
from scripts.common.contracts.cohort import COHORT, FLOW, PREDICTIONS
from scripts.common.cutoffs import rounded
from scripts.common.errors import StudyError
from scripts.common.files import atomic_path, write_text
from scripts.common.language import Language
from scripts.common.language.names import Names
from scripts.common.tables import read_table
from scripts.common.vocabulary import EVERYONE_POSITIVE, INTERNAL_TEST, TRAIN, TREAT_ALL, TREAT_NONE
from scripts.statistics.scored_cohort import check_scores

ROOT = Path(__file__).resolve().parents[2]

KEYS = ["center", "patient_id"]
NEEDED = ("patient_id", "center", "set", "label")
"""Columns that the predictions must have; ``fold`` may be there, and the scores must be."""

SECTIONS = ("study", "statistics", "tables")
"""Sections of the config that play a part here."""


def read_csv(path: str | Path, what: str, needed: tuple[str, ...]) -> pd.DataFrame:
    """A CSV as text, cells stripped of blanks around them, empty where nothing stands.

    ``StudyError`` with one sentence where it can't be used.
    """
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig", index_col=False)
    except FileNotFoundError:
        raise StudyError(f"The {what}: there is no file '{path}'.") from None
    except OSError as error:
        raise StudyError(f"The {what}: '{path}' can't be opened ({error.strerror}).") from None
    except UnicodeDecodeError:
        raise StudyError(f"The {what}: '{path}' is no UTF-8 text; save it as CSV in UTF-8.") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError):
        raise StudyError(
            f"The {what}: '{path}' is no CSV with a line of column names and as many commas in every line."
        ) from None
    frame.columns = [str(name).strip() for name in frame.columns]
    absent = [name for name in needed if name not in frame.columns]
    if absent:
        found = ", ".join(frame.columns) or "none"
        raise StudyError(
            f"The {what}: there is no column '{absent[0]}'; found: {found}. Columns are told apart by commas."
        )
    twice = sorted(
        {name for name in frame.columns if list(frame.columns).count(name) > 1 or name.startswith("Unnamed:")}
    )
    if twice:
        raise StudyError(
            f"The {what}: the column name '{twice[0]}' is empty or stands twice; every column needs its own."
        )
    if frame.empty:
        raise StudyError(f"The {what}: '{path}' holds no patient.")
    return frame.apply(lambda column: column.str.strip())


def _rows(bad: pd.Series) -> str:
    """``3 row(s), the first in line 7``: lines of the file, its head being line 1."""
    return f"{int(bad.sum())} row(s), the first in line {int(np.flatnonzero(bad)[0]) + 2}"


def check_keys(frame: pd.DataFrame, what: str) -> None:
    """Refuse rows without a patient, a centre or a set, sets written in two ways, and a patient who stands
    twice in a centre.
    """
    for name in ("patient_id", "center", "set"):
        if name in frame.columns and frame[name].eq("").any():
            raise StudyError(
                f"The {what}: the column '{name}' is empty in {_rows(frame[name].eq(''))}; fill it in."
            )
    sets = sorted({*frame["set"], TRAIN}) if "set" in frame.columns else []
    for name, other in itertools.combinations(sets, 2):
        if name.casefold() == other.casefold():
            raise StudyError(
                f"The {what}: 'set' holds '{name}', which differs from '{other}' in capitals only; write it"
                f" in one way ('{TRAIN}' is the training set)."
            )
    twice = frame.duplicated(KEYS)
    if twice.any():
        raise StudyError(
            f"The {what}: a patient stands twice within a centre, in {_rows(twice)}; give one row per"
            " patient."
        )


def labels_of(frame: pd.DataFrame, what: str) -> pd.Series:
    """The labels, 0 or 1; ``1.0`` counts as 1."""
    numbers = pd.to_numeric(frame["label"], errors="coerce")
    wrong = ~numbers.isin([0, 1])
    if wrong.any():
        raise StudyError(
            f"The {what}: 'label' must be 1 (osteoporosis) or 0 (none), but is something else in"
            f" {_rows(wrong)}."
        )
    return numbers.astype(int)


def scored_patients(path: str | Path, wanted: list[str]) -> tuple[pd.DataFrame, list[str]]:
    """The predictions with the columns of ``PREDICTIONS`` and the scores behind them, cells as in the file;
    and the models' names.

    ``wanted`` are the score columns, empty for all further ones.
    """
    what = "predictions"
    frame = read_csv(path, what, NEEDED)
    check_keys(frame, what)
    frame["label"] = labels_of(frame, what)
    models = wanted or [name for name in frame.columns if name not in PREDICTIONS]
    absent = [name for name in models if name not in frame.columns]
    if absent:
        raise StudyError(
            f"tables.models: the predictions have no column '{absent[0]}'; found: {', '.join(frame.columns)}."
        )
    taken = [name for name in models if name in (*PREDICTIONS, EVERYONE_POSITIVE, TREAT_ALL, TREAT_NONE)]
    if taken:
        raise StudyError(
            f"The predictions: the score column '{taken[0]}' needs another name; this one is taken."
        )
    numbers = frame.assign(**{name: pd.to_numeric(frame[name], errors="coerce") for name in models})
    for name in models:
        words = (
            numbers[name].isna()
            & frame[name].ne("")
            & ~frame[name].str.lower().isin(["nan", "na", "inf", "-inf"])
        )
        if words.all():
            raise StudyError(
                f"The predictions: the column '{name}' holds no numbers; where it is no score, name the"
                " scores in 'tables.models' of the config."
            )
    check_scores(numbers, models, str(path))
    if "fold" not in frame.columns:
        frame["fold"] = ""
    folds = pd.to_numeric(frame["fold"], errors="coerce")
    wrong = frame["fold"].ne("") & (folds.isna() | folds.ne(folds.round()))
    if wrong.any():
        raise StudyError(
            "The predictions: 'fold' must be a whole number or empty, but is something else in"
            f" {_rows(wrong)}."
        )
    return frame[[*PREDICTIONS, *models]], models


_LIMITS = {
    "age": (18, 120), "height_cm": (80, 250), "weight_kg": (20, 350), "bmi": (8, 100), "bmd": (0, 3),
    "t_score": (-10, 10),
    "t_score_lumbar": (-10, 10), "t_score_femoral_neck": (-10, 10), "t_score_total_hip": (-10, 10),
    "label_lumbar": (0, 1), "label_femoral_neck": (0, 1), "label_total_hip": (0, 1),
}  # fmt: skip
"""What a value may be, in years, cm, kg, kg/m2, g/cm2 and standard deviations, and a label of a site; beyond
it a unit or a column is wrong."""


def described_patients(path: str | Path, predictions: pd.DataFrame) -> pd.DataFrame:
    """The cohort with all columns of ``COHORT``, cells as in the file; one that the file lacks is empty.

    Its optional ones follow where the file has them.

    ``label`` and ``set`` are taken from the predictions where the file lacks them. Ages are cut to completed
    years.
    """
    what = "cohort"
    frame = read_csv(path, what, ("patient_id", "center"))
    check_keys(frame, what)
    known = predictions[[*KEYS, "set", "label"]]
    strangers = len(
        known.merge(frame[KEYS], on=KEYS, how="left", indicator=True).query("_merge == 'left_only'")
    )
    if strangers:
        raise StudyError(
            f"{strangers} patient(s) of the predictions are not in the cohort under the same 'patient_id' and"
            " 'center'."
        )
    both = frame[KEYS].merge(known, on=KEYS, how="left")
    given = frame["label"].ne("") if "label" in frame.columns else pd.Series(False, index=frame.index)
    labels = labels_of(frame[given], what) if given.all() else both["label"]
    sets = frame["set"] if "set" in frame.columns else both["set"]
    unknown = labels.isna() | sets.isna()
    if unknown.any():
        raise StudyError(
            f"The cohort: {int(unknown.sum())} patient(s) have no score and no 'label' and 'set' of their"
            " own; give these columns, or leave the patients out."
        )
    for name, column in (("label", labels), ("set", sets)):
        differ = both[name].notna() & both[name].ne(column)
        if differ.any():
            raise StudyError(f"The cohort: '{name}' differs from the predictions in {_rows(differ)}.")
    unscored = both["label"].isna() & sets.isin(predictions["set"])
    if unscored.any():
        raise StudyError(
            f"The cohort: {int(unscored.sum())} patient(s) of a scored set have no scores; score them or"
            " leave them out, so that all tables are of the same patients."
        )
    frame = frame.assign(label=labels.astype(int), set=sets)
    columns = {name: kind for name, kind in COHORT.whole.items() if name in COHORT or name in frame.columns}
    for name, kind in columns.items():
        if name not in frame.columns:
            frame[name] = ""
        elif kind in ("int", "float") and name != "label":
            _check_numbers(frame, name, kind)
    sex = frame["sex"].str.upper()
    if not sex.isin(["F", "M", ""]).all():
        raise StudyError(
            "The cohort: 'sex' must be F, M or empty, but is something else in"
            f" {_rows(~sex.isin(['F', 'M', '']))}."
        )
    return frame.assign(sex=sex)[list(columns)]


def _check_numbers(frame: pd.DataFrame, name: str, kind: str) -> None:
    """Refuse a column with something else than numbers, or with impossible ones; ages become whole."""
    cells = frame[name].where(~frame[name].str.lower().isin(["nan", "na"]), "")
    numbers = pd.to_numeric(cells, errors="coerce").astype(float)
    wrong = cells.ne("") & ~np.isfinite(numbers)
    if wrong.any():
        raise StudyError(
            f"The cohort: '{name}' must be a number or empty, but is something else in {_rows(wrong)}."
        )
    low, high = _LIMITS.get(name, (-np.inf, np.inf))
    beyond = (numbers < low) | (numbers > high)
    if beyond.any():
        raise StudyError(
            f"The cohort: '{name}' lies outside {low} to {high} in {_rows(beyond)}; look at its unit."
        )
    if name == "age":
        numbers = np.floor(rounded(numbers))
    if kind == "int":
        broken = numbers.notna() & numbers.ne(numbers.round())
        if broken.any():
            raise StudyError(
                f"The cohort: '{name}' must be a whole number or empty, but is something else in"
                f" {_rows(broken)}."
            )
        cells = numbers.map(lambda number: "" if np.isnan(number) else str(int(number)))
    frame[name] = cells


def _ordered(found: list[str], wanted: list[str], key: str) -> list[str]:
    """The names of the config where it gives some, else as found. ``StudyError`` for one that isn't there."""
    absent = [name for name in wanted if name not in found]
    if absent:
        raise StudyError(f"tables.{key}: the tables have no '{absent[0]}'; found: {', '.join(found)}.")
    return wanted or found


def test_sets_of(predictions: pd.DataFrame, wanted: list[str]) -> list[str]:
    """The sets that are tested: all but ``train``, ``internal_test`` first, the others as they come."""
    found = [name for name in dict.fromkeys(predictions["set"]) if name != TRAIN]
    found.sort(key=lambda name: name != INTERNAL_TEST)
    if not found:
        raise StudyError(
            "The predictions hold no test set: every row has the set 'train'. Give the test patients another"
            " name of their set."
        )
    return _ordered(found, wanted, "sets")


def settled(
    config: Config,
    given: dict,
    predictions: pd.DataFrame,
    cohort: pd.DataFrame,
    models: list[str],
    flow: bool,
) -> dict:
    """The whole config of the run: what was given, and what the tables say.

    The declared contrast must name two of the models. Its default, that of the study, is left out where it
    does not. Refuses a threshold that training patients must choose where there are none.
    """
    contrast = config.statistics.primary_contrast
    if contrast is not None and not set(contrast) <= set(models):
        if "primary_contrast" in (given.get("statistics") or {}):
            unknown = next(name for name in contrast if name not in models)
            raise StudyError(
                f"statistics.primary_contrast: there is no model '{unknown}'; the models are:"
                f" {', '.join(models)}."
            )
        contrast = None
    train = predictions.loc[predictions["set"] == TRAIN, "label"]
    if config.statistics.threshold.rule != "value" and train.nunique() < 2:
        raise StudyError(
            f"No threshold can be chosen by the rule '{config.statistics.threshold.rule}': the predictions"
            " hold no training patients of both classes with out-of-fold scores (set 'train'). A threshold"
            " chosen on test patients would flatter the models; give one in the config: statistics:"
            " {threshold: {rule: value, value: 0.5}}."
        )
    own = config.tables
    tables = own.model_dump(mode="json") | {
        "models": models,
        "sets": test_sets_of(predictions, own.sets),
        "centers": _ordered(list(dict.fromkeys(cohort["center"])), own.centers, "centers"),
        "flow": flow,
    }
    check_names(tables)
    _check_shown(tables, config.study.language)
    statistics = config.statistics.model_dump(mode="json") | {
        "primary_contrast": list(contrast) if contrast else None
    }
    study = config.study.model_dump(mode="json", exclude={"key_file"})
    return {"study": study, "statistics": statistics, "tables": tables}


def check_names(tables: dict) -> None:
    """Refuse names of models, sets and centres that Snakemake would take for wildcards or variables of a
    path.
    """
    for kind in ("models", "sets", "centers"):
        for name in tables[kind]:
            if set(name) & set("{}<>"):
                raise StudyError(
                    f"The tables: the name '{name}' ({kind}) holds one of {{ }} < >; write it without, and"
                    " give the name to print in 'tables.labels'."
                )


def _check_shown(tables: dict, code: str) -> None:
    """Refuse models, sets and centres of one look, and models that look like a strategy (``StudyError``)."""
    models = {name: tables["labels"].get(name, name) for name in tables["models"]}
    names = Names(Language(code), tables["labels"], models)
    for kind, shown, taken in (
        ("models", map(names.model, tables["models"]), words_beside_models(code)),
        ("sets", map(names.set, tables["sets"]), ()),
        ("centers", map(names.center, tables["centers"]), ()),
    ):
        what = kind.replace("centers", "centres")
        try:
            refuse_alike(f"tables.{kind}", what, list(shown), taken, "name in 'tables.labels'")
        except ValueError as error:
            raise StudyError(f"{error}.") from None


def check_target(to: Path) -> None:
    """Refuse a folder that holds something else: the repository, or a study of its own."""
    marked = to / "config.yaml"
    other = (
        (to / "Snakefile").exists()
        or to.resolve() == ROOT
        or ROOT / "results" in (to.resolve(), *to.resolve().parents)
    )
    if marked.exists() and not other:
        other = not isinstance(read_config_file(marked).get("tables"), dict)
    elif (to / "results").exists():
        other = True
    if other or (to.exists() and not to.is_dir()):
        raise StudyError(
            f"'{to}' holds a study or something else; give a new folder, or one that 'make statistics' made."
        )


def _write(frame: pd.DataFrame, path: Path) -> None:
    with atomic_path(path) as part:
        frame.to_csv(part, index=False, lineterminator="\n", encoding="utf-8")


def prepare(predictions: str, cohort: str, flow: str | None, to: Path, configfiles: list[str]) -> None:
    """Check the tables and write them, with the run's config, into ``to``; nothing is written where one is
    refused.
    """
    files = {path: read_config_file(path) for path in configfiles}
    # a study's own files may be given; what it says of films and models isn't asked for here
    left_out = Config.model_fields.keys() - {"study", "statistics", "tables"}
    merged = functools.reduce(laid_over, files.values(), {})
    given = {key: value for key, value in merged.items() if key not in left_out}
    config = read_config(given | {"tables": given.get("tables") or {}}, files)
    scored, models = scored_patients(predictions, config.tables.models)
    patients = described_patients(cohort, scored)
    config_of_run = settled(config, given, scored, patients, models, flow is not None)
    flow_table = None
    if flow is not None:
        if not Path(flow).is_file():
            raise StudyError(f"The flow table: there is no file '{flow}'.")
        flow_table = read_table(flow, FLOW)
    check_target(to)
    _write(scored, to / "results/predictions.csv")
    _write(patients, to / "results/cohort/cohort.csv")
    if flow_table is not None:
        _write(flow_table, to / "results/cohort/flow.csv")
    write_text(to / "config.yaml", yaml.safe_dump(config_of_run, allow_unicode=True, sort_keys=False))


def run_rules(to: Path, cores: str) -> int:
    """Run the stage's rules in ``to`` and return Snakemake's exit status."""
    command = [
        sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(to),
        "--workflow-profile", str(ROOT / "profiles/default"), "--cores", cores, "--quiet", "rules",
    ]  # fmt: skip
    return subprocess.run(command, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=False).returncode


def main(arguments: list[str] | None = None) -> int:
    """Check, prepare, run; 1 where something was refused."""
    parser = argparse.ArgumentParser(description="Statistics of scores that were made elsewhere.")
    parser.add_argument(
        "--predictions", required=True, help="CSV: patient_id, center, set, label and a column per model"
    )
    parser.add_argument(
        "--cohort", required=True, help="CSV: patient_id, center and what is known of the patients"
    )
    parser.add_argument("--flow", help="CSV: center, step, n_patients, n_op, kind, n_any")
    parser.add_argument("--to", required=True, type=Path, help="folder for all that is made")
    parser.add_argument(
        "--configfile", nargs="+", action="extend", default=[], help="settings: study, statistics, tables"
    )
    parser.add_argument("--cores", default="all")
    given = parser.parse_args(arguments)
    try:
        prepare(given.predictions, given.cohort, given.flow, given.to, given.configfile)
    except StudyError as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return 1
    status = run_rules(given.to.resolve(), given.cores)
    if status == 0:
        print(f"All tables and figures: {given.to}/results/index.html")
    return status


if __name__ == "__main__":
    sys.exit(main())
