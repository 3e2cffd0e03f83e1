"""Say, per centre, what a study's own data will give: ``make check-data``.

Reads headers and tables, writes nothing.

python -m scripts.check.check_data [--configfile config/mine.yaml ...]
"""

from __future__ import annotations

import argparse
import functools
import sys
from pathlib import Path

from scripts.check.expectations import Expectation, expect, shared_patients
from scripts.check.plausibility import by_age_and_sex
from scripts.check.predictor_values import medians_side_by_side
from scripts.cohort.selection import Selection
from scripts.common.config import check_paths, read_config, with_sources
from scripts.common.config.files import laid_over, read_config_file
from scripts.common.errors import StudyError
from scripts.common.key import open_key
from scripts.common.key_record import refuse_another_key
from scripts.common.log import Log
from scripts.common.vocabulary import DEVELOPMENT, EXTERNAL


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole} ({100 * part / whole:.0f} %)" if whole else "0 of 0"


def _selected(selection: Selection, heading: str) -> list[str]:
    n, n_op = len(selection.cohort), int(selection.cohort["label"].sum())
    lines = [f"  {heading}: {n} patients, {n_op} with osteoporosis ({100 * n_op / n:.0f} %)"]
    reasons = selection.excluded["reason"].value_counts()
    for step in selection.flow["step"]:
        if step in reasons.index:
            lines.append(f"    left out, {step.replace('_', ' ')}: {reasons[step]}")
    notes = selection.flow[(selection.flow["kind"] == "note") & (selection.flow["n_patients"] > 0)]
    lines += [
        f"    of those included, {step.replace('_', ' ')}: {n}"
        for step, n in zip(notes["step"], notes["n_patients"])
    ]
    return lines + by_age_and_sex(selection.cohort)


def described(found: Expectation) -> list[str]:
    """The report of one centre, as lines. Counts and codes only, no id, name, date or path of a patient."""
    usable = found.n_files - sum(found.refused.values())
    lines = [f"{found.center} ({found.role})"]
    if found.handed_over:
        lines.append(
            "  handed over by another site; ids are its pseudonyms, and the films' contents are checked when"
            " they are read"
        )
    lines.append(f"  Films: {found.n_files} files, {usable} usable by their headers")
    lines += [
        f"    not usable, {reason.replace('_', ' ')}: {n}" for reason, n in sorted(found.refused.items())
    ]
    lines += [f"    view {view}: {n}" for view, n in sorted(found.views.items())]
    if found.n_makers_lost:
        lines.append(
            "    manufacturer not kept (not in plain Latin letters, with a long number, or a part of the "
            f"institution's name): {found.n_makers_lost}; these films count as of an unknown one"
        )
    lines.append("  Ids:")
    for kind, label, ids in (
        ("patients", "patient table", found.patient_ids),
        ("dxa", "DXA table", found.dxa_ids),
    ):
        if kind not in found.tables_read:
            lines.append(f"    {label}: not compared, it can't be read yet (TO FIX, below)")
            continue
        both = len(found.film_ids & ids)
        lines.append(f"    patients of the films in the {label}: {_share(both, len(found.film_ids))}")
        lines.append(f"    patients of the {label} with a film: {_share(both, len(ids))}")
    if found.accounts or found.issues or found.missing or found.unknown_codes:
        lines.append("  Tables:")
    lines += [f"    {line}" for line in found.accounts]
    lines += [f"    {table}: {reason.replace('_', ' ')}: {n} rows" for table, reason, n in found.issues]
    lines += [
        f"    {table}: {name}: {n} of {rows} cells empty or unreadable"
        for table, name, n, rows in found.missing
    ]
    lines += [
        f"    {where}: codes that the config doesn't know: {', '.join(several)}"
        for where, several in found.unknown_codes
    ]
    if found.predictors:
        lines += ["  Predictors:", *(f"    {line}" for line in found.predictors)]
    lines += [f"  HINT: {hint}" for hint in found.hints]
    if found.selection is not None:
        lines += _selected(found.selection, "Expected cohort, before the films' pixels are looked at")
    if found.screened is not None:
        lines += _selected(found.screened, "Expected cohort, with the exposure screening of the last run")
    lines += [f"  TO FIX: {fault}" for fault in found.faults]
    return lines


def main(arguments: list[str] | None = None) -> int:
    """Print the report; 1 where something must be fixed before a run."""
    parser = argparse.ArgumentParser(description="What the study's own data will give.")
    parser.add_argument("--configfile", nargs="+", action="extend", default=[], help="laid over config.yaml")
    given = parser.parse_args(arguments)
    faults = 0
    try:
        files = {path: read_config_file(path) for path in ("config.yaml", *given.configfile)}
        config = read_config(functools.reduce(laid_over, files.values()), files)
        check_paths(config, files)
        key = open_key(config.study.key_file, config.study.seed)
        try:
            refuse_another_key(key)
        except StudyError as error:
            print(f"TO FIX: {error}\n")
            faults += 1
        cohort = config.cohort.model_dump(mode="json", exclude={"test_fraction", "folds"})
        split = config.cohort.model_dump(mode="json", include={"test_fraction", "folds"})
        looked_at: list[Expectation] = []
        for entry in config.running:
            center = with_sources(entry)
            if entry.simulate is not None and not Path(center.dicom).is_dir():
                print(f"{entry.name} ({entry.role})\n  simulated; its data are not made yet\n")
                continue
            found = expect(
                center,
                key,
                config.intake.frontal_view.model_dump(),
                cohort,
                Log(None, "check_data"),
                split=split,
                predictors=config.predictors,
            )
            print("\n".join(described(found)) + "\n", flush=True)
            faults += len(found.faults)
            looked_at.append(found)
        lines, hints = medians_side_by_side([(f.center, f.medians) for f in looked_at], config.predictors)
        told = [*lines, *(f"HINT: {hint}" for hint in hints)]
        print("".join(f"{line}\n\n" for line in told), end="")
        for developed in (f for f in looked_at if f.role == DEVELOPMENT):
            told = [shared_patients(developed, found) for found in looked_at if found.role == EXTERNAL]
            print("".join(f"{line}\n\n" for line in told if line), end="")
    except StudyError as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return 1
    if faults:
        print(f"{faults} thing(s) to fix before a run: see the lines 'TO FIX' above.")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
