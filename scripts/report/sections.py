"""The sections of the report, each built from the run's files."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from scripts.common.catalogue import CATALOGUE
from scripts.common.film_policy import contact_sheet_decision
from scripts.common.scores import ONE_SCORE
from scripts.common.vocabulary import (
    ACCEPTED,
    BASELINES,
    EVERYONE_POSITIVE,
    MODELS,
    NO_VALUE,
    OSTA_PUBLISHED,
    PASS,
    PROPORTIONS,
    QUARANTINED,
    REJECT,
    REJECTED,
    REVIEW,
    TREAT_ALL,
    TREAT_NONE,
)
from scripts.report import formatting as fmt
from scripts.report.charts import score_distributions
from scripts.report.checklists import ANSWERS, NAMES, Filled, filled, read_checklist
from scripts.report.facts import facts_of
from scripts.report.formatting import percentage
from scripts.report.page import Bullets, Cell, Column, Figure, Heading, Paragraph, Section, Table, data_uri
from scripts.report.prose import Prose
from scripts.report.run_files import SPREAD, RunFiles
from scripts.report.wording import Words

LONG_TABLE = 20
"""A table with more rows than this is collapsed."""

LONG_MAIN_TABLE = 60
"""The same for Table 1, Table 2 and the DeLong tests."""

PERCENTAGES = (
    "sensitivity",
    "specificity",
    "accuracy",
    "ppv",
    "npv",
    "prevalence",
    "sensitivity_minus_main",
    "specificity_minus_main",
)
PROSE = ("note",)
"""Columns of whole sentences."""
WHOLE = ("n", "n_pos", "n_missing", "n_capped", "from_age", "n_clipped", "missing")


class Names:
    """Names of sets, models and centres as the reader sees them."""

    def __init__(self, run: RunFiles, words: Words) -> None:
        self.sets = {"train": words("set_train"), "internal_test": words("set_internal_test")}
        self.sets |= {name: run.center_of(name) for name in run.sets if name not in self.sets}
        self.scored = self.sets | {"train": words("out_of_fold", set=self.sets["train"])}
        self.models = {
            name: words("model_" + name)
            for name in (*MODELS, EVERYONE_POSITIVE, *BASELINES, OSTA_PUBLISHED, TREAT_ALL, TREAT_NONE)
        }
        self.centers = {name: run.center_of(name) for name in run.centers}

    def set(self, name: str) -> str:
        return self.sets.get(name, name)

    def model(self, name: str) -> str:
        return self.models.get(name, name)

    def center(self, name: str) -> str:
        return self.centers.get(name, self.sets.get(name, name))


def text_cell(value: Any) -> Cell:
    return Cell(NO_VALUE if fmt.is_missing(value) else str(value))


def number_cell(value: Any, show: Callable[[Any], str]) -> Cell:
    """A number shown by ``show`` that sorts by its full value."""
    return Cell(show(value), None if fmt.is_missing(value) else float(value))


def interval_cell(row: Any, name: str, show: Callable[[Any], str]) -> Cell:
    """``name`` with ``name_low`` and ``name_high`` of a row (a series or a dict), where it has them."""
    value = row[name]
    if fmt.is_missing(value):
        return text_cell(None)
    return Cell(
        show(value), float(value), fmt.interval(row.get(f"{name}_low"), row.get(f"{name}_high"), show)
    )


def any_cell(value: Any) -> Cell:
    """A cell of a column whose meaning the report does not know: whole numbers as such, others with three
    digits.
    """
    if isinstance(value, str) or fmt.is_missing(value):
        return text_cell(value)
    if float(value).is_integer():
        return number_cell(value, fmt.count)
    return number_cell(value, fmt.decimal)


def _table(
    id: str,
    caption: str,
    columns: Sequence[Column],
    rows: Sequence[Sequence[Cell]],
    notes: Sequence[str] = (),
    longest: int = LONG_TABLE,
) -> Table:
    return Table(id, caption, columns, rows, notes, collapsed=len(rows) > longest)


class Report:
    """Builds the sections, one method each, in the words of one language."""

    def __init__(self, run: RunFiles, words: Words) -> None:
        self.run = run
        self.words = words
        self.names = Names(run, words)
        self._shown: set[str] = set()
        self.level = percentage(run.config["statistics"]["confidence"])
        self.prose = Prose(words.language, facts_of(run, self.names.sets, self.names.models))

    def sections(self) -> list[Section]:
        """All sections in reading order."""
        builders = [
            self.summary,
            self.flow,
            self.exposure,
            self.table1,
            self.table2,
            self.delong,
            self.baselines,
            self.roc,
            self.decision_curves,
            self.calibration,
            self.subgroups,
            self.prevalence,
            self.sensitivity,
            self.missing,
            self.shortcuts,
            self.gradcam,
            self.training,
            self.scores,
            self.model_card,
            self.methods,
            self.software,
            self.checksums,
            self.limits,
        ]
        built = {build.__name__: build() for build in builders}
        sections = [
            Section(name, self.words(name), [*blocks, *self._further(name)]) for name, blocks in built.items()
        ]
        titles = {section.id: section.title for section in sections}
        titles |= {
            part.id: part.caption
            for section in sections
            for part in section.blocks
            if isinstance(part, Table)
        }
        return sections + [Section(name, self.words(name), self._checklist(name, titles)) for name in NAMES]

    # -------------------------------------------------------------------------------------------- parts

    def _frame(self, name: str) -> pd.DataFrame:
        self._shown.add(f"statistics/{name}")
        return self.run.statistics[name]

    def _further(self, section: str) -> list[Any]:
        """The results whose place in the catalogue is ``section``, and that no section shows in a way of its
        own: figures, and tables as they are, under their titles.
        """
        rows = [row for row in CATALOGUE if row.place == section and row.name not in self._shown]
        return [
            self._figure(row.stem, row.titled(self.words.language))
            if row.folder == "figures"
            else self._measures(row.stem, f"table-{row.stem}", row.titled(self.words.language))
            for row in rows
        ]

    def _figure(self, name: str, caption: str) -> Figure:
        self._shown.add(f"figures/{name}")
        return Figure(f"figure-{name}", caption, data_uri(self.run.figures[name]), caption)

    def _test_rows(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The rows in the order of the config's sets; a set that the config doesn't know comes last."""
        order = {name: i for i, name in enumerate(self.run.sets)}
        return frame.sort_values("set", key=lambda s: s.map(order).fillna(len(order)), kind="stable")

    def _titles(self, *keys: str) -> list[Column]:
        texts = {
            "set",
            "model",
            "center",
            "variable",
            "reason",
            "test",
            "step",
            "status",
            "engine",
            "rule",
            "note",
        }
        texts |= {
            "variables",
            "model_a",
            "model_b",
            "file",
            "sha256",
            "package",
            "version",
            "input",
            "keyed",
            "group",
            "value",
        }
        return [Column(self.words.get(key, key.replace("_", " ")), key not in texts) for key in keys]

    # ----------------------------------------------------------------------------------------- sections

    def summary(self) -> list[Any]:
        run, words, names = self.run, self.words, self.names
        frame = self._frame("table2")
        models = [m for m in dict.fromkeys(frame["model"]) if m != EVERYONE_POSITIVE]
        rows = []
        for name in run.sets[1:]:
            part = frame[frame["set"] == name].set_index("model")
            cells = [text_cell(names.set(name))]
            if len(part):
                first = part.iloc[0]
                cells += [number_cell(first["n"], fmt.count), number_cell(first["n_pos"], fmt.count)]
            else:
                cells += [text_cell(None), text_cell(None)]
            cells += [
                interval_cell(part.loc[m], "auc", fmt.auc) if m in part.index else text_cell(None)
                for m in models
            ]
            rows.append(cells)
        columns = [*self._titles("set", "n", "n_pos"), *(Column(names.model(m)) for m in models)]
        n, op = len(run.cohort), int((run.cohort["label"] == 1).sum())
        blocks: list[Any] = [
            Paragraph(
                words(
                    "summary_counts",
                    centers=len(run.centers),
                    n=fmt.count(n),
                    op=fmt.count(op),
                    level=self.level,
                )
            ),
            Table("table-summary", words("auc"), columns, rows),
        ]
        return [*blocks, *self._contrast(), Paragraph(words("sort_hint"), "note needs-script")]

    def _contrast(self) -> list[Any]:
        """The declared main comparison in every test set where it was tested, as a table."""
        first, second = self.run.config["statistics"]["primary_contrast"]
        rows = []
        for row in self._test_rows(self._frame("delong")).to_dict("records"):
            if {row["model_a"], row["model_b"]} != {first, second}:
                continue
            if (
                row["model_a"] != first
            ):  # the pair stands the other way round: turn the sign and swap the bounds
                low, high = row.get("difference_high"), row.get("difference_low")
                row["difference"] = -row["difference"]
                row |= {
                    "difference_low": None if low is None else -low,
                    "difference_high": None if high is None else -high,
                }
            cells = [text_cell(self.names.set(row["set"])), interval_cell(row, "difference", fmt.decimal)]
            rows.append(cells + [number_cell(row[p], fmt.p_value) for p in ("p_value", "p_holm")])
        if not rows:
            return []
        caption = self.words("contrast_caption", a=self.names.model(first), b=self.names.model(second))
        columns = self._titles("set", "difference", "p_value", "p_holm")
        return [Table("table-contrast", caption, columns, rows, [self.words("contrast_note")])]

    def flow(self) -> list[Any]:
        rows = [
            [
                text_cell(self.names.center(row["center"])),
                text_cell(self._step(row)),
                number_cell(row["n_patients"], fmt.count),
                number_cell(row["n_op"], fmt.count),
                number_cell(row["n_any"], fmt.count),
            ]
            for row in self.run.flow[self.run.flow["kind"] != "note"].to_dict("records")
        ]
        columns = self._titles("center", "step", "patients", "n_pos", "any_reason")
        return [
            self._figure("flow", self.words("flow_caption")),
            _table("table-flow", self.words("flow_table_caption"), columns, rows, [self.words("flow_note")]),
            *self._flow_notes(),
        ]

    def _flow_notes(self) -> list[Any]:
        """What the flow notes of included patients, as a table; nothing where it applies to nobody."""
        flow = self.run.flow
        rows = [
            [
                text_cell(self.names.center(row["center"])),
                text_cell(self.words(f"note_{row['step']}")),
                number_cell(row["n_patients"], fmt.count),
                number_cell(row["n_op"], fmt.count),
            ]
            for row in flow[(flow["kind"] == "note") & (flow["n_patients"] > 0)].to_dict("records")
        ]
        columns = self._titles("center", "note", "patients", "n_pos")
        return [_table("table-flow-notes", self.words("flow_notes_caption"), columns, rows)] if rows else []

    def _step(self, row: dict[str, Any]) -> str:
        if row["kind"] == "set":
            return self.names.set(row["step"])
        return self.words.get(f"step_{row['step']}", _spaced(row["step"]))

    def exposure(self) -> list[Any]:
        run, words = self.run, self.words
        statuses = [ACCEPTED, QUARANTINED, REJECTED]
        rows = []
        for center in run.centers:
            part = run.files[run.files["center"] == center]["status"].value_counts()
            counts = [int(part.get(s, 0)) for s in statuses]
            rows.append(
                [
                    text_cell(run.center_of(center)),
                    *(number_cell(n, fmt.count) for n in (sum(counts), *counts)),
                ]
            )
        columns = self._titles("center", "film_found", *(f"film_{s}" for s in statuses))
        blocks: list[Any] = [_table("table-files", words("files_caption"), columns, rows)]

        rows = []
        for center in run.centers:
            left = run.files[(run.files["center"] == center) & (run.files["status"] != ACCEPTED)]
            for (status, reason), n in left.groupby(["status", "reason"]).size().items():  # type: ignore[misc]
                said = words.get(f"film_{status}", str(status))
                rows.append(
                    [
                        text_cell(run.center_of(center)),
                        text_cell(said),
                        text_cell(self._reason(reason)),
                        number_cell(n, fmt.count),
                    ]
                )
        blocks.append(
            _table(
                "table-reasons",
                words("reasons_caption"),
                self._titles("center", "status", "reason", "n"),
                rows,
            )
        )

        verdicts = [PASS, REVIEW, REJECT]
        rows, reasons = [], []
        for center in run.centers:
            films = run.films[center]
            counts = films["verdict"].value_counts()
            rows.append(
                [
                    text_cell(run.center_of(center)),
                    *(number_cell(int(counts.get(v, 0)), fmt.count) for v in verdicts),
                ]
            )
            flagged = films[films["verdict"].isin([REVIEW, REJECT])]
            for (verdict, reason), n in flagged.groupby(["verdict", "verdict_reason"]).size().items():  # type: ignore[misc]
                label = words(f"verdict_{verdict}")
                reasons.append(
                    [
                        text_cell(run.center_of(center)),
                        text_cell(label),
                        text_cell(self._reason(reason)),
                        number_cell(n, fmt.count),
                    ]
                )
        columns = self._titles("center", *(f"verdict_{v}" for v in verdicts))
        blocks.append(_table("table-verdicts", words("verdicts_caption"), columns, rows))
        if reasons:
            columns = self._titles("center", "status", "reason", "n")
            blocks.append(_table("table-verdict-reasons", words("verdict_reasons_caption"), columns, reasons))
        return blocks + self._contact_sheets()

    def _reason(self, code: Any) -> str:
        """One or several reasons (``low_range;noise``) as words."""
        return "; ".join(
            self.words.get(f"reason_{one.strip()}", _spaced(one.strip())) for one in str(code).split(";")
        )

    def _contact_sheets(self) -> list[Any]:
        run, words = self.run, self.words
        policy = run.config["report"]["show_films"]
        blocks: list[Any] = []
        for (center, verdict), path in sorted(
            run.contact_sheets.items(), key=lambda item: (run.centers.index(item[0][0]), item[0][1])
        ):
            decision = contact_sheet_decision(run.films[center], verdict, policy)
            said = words(f"verdict_{verdict}")
            if decision.show:
                caption = words("sheet_caption", center=run.center_of(center), verdict=said, n=decision.films)
                blocks.append(Figure(f"sheet-{center}-{verdict}", caption, data_uri(path), caption))
            elif decision.films:
                blocks.append(
                    Paragraph(
                        words(
                            "sheet_hidden",
                            center=run.center_of(center),
                            name=center,
                            verdict=said,
                            n=decision.films,
                            m=decision.undeclared,
                        ),
                        "note",
                    )
                )
        return blocks or [Paragraph(words("sheet_none"), "note")]

    def table1(self) -> list[Any]:
        shows: dict[str, Callable[[Any], str]] = {
            "statistic": fmt.decimal,
            "p_value": fmt.p_value,
            "fisher_p": fmt.p_value,
            "smd": lambda value: fmt.decimal(value, 2),
            "n": fmt.count,
            "missing": fmt.count,
        }
        frame = self._frame("table1")
        keys = [
            k
            for k in ("op", "non_op", "statistic", "test", "p_value", "fisher_p", "smd", "n", "missing")
            if k in frame
        ]
        rows = []
        for row in frame.to_dict("records"):
            cells = [
                text_cell(self.names.center(row["center"])),
                text_cell(self.words.variable(row["variable"])),
            ]
            for k in keys:
                cell = number_cell(row[k], shows[k]) if k in shows else text_cell(row[k])
                cells.append(_spread(row[k]) if k in ("op", "non_op") else cell)
            rows.append(cells)
        columns = self._titles(
            "center", "variable", *("n_missing" if key == "missing" else key for key in keys)
        )
        notes = [self.words("table1_note")]
        if "missing" in frame and frame.loc[frame["variable"] == "t_score", "missing"].gt(0).any():
            notes.append(self.words("table1_t_score_note"))
        return [_table("table-1", self.words("table1_caption"), columns, rows, notes, LONG_MAIN_TABLE)]

    def table2(self) -> list[Any]:
        words = self.words
        frame = self._test_rows(self._frame("table2"))
        rows = []
        for _, row in frame.iterrows():
            cells = [text_cell(self.names.set(row["set"])), text_cell(self.names.model(row["model"]))]
            cells += [
                number_cell(row["n"], fmt.count),
                number_cell(row["n_pos"], fmt.count),
                interval_cell(row, "auc", fmt.auc),
            ]
            cells += [interval_cell(row, name, fmt.percent) for name in PROPORTIONS]
            cells.append(interval_cell(row, "f1", fmt.auc))
            rows.append(cells)
        columns = self._titles(
            "set", "model", "n", "n_pos", "auc", *(f"{f}_metric" for f in PROPORTIONS), "f1_metric"
        )
        thresholds = [
            [
                text_cell(self.names.model(row["model"])),
                number_cell(row["threshold"], fmt.decimal),
                self._rule(row["rule"]),
            ]
            for row in self._frame("thresholds").to_dict("records")
        ]
        notes = [words("table2_note"), *self._interval_methods(frame)]
        return [
            _table(
                "table-2", words("table2_caption", level=self.level), columns, rows, notes, LONG_MAIN_TABLE
            ),
            _table(
                "table-thresholds",
                words("thresholds_caption"),
                self._titles("model", "threshold", "rule"),
                thresholds,
            ),
            self._measures(
                "youden_upper_bound",
                "table-upper-bound",
                words("upper_bound_caption"),
                [words("upper_bound_note")],
                aside=("use",),
            ),
        ]

    def _rule(self, rule: Any) -> Cell:
        return text_cell(self.words.get(f"rule_{rule}", str(rule)))

    def _engine(self) -> str:
        versions = self.run.provenance["versions"]
        if self.run.provenance["delong_engine"] == "r":
            return self.words("engine_r", r=versions["R"], proc=versions["pROC"])
        return self.words("engine_numpy")

    def delong(self) -> list[Any]:
        note = self.words("delong_note", engine=self._engine())
        return [
            self._tests("delong", "table-delong", self.words("delong_caption"), [note]),
            self._differences(),
        ]

    def _differences(self) -> Table:
        """Differences between models in the metrics of Table 2."""
        words, rows = self.words, []
        frame = self._test_rows(self._frame("differences"))
        for row in frame.to_dict("records"):
            show = fmt.auc if row["metric"] == "f1" else fmt.percent
            cells = [text_cell(self.names.set(row["set"]))]
            cells += [text_cell(self.names.model(row[m])) for m in ("model_a", "model_b")]
            cells += [text_cell(words.get(f"{row['metric']}_metric", row["metric"]))]
            cells += [
                number_cell(row["value_a"], show),
                number_cell(row["value_b"], show),
                interval_cell(row, "difference", show),
            ]
            rows.append(cells)
        columns = self._titles("set", "model_a", "model_b", "metric", "value_a", "value_b", "difference")
        caption = words("differences_caption", level=self.level)
        return _table(
            "table-differences",
            caption,
            columns,
            rows,
            [words("differences_note"), *self._interval_methods(frame)],
        )

    def _tests(self, name: str, id: str, caption: str, notes: Sequence[str]) -> Table:
        """A table of DeLong tests."""
        rows = []
        for row in self._test_rows(self._frame(name)).to_dict("records"):
            cells = [text_cell(self.names.set(row["set"]))]
            cells += [text_cell(self.names.model(row[m])) for m in ("model_a", "model_b")]
            cells += [number_cell(row[a], fmt.auc) for a in ("auc_a", "auc_b")]
            cells += [interval_cell(row, "difference", fmt.decimal), number_cell(row["z"], fmt.decimal)]
            cells += [number_cell(row[p], fmt.p_value) for p in ("p_value", "p_holm")]
            rows.append(cells)
        columns = self._titles("set", "model_a", "model_b")
        columns += [Column(f"{self.words('auc')} A"), Column(f"{self.words('auc')} B")]
        columns += self._titles("difference", "z", "p_value", "p_holm")
        return _table(id, caption, columns, rows, notes, LONG_MAIN_TABLE)

    def baselines(self) -> list[Any]:
        """Baselines beside the models, and the models tested against them."""
        words = self.words
        frame = self._test_rows(self._frame("baseline_performance"))
        fractions = ["sensitivity", "specificity", "ppv", "npv"]
        rows = []
        for row in frame.to_dict("records"):
            cells = [text_cell(self.names.set(row["set"])), text_cell(self.names.model(row["model"]))]
            cells += [
                number_cell(row["n"], fmt.count),
                number_cell(row["n_pos"], fmt.count),
                interval_cell(row, "auc", fmt.auc),
            ]
            cells += [interval_cell(row, name, fmt.percent) for name in fractions]
            cells += [
                number_cell(row["brier"], fmt.decimal),
                number_cell(row["threshold"], fmt.decimal),
                self._rule(row["rule"]),
            ]
            rows.append(cells)
        columns = self._titles(
            "set",
            "model",
            "n",
            "n_pos",
            "auc",
            *(f"{f}_metric" for f in fractions),
            "brier",
            "threshold",
            "rule",
        )
        caption = words("baselines_caption", level=self.level)
        shown = frame.drop(columns=["accuracy_ci_method", "f1_ci_method"], errors="ignore")
        notes = [words("baselines_note"), *self._interval_methods(shown)]
        note = words("baseline_delong_note", engine=self._engine())
        return [
            _table("table-baselines", caption, columns, rows, notes, LONG_MAIN_TABLE),
            self._tests("baseline_delong", "table-baseline-delong", words("baseline_delong_caption"), [note]),
        ]

    def roc(self) -> list[Any]:
        return [self._figure("roc", self.words("roc_caption"))]

    def decision_curves(self) -> list[Any]:
        words, rows = self.words, []
        for row in self._test_rows(self._frame("best_model")).to_dict("records"):
            tied = "" if fmt.is_missing(row["tied_with"]) else row["tied_with"]
            cells = [text_cell(self.names.set(row["set"])), text_cell(self.names.model(row["model"]))]
            cells += [
                number_cell(row[end], lambda value: fmt.decimal(value, 2))
                for end in ("threshold_from", "threshold_to")
            ]
            cells += [
                number_cell(row["n_thresholds"], fmt.count),
                number_cell(row["largest_lead"], fmt.decimal),
            ]
            cells.append(
                text_cell(", ".join(self.names.model(name) for name in tied.split(", ") if name) or None)
            )
            rows.append(cells)
        columns = self._titles(
            "set", "model", "threshold_from", "threshold_to", "n_thresholds", "largest_lead", "tied_with"
        )
        return [
            self._figure("decision_curves", words("decision_caption")),
            _table(
                "table-best-model", words("best_model_caption"), columns, rows, [words("best_model_note")]
            ),
        ]

    def calibration(self) -> list[Any]:
        return [
            self._figure("calibration", self.words("calibration_caption")),
            self._measures("calibration", "table-calibration", self.words("calibration_table_caption")),
        ]

    def subgroups(self) -> list[Any]:
        return [
            self._figure("forest", self.words("forest_caption")),
            self._measures("subgroups", "table-subgroups", self.words("subgroups_caption")),
        ]

    def prevalence(self) -> list[Any]:
        return [self._measures("prevalence", "table-prevalence", self.words("prevalence_caption"))]

    def sensitivity(self) -> list[Any]:
        return [
            self._measures(
                "sensitivity",
                "table-sensitivity",
                self.words("sensitivity_caption"),
                [self.words("sensitivity_note")],
            )
        ]

    def missing(self) -> list[Any]:
        return [
            self._measures(
                "missing", "table-missing", self.words("missing_caption"), [self.words("missing_note")]
            )
        ]

    def _measures(
        self, name: str, id: str, caption: str, notes: Sequence[str] = (), aside: Sequence[str] = ()
    ) -> Table:
        """A table of measures whatever its columns: ``x`` with ``x_low`` and ``x_high`` becomes one column.

        The methods of the intervals and the smoother go into the notes; a column that is empty throughout is
        left out, and so is the age from which a population counts, which its name says, and the columns
        ``aside``.
        """
        frame = self._frame(name)
        if "set" in frame.columns:
            frame = self._test_rows(frame)
        bounds = {c + end for c in frame.columns for end in ("_low", "_high") if c + "_low" in frame.columns}
        left_out = (
            {*aside, *bounds}
            | {c for c in frame.columns if c.endswith("ci_method")}
            | {"smoother", "from_age"}
        )
        keys = [c for c in frame.columns if c not in left_out and (len(frame) == 0 or frame[c].notna().any())]
        rows = [[self._measure(row, key) for key in keys] for row in frame.to_dict("records")]
        columns = []
        for key in keys:
            numeric = pd.api.types.is_numeric_dtype(frame[key])
            title = self.words.get(f"{key}_metric", self.words.get(key, key.replace("_", " ")))
            columns.append(Column(title, numeric, prose=key in PROSE))
        if "smoother" in frame.columns:
            notes = [
                *notes,
                *(f"{self.words('smoother')}: {text}." for text in sorted(set(frame["smoother"].dropna()))),
            ]
        return _table(id, caption, columns, rows, [*notes, *self._interval_methods(frame)])

    def _interval_methods(self, frame: pd.DataFrame) -> list[str]:
        """One sentence that names the method of each interval, as the table's own columns say it; none where
        they don't.
        """
        said = []
        single = [c for c in frame.columns if c.endswith("_ci_method")]
        for column in single or [c for c in frame.columns if c == "ci_method"]:
            key = column.removesuffix("ci_method").rstrip("_")
            used = [m for m in dict.fromkeys(frame[column].dropna()) if not str(m).startswith("none")]
            if used:
                title = self.words.without_unit(
                    f"{key}_metric", self.words.without_unit(key, key.replace("_", " "))
                )
                said.append(f"{title}: {' / '.join(used)}" if title else " / ".join(used))
        return [self.words("interval_methods", methods="; ".join(said))] if said else []

    def _measure(self, row: dict[str, Any], key: str) -> Cell:
        value = row[key]
        if key in ("set", "model", "center"):
            return text_cell(getattr(self.names, key)(value))
        if key == "variable":
            return text_cell(self.words.variable(value))
        if key in ("subgroup", "analysis", "level"):
            return text_cell(self.words.get(f"{key}_{value}", _spaced(str(value))))
        if key in ("p_value", "p_holm"):
            return number_cell(value, fmt.p_value)
        if key in PERCENTAGES:
            return interval_cell(row, key, fmt.percent)
        if f"{key}_low" in row or (isinstance(value, float) and key not in WHOLE):
            return interval_cell(row, key, fmt.decimal)
        return any_cell(value)

    def shortcuts(self) -> list[Any]:
        """What else than bone could carry the deep score."""
        words = self.words
        frame = self._frame("shortcuts")
        order = {name: i for i, name in enumerate(self.run.sets)}
        frame = frame.sort_values("set", key=lambda s: s.map(order).fillna(len(order)), kind="stable")
        return [
            Paragraph(words("shortcuts_text")),
            self._figure("shortcuts", words("shortcuts_caption")),
            self._explained(frame[frame["analysis"] == "variables"]),
            self._within_manufacturer(frame[frame["analysis"] == "within_manufacturer"]),
            self._covered(frame[frame["analysis"] == "masked"]),
        ]

    def _shortcut_cells(self, row: dict[str, Any], subject: str) -> list[Cell]:
        """The first cells of a row of the audit: set, subject, patients."""
        cells = [text_cell(self.names.scored.get(row["set"], row["set"])), text_cell(subject)]
        return cells + [number_cell(row["n"], fmt.count), number_cell(row["n_pos"], fmt.count)]

    def _explained(self, frame: pd.DataFrame) -> Table:
        """How much of the deep score each group of variables explains."""
        words, rows = self.words, []
        for row in frame.to_dict("records"):
            cells = self._shortcut_cells(row, words.get(f"group_{row['subject']}", _spaced(row["subject"])))
            cells += [
                number_cell(row[name], fmt.decimal)
                for name in ("r2_cross_validated", "r2_adjusted", "r2_partial")
            ]
            cells.append(number_cell(row["p_partial"], fmt.p_value))
            cells.append(
                text_cell(None) if row["auc_ci_method"] == ONE_SCORE else interval_cell(row, "auc", fmt.auc)
            )
            cells.append(text_cell(row["note"]))
            rows.append(cells)
        columns = [
            *self._titles(
                "set",
                "variables",
                "n",
                "n_pos",
                "r2_cross_validated",
                "r2_adjusted",
                "r2_partial",
                "p_partial",
            )
        ]
        columns += [Column(words("auc_of_variables")), Column(words("note"), False, prose=True)]
        return _table(
            "table-explained",
            words("explained_caption"),
            columns,
            rows,
            [words("explained_note")],
            LONG_MAIN_TABLE,
        )

    def _within_manufacturer(self, frame: pd.DataFrame) -> Table:
        """The deep score's AUC among films of one manufacturer."""
        words, rows = self.words, []
        for row in frame.to_dict("records"):
            rows.append(
                [
                    *self._shortcut_cells(row, row["subject"]),
                    interval_cell(row, "auc", fmt.auc),
                    text_cell(row["note"]),
                ]
            )
        columns = [
            *self._titles("set"),
            Column(words.variable("manufacturer"), False),
            *self._titles("n", "n_pos", "auc"),
        ]
        columns.append(Column(words("note"), False, prose=True))
        return _table("table-within-manufacturer", words("within_manufacturer_caption"), columns, rows)

    def _covered(self, frame: pd.DataFrame) -> Table:
        """The AUC with parts of the film covered, and paired differences."""
        words, rows = self.words, []
        for row in frame.to_dict("records"):
            against = "" if fmt.is_missing(row["against"]) else words(f"mask_{row['against']}")
            cells = [
                *self._shortcut_cells(row, words(f"mask_{row['subject']}")),
                interval_cell(row, "auc", fmt.auc),
            ]
            cells += [
                text_cell(against),
                interval_cell(row, "difference", fmt.decimal),
                number_cell(row["p_value"], fmt.p_value),
            ]
            rows.append(cells)
        columns = [*self._titles("set"), Column(words("part"), False), *self._titles("n", "n_pos", "auc")]
        columns += [Column(words("against"), False), *self._titles("difference", "p_value")]
        masks = self.run.config["deep"]["masks"]
        left, right = (percentage(edge) for edge in masks["spine"])
        note = words(
            "covered_note", left=left, right=right, border=percentage(masks["border"]), engine=self._engine()
        )
        return _table("table-covered", words("covered_caption"), columns, rows, [note])

    def gradcam(self) -> list[Any]:
        return [
            self._figure("gradcam", self.words("gradcam_caption")),
            Paragraph(self.words("gradcam_note"), "note"),
        ]

    def training(self) -> list[Any]:
        return [
            self._figure("training", self.words("training_caption")),
            Paragraph(self.words("training_note"), "note"),
            self._spread(),
        ]

    def _spread(self) -> Table:
        """Where each fold's out-of-fold scores lie."""
        words, rows = self.words, []
        for fold, spread in self.run.fold_spreads.iterrows():
            cells = [
                text_cell(f"{words('fold')} {fold}"),
                number_cell(spread["n"], fmt.count),
                number_cell(spread["n_pos"], fmt.count),
            ]
            rows.append(cells + [number_cell(spread[name], fmt.decimal) for name in (*SPREAD, "sd_logit")])
        columns = [Column(words("fold"), False), *self._titles("n", "n_pos", *SPREAD, "sd_logit")]
        return _table("table-spread", words("spread_caption"), columns, rows, [words("spread_note")])

    def scores(self) -> list[Any]:
        words, run = self.words, self.run
        panels, rows = [], []
        for name in run.sets:
            part = run.predictions[run.predictions["set"] == name]
            score, label = part["deep"].to_numpy(float), part["label"].to_numpy(int)
            folds = None
            if name in run.fold_scores:
                of_patient = run.fold_scores[name].set_index("patient_id").reindex(part["patient_id"])
                folds = of_patient.to_numpy(float)
            if len(part):
                panels.append((self.names.scored[name], score, label, folds))
            for value, group in ((1, words("op_long")), (0, words("non_op_long"))):
                values = pd.Series(score[label == value])
                q = [fmt.decimal(values.quantile(x)) for x in (0.25, 0.5, 0.75)] if len(values) else None
                rows.append(
                    [
                        text_cell(self.names.scored[name]),
                        text_cell(group),
                        number_cell(len(values), fmt.count),
                        (
                            Cell(f"{fmt.decimal(values.mean())} ({fmt.decimal(values.std())})", values.mean())
                            if q
                            else text_cell(None)
                        ),
                        Cell(f"{q[1]} ({q[0]}–{q[2]})", values.median()) if q else text_cell(None),
                    ]
                )
        chart = {key: words(key) for key in ("score", "share", "op", "non_op", "single_folds")}
        caption = words("scores_caption")
        return [
            Figure("figure-scores", caption, data_uri(score_distributions(panels, chart), ".svg"), caption),
            _table(
                "table-scores",
                words("scores_table_caption"),
                self._titles("set", "group", "n", "mean_sd", "quartiles"),
                rows,
            ),
            Paragraph(words("scores_note"), "note"),
            self._folds(),
        ]

    def _folds(self) -> Table:
        """The AUC of each fold alone and of the ensemble: a row per test set."""
        frame = self._frame("folds").astype({"fold": str})
        folds = list(dict.fromkeys(frame["fold"]))
        rows = []
        for name in dict.fromkeys(self._test_rows(frame)["set"]):
            part = frame[frame["set"] == name].set_index("fold")
            first = part.iloc[0]
            cells = [
                text_cell(self.names.set(name)),
                number_cell(first["n"], fmt.count),
                number_cell(first["n_pos"], fmt.count),
            ]
            rows.append(
                cells
                + [
                    interval_cell(part.loc[f], "auc", fmt.auc) if f in part.index else text_cell(None)
                    for f in folds
                ]
            )
        titles = [self.words(f) if f == "ensemble" else f"{self.words('fold')} {f}" for f in folds]
        columns = [*self._titles("set", "n", "n_pos"), *(Column(title) for title in titles)]
        notes = [self.words("folds_note"), *self._interval_methods(frame)]
        return _table("table-folds", self.words("folds_caption", level=self.level), columns, rows, notes)

    def methods(self) -> list[Any]:
        blocks: list[Any] = []
        for title, text in self.prose.parts("methods.j2"):
            blocks += [Heading(title), Paragraph(text)]
        return blocks

    def software(self) -> list[Any]:
        record, words = self.run.provenance, self.words
        versions, git = record["versions"], record["git"]
        text = words(
            "software_text",
            python=versions["python"],
            r=versions["R"] or words("not_used"),
            proc=versions["pROC"] or words("not_used"),
            platform=record["platform"],
            commit=words("unknown") if git["commit"] == "unknown" else git["commit"],
            modified=words("code_modified") if git["code_modified"] else "",
        )
        rows = [
            [text_cell(name), text_cell(version)] for name, version in sorted(versions["packages"].items())
        ]
        seeds = words("seeds_text", seed=record["seeds"]["study"], key=record["seeds"]["key_fingerprint"])
        return [
            Paragraph(text),
            Paragraph(seeds),
            Paragraph(words("trained_on_text", folds=self._trained_on())),
            _table("table-software", words("software_caption"), self._titles("package", "version"), rows),
        ]

    def _trained_on(self) -> str:
        """Device and PyTorch of each fold's training."""
        words, parts = self.words, []
        for fold, of in sorted(self.run.provenance["trained_on"].items()):
            parts.append(f"{words('fold')} {fold}: {of['device']}, PyTorch {of['torch']}")
        return "; ".join(parts)

    def checksums(self) -> list[Any]:
        record, words = self.run.provenance, self.words
        inputs = []
        for center, entry in record["inputs"]["centers"].items():
            films = entry["films"]
            inputs.append([center, words("films_listing", n=fmt.count(films["files"])), films["checksum"]])
            inputs += [
                [center, words.get(f"table_kind_{kind}", kind), value]
                for kind, value in entry["tables"].items()
            ]
        rows = [
            [text_cell(self.names.center(center)), text_cell(what), Cell(value)]
            for center, what, value in inputs
        ]
        outputs = [[text_cell(name), Cell(value)] for name, value in record["outputs"]["files"].items()]
        return [
            Paragraph(words("checksums_text")),
            Table(
                "table-inputs",
                words("inputs_caption"),
                self._titles("center", "input", "keyed"),
                rows,
                collapsed=True,
            ),
            Table(
                "table-outputs",
                words("outputs_caption"),
                self._titles("file", "sha256"),
                outputs,
                collapsed=True,
            ),
        ]

    def model_card(self) -> list[Any]:
        rows = [[text_cell(title), text_cell(text)] for title, text in self.prose.parts("model_card.j2")]
        columns = [Column(self.words("item"), False), Column(self.words("content"), False, prose=True)]
        return [
            Table(
                "table-model-card",
                self.words("model_card_caption"),
                columns,
                rows,
                [self.words("model_card_note")],
            )
        ]

    def checklist(self, name: str) -> list[Filled]:
        """The items of a reporting checklist as this run fills them."""
        return filled(name, self.prose)

    def _checklist(self, name: str, titles: dict[str, str]) -> list[Any]:
        """A reporting checklist with links into the page; ``titles`` are those of the sections and tables
        that an anchor may name.
        """
        words, rows = self.words, []
        items = self.checklist(name)
        for one in items:
            # a table that this run has no rows for is not in the page: the test of places holds the anchors
            # against a whole run
            links = [
                (titles[place[1:]], place)
                for place in one.where
                if place.startswith("#") and place[1:] in titles
            ]
            files = "; ".join(place for place in one.where if not place.startswith("#"))
            cells = [
                Cell(one.item),
                text_cell(one.topic),
                text_cell(words(f"answer_{one.answer}")),
                text_cell(one.statement),
            ]
            rows.append([*cells, Cell(files, links=links) if files or links else text_cell(None)])
        counts = "; ".join(
            f"{words(f'answer_{answer}')}: {n}"
            for answer in ANSWERS
            if (n := sum(one.answer == answer for one in items))
        )
        columns = [Column(words(key), False) for key in ("item", "topic", "answer")]
        columns += [Column(words(key), False, prose=True) for key in ("statement", "where")]
        source = words(
            "checklist_source",
            source=read_checklist(name)["source"],
            file=f"results/tables/checklist_{name}.csv",
        )
        return [
            Paragraph(words("checklist_text", n=len(items), counts=counts)),
            Table(f"table-{name.replace('_', '-')}", words(f"{name}_caption"), columns, rows, [source]),
        ]

    def limits(self) -> list[Any]:
        return [Bullets(self.prose.items("limits.j2"))]


def _spread(value: Any) -> Cell:
    """``-3.2 ± 0.6`` or ``15/97`` with a true minus sign, on one line; it sorts by its first number."""
    first = re.match(r"\s*(-?\d+(?:\.\d+)?)", "" if fmt.is_missing(value) else str(value))
    cell = text_cell(value)
    return Cell(
        cell.text.replace(" ± ", "\u00a0±\u00a0").replace("-", "\u2212"), float(first[1]) if first else None
    )


def _spaced(code: str) -> str:
    """A reason's code as words: ``not_dicom`` is shown as ``not dicom``."""
    return code.replace("_", " ")
