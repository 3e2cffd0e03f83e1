"""The sections of the report, each built from the run's files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from scripts.common import numbers as fmt
from scripts.common.catalogue import CATALOGUE, RESULTS
from scripts.common.film_policy import contact_sheet_decision
from scripts.common.language import Language
from scripts.common.language.names import Names
from scripts.common.learning_words import WORDS, run_title, told
from scripts.common.manuscript_tables import Entry, ManuscriptTable, engine_text, rule_text, table_1, table_2
from scripts.common.numbers import percentage
from scripts.common.scores import NEXT_TO_NOTHING, ONE_SCORE
from scripts.common.study_models import with_role
from scripts.common.vocabulary import (
    ACCEPTED,
    ALL_FOLDS,
    BASELINE,
    EVERYONE_POSITIVE,
    MAIN,
    PASS,
    PROPORTIONS,
    QUARANTINED,
    REJECT,
    REJECTED,
    REVIEW,
)
from scripts.report.charts import score_distributions
from scripts.report.checklists import ANSWERS, NAMES, Filled, filled, read_checklist
from scripts.report.facts import facts_of
from scripts.report.page import Bullets, Cell, Column, Figure, Heading, Paragraph, Section, Table, data_uri
from scripts.report.prose import Prose
from scripts.report.run_files import RunFiles

GROUPS = ("flow", "tables", "report", WORDS, RESULTS)
"""The groups of words that the report shows, beside the common ones."""

LARGE, SMALL = (2.1, 1.7), (1.5, 1.2)
"""Width and height, inches, of a panel of the main network's scores, and of another's."""

LONG_TABLE = 20
"""A table with more rows than this is collapsed."""

LONG_MAIN_TABLE = 60
"""The same for Table 1, Table 2 and the DeLong tests."""

SHARES = (*PROPORTIONS, "prevalence")
"""Columns that are shown as percentages."""

POINTS = ("sensitivity_minus_main", "specificity_minus_main")
"""Columns that are shown as percentage points."""

TEXTS = {
    "set", "model", "center", "variable", "reason", "step", "status", "rule", "note", "variables", "model_a",
    "model_b", "file", "sha256", "package", "version", "input", "checksum", "belongs_to", "group", "value",
    "metric", "manufacturer", "part", "against", "item", "topic", "answer", "fold", "role", "tied_with",
    "finding",
}  # fmt: skip
"""Columns of texts; they stand at the left and sort as texts."""

TITLES = {
    "n_pos": "op",
    "p_partial": "p_value",
    "manufacturer": "variable_manufacturer",
    "variables": "variable",
}
"""Columns that are called otherwise than their words."""

PROSE = ("note",)
"""Columns of whole sentences."""
WHOLE = ("n", "n_pos", "n_missing", "n_capped", "from_age", "n_clipped", "missing")


def text_cell(value: Any) -> Cell:
    return Cell(fmt.NO_VALUE if fmt.is_missing(value) else str(value))


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
    """Builds the sections, one method each, in one language: the study's, unless another is given."""

    def __init__(self, run: RunFiles, language: str | None = None) -> None:
        self.run = run
        self.words = Language(language or run.config["study"]["language"], *GROUPS)
        self.names = Names(self.words, run.labels, run.model_labels, run.predictors)
        self._shown: set[str] = set()
        self.confidence = run.config["statistics"]["confidence"]
        self.level = f"{percentage(self.confidence)}%"
        self.sets = {name: self.names.set(name) for name in run.sets}
        self.main = self.names.model(run.main_network)
        self.models = {model.name: self.names.model(model.name) for model in run.models}
        self.learning = told(run.statistics["learning"].to_dict("records"), self.words, self.names.model)
        self.prose = Prose(self.words.code, facts_of(run, self.sets, self.models))

    def sections(self) -> list[Section]:
        """All sections in reading order; one with nothing in it is left out."""
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
            self.architectures,
            self.model_card,
            self.methods,
            self.software,
            self.checksums,
            self.limits,
        ]
        built = {build.__name__: build() for build in builders}
        sections = [
            Section(name, self.words.say(f"section_{name}"), [*blocks, *self._further(name)])
            for name, blocks in built.items()
            if blocks
        ]
        titles = {section.id: section.title for section in sections}
        titles |= {
            part.id: part.caption
            for section in sections
            for part in section.blocks
            if isinstance(part, Table)
        }
        return sections + [
            Section(name, self.words.say(f"section_{name}"), self._checklist(name, titles)) for name in NAMES
        ]

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
            self._figure(row.stem, row.titled(self.words))
            if row.folder == "figures"
            else self._measures(row.stem, f"table-{row.stem}", row.titled(self.words))
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
        return [Column(self._title(key), key not in TEXTS) for key in keys]

    def _title(self, key: str) -> str:
        """A column's title, by the name that the column has in the result tables."""
        title = self.words.say(TITLES.get(key, key))
        if key in POINTS:
            return self.words.say("in_points", name=title)
        return self.words.say("in_percent", name=title) if key in SHARES else title

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
            *(Paragraph(sentence, "warning") for sentence in self.learning.values()),
            Paragraph(
                words.say(
                    "summary_counts",
                    centers=len(run.centers),
                    n=fmt.count(n),
                    op=fmt.count(op),
                    level=self.level,
                )
            ),
            Table("table-summary", words.say("auc"), columns, rows),
        ]
        return [*blocks, *self._contrast(), Paragraph(words.say("sort_hint"), "note needs-script")]

    def _contrast(self) -> list[Any]:
        """The declared main comparison in every test set where it was tested, as a table; nothing where none
        is declared.
        """
        contrast = self.run.config["statistics"]["primary_contrast"]
        if contrast is None:
            return []
        first, second = contrast
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
        caption = self.words.say("contrast_caption", a=self.names.model(first), b=self.names.model(second))
        columns = self._titles("set", "difference", "p_value", "p_holm")
        return [Table("table-contrast", caption, columns, rows, [self.words.say("contrast_note")])]

    def flow(self) -> list[Any]:
        films = self._films_counted()
        rows = [
            [
                text_cell(self.names.center(row["center"])),
                text_cell(self._step(row)),
                *(number_cell(row[name], fmt.count) for name in ("n_patients", "n_op", "n_any", *films)),
            ]
            for row in self.run.flow[self.run.flow["kind"] != "note"].to_dict("records")
        ]
        columns = self._titles("center", "step", "patients", "n_pos", "any_reason", *films)
        return [
            self._figure("flow", self.words.say("flow_caption")),
            _table(
                "table-flow",
                self.words.say("flow_table_caption"),
                columns,
                rows,
                [self.words.say("flow_note")],
            ),
            *self._flow_notes(),
        ]

    def _flow_notes(self) -> list[Any]:
        """What the flow notes of included patients, as a table; nothing where it applies to nobody."""
        flow = self.run.flow
        films = self._films_counted()
        rows = [
            [
                text_cell(self.names.center(row["center"])),
                text_cell(self.words.say(f"note_{row['step']}")),
                *(number_cell(row[name], fmt.count) for name in ("n_patients", "n_op", *films)),
            ]
            for row in flow[(flow["kind"] == "note") & (flow["n_patients"] > 0)].to_dict("records")
        ]
        columns = self._titles("center", "note", "patients", "n_pos", *films)
        return (
            [_table("table-flow-notes", self.words.say("flow_notes_caption"), columns, rows)] if rows else []
        )

    def _films_counted(self) -> list[str]:
        """The column of films, where the flow counts those that train."""
        return [name for name in ("n_films",) if name in self.run.flow]

    def _step(self, row: dict[str, Any]) -> str:
        if row["kind"] == "set":
            return self.names.set(row["step"])
        return self.words.say(f"step_{row['step']}")

    def exposure(self) -> list[Any]:
        run, words = self.run, self.words
        statuses = [ACCEPTED, QUARANTINED, REJECTED]
        rows = []
        for center in run.centers:
            part = run.files[run.files["center"] == center]["status"].value_counts()
            counts = [int(part.get(s, 0)) for s in statuses]
            rows.append(
                [
                    text_cell(self.names.center(center)),
                    *(number_cell(n, fmt.count) for n in (sum(counts), *counts)),
                ]
            )
        columns = self._titles("center", "film_found", *(f"film_{s}" for s in statuses))
        blocks: list[Any] = [_table("table-files", words.say("files_caption"), columns, rows)]

        rows = []
        for center in run.centers:
            left = run.files[(run.files["center"] == center) & (run.files["status"] != ACCEPTED)]
            for (status, reason), n in left.groupby(["status", "reason"]).size().items():  # type: ignore[misc]
                said = words.say(f"film_{status}")
                rows.append(
                    [
                        text_cell(self.names.center(center)),
                        text_cell(said),
                        text_cell(self._reason(reason)),
                        number_cell(n, fmt.count),
                    ]
                )
        blocks.append(
            _table(
                "table-reasons",
                words.say("reasons_caption"),
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
                    text_cell(self.names.center(center)),
                    *(number_cell(int(counts.get(v, 0)), fmt.count) for v in verdicts),
                ]
            )
            flagged = films[films["verdict"].isin([REVIEW, REJECT])]
            for (verdict, reason), n in flagged.groupby(["verdict", "verdict_reason"]).size().items():  # type: ignore[misc]
                label = words.say(f"verdict_{verdict}")
                reasons.append(
                    [
                        text_cell(self.names.center(center)),
                        text_cell(label),
                        text_cell(self._reason(reason)),
                        number_cell(n, fmt.count),
                    ]
                )
        columns = self._titles("center", *(f"verdict_{v}" for v in verdicts))
        blocks.append(_table("table-verdicts", words.say("verdicts_caption"), columns, rows))
        if reasons:
            columns = self._titles("center", "status", "reason", "n")
            blocks.append(
                _table("table-verdict-reasons", words.say("verdict_reasons_caption"), columns, reasons)
            )
        return blocks + self._contact_sheets()

    def _reason(self, code: Any) -> str:
        """One or several reasons (``low_range;noise``) as words."""
        return self.words.say("list_separator").join(
            self.words.say(f"reason_{one.strip()}") for one in str(code).split(";")
        )

    def _contact_sheets(self) -> list[Any]:
        run, words = self.run, self.words
        policy = run.config["report"]["show_films"]
        blocks: list[Any] = []
        for (center, verdict), path in sorted(
            run.contact_sheets.items(), key=lambda item: (run.centers.index(item[0][0]), item[0][1])
        ):
            decision = contact_sheet_decision(run.films[center], verdict, policy)
            said = words.say(f"verdict_{verdict}")
            if decision.show:
                caption = words.say(
                    "sheet_caption", center=self.names.center(center), verdict=said, n=decision.films
                )
                blocks.append(Figure(f"sheet-{center}-{verdict}", caption, data_uri(path), caption))
            elif decision.films:
                blocks.append(
                    Paragraph(
                        words.say(
                            "sheet_hidden",
                            center=self.names.center(center),
                            name=center,
                            verdict=said,
                            n=decision.films,
                            m=decision.undeclared,
                        ),
                        "note",
                    )
                )
        return blocks or [Paragraph(words.say("sheet_none"), "note")]

    def table1(self) -> list[Any]:
        frames = self._frame("table1"), self._frame("missing")
        return [self._manuscript("table-1", table_1(*frames, self.run.centers, self.words, self.names))]

    def _manuscript(self, id: str, table: ManuscriptTable) -> Table:
        """Table 1 or 2: each row says to which centre or set it belongs, so that it can be sorted."""

        def cell(entry: Entry) -> Cell:
            text = entry.text.replace(" ± ", "\u00a0±\u00a0")  # a mean stays on one line with its deviation
            if not entry.interval:
                return Cell(text + entry.mark, entry.value)
            return Cell(text, entry.value, entry.interval + entry.mark)

        rows = [
            [
                text_cell(block.name),
                cell(first),
                Cell(f"{fmt.count(block.n)} ({fmt.count(block.n_op)})", block.n),
                *map(cell, rest),
            ]
            for block in table.blocks
            for first, *rest in block.rows
        ]
        columns = [Column(table.block_title, False), Column(table.head[0], False)]
        columns += map(Column, (self.words.say("size"), *table.head[1:]))
        return _table(id, table.caption, columns, rows, table.notes, LONG_MAIN_TABLE)

    def table2(self) -> list[Any]:
        words, frozen = self.words, self._frame("thresholds")
        frozen = frozen[frozen["model"].isin(with_role(self.run.models, MAIN))]
        table = table_2(
            self._frame("table2"),
            self._frame("delong"),
            frozen,
            self.engine,
            self.run.sets[1:],
            self.confidence,
            words,
            self.names,
        )
        thresholds = [
            [
                text_cell(self.names.model(row["model"])),
                number_cell(row["threshold"], fmt.decimal),
                self._rule(row["rule"]),
            ]
            for row in frozen.to_dict("records")
        ]
        return [
            self._manuscript("table-2", table),
            _table(
                "table-thresholds",
                words.say("thresholds_caption"),
                self._titles("model", "threshold", "rule"),
                thresholds,
            ),
            self._measures(
                "youden_upper_bound",
                "table-upper-bound",
                words.say("upper_bound_caption"),
                [words.say("upper_bound_note")],
                aside=("use",),
            ),
        ]

    def _rule(self, rule: Any) -> Cell:
        text = "" if fmt.is_missing(rule) else rule_text(str(rule), self.words)
        return text_cell(text[:1].upper() + text[1:])

    @property
    def engine(self) -> dict[str, str]:
        """The software of DeLong's tests, as ``engine_text`` takes it."""
        return {**self.run.provenance["versions"], "engine": self.run.provenance["delong_engine"]}

    def _engine(self) -> str:
        return engine_text(self.engine, self.words)

    def delong(self) -> list[Any]:
        note = self.words.say("delong_note", engine=self._engine())
        return [
            self._tests("delong", "table-delong", self.words.say("delong_caption"), [note]),
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
            cells += [text_cell(self._title(row["metric"]))]
            cells += [
                number_cell(row["value_a"], show),
                number_cell(row["value_b"], show),
                interval_cell(row, "difference", show),
            ]
            rows.append(cells)
        columns = self._titles("set", "model_a", "model_b", "metric", "value_a", "value_b", "difference")
        caption = words.say("differences_caption", level=self.level)
        return _table(
            "table-differences",
            caption,
            columns,
            rows,
            [words.say("differences_note"), *self._interval_methods(frame)],
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
        columns += [Column(f"{self.words.say('auc')} A"), Column(f"{self.words.say('auc')} B")]
        columns += self._titles("difference", "z", "p_value", "p_holm")
        return _table(id, caption, columns, rows, notes, LONG_MAIN_TABLE)

    def baselines(self) -> list[Any]:
        """Baselines beside the models, and the models tested against them; nothing where there is none."""
        if not with_role(self.run.models, BASELINE):
            return []
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
            *fractions,
            "brier",
            "threshold",
            "rule",
        )
        caption = words.say("baselines_caption", level=self.level)
        shown = frame.drop(columns=["accuracy_ci_method", "f1_ci_method"], errors="ignore")
        notes = [words.say("baselines_note"), *self._interval_methods(shown)]
        if "osta" in {model.kind for model in self.run.models}:
            notes.insert(1, words.say("published_note"))
        note = words.say("baseline_delong_note", engine=self._engine())
        return [
            _table("table-baselines", caption, columns, rows, notes, LONG_MAIN_TABLE),
            self._tests(
                "baseline_delong", "table-baseline-delong", words.say("baseline_delong_caption"), [note]
            ),
        ]

    def roc(self) -> list[Any]:
        return [self._figure("roc", self.words.say("roc_caption"))]

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
            self._figure("decision_curves", words.say("decision_caption")),
            _table(
                "table-best-model",
                words.say("best_model_caption"),
                columns,
                rows,
                [words.say("best_model_note")],
            ),
        ]

    def calibration(self) -> list[Any]:
        return [
            self._figure("calibration", self.words.say("calibration_caption")),
            self._measures("calibration", "table-calibration", self.words.say("calibration_table_caption")),
        ]

    def subgroups(self) -> list[Any]:
        return [
            self._figure("forest", self.words.say("forest_caption")),
            self._measures("subgroups", "table-subgroups", self.words.say("subgroups_caption")),
        ]

    def prevalence(self) -> list[Any]:
        return [self._measures("prevalence", "table-prevalence", self.words.say("prevalence_caption"))]

    def sensitivity(self) -> list[Any]:
        return [
            self._measures(
                "sensitivity",
                "table-sensitivity",
                self.words.say("sensitivity_caption"),
                [self.words.say("sensitivity_note")],
            )
        ]

    def missing(self) -> list[Any]:
        return [
            self._measures(
                "missing",
                "table-missing",
                self.words.say("missing_caption"),
                [self.words.say("missing_note")],
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
            columns.append(Column(self._title(key), numeric, prose=key in PROSE))
        if "smoother" in frame.columns:
            notes = [
                *notes,
                *(
                    f"{self.words.say('smoother')}: {text}."
                    for text in sorted(set(frame["smoother"].dropna()))
                ),
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
                title = self.words.say(TITLES.get(key, key)) if key else ""
                said.append(f"{title}: {' / '.join(used)}" if title else " / ".join(used))
        return (
            [self.words.say("interval_methods", methods=self.words.say("list_separator").join(said))]
            if said
            else []
        )

    def _measure(self, row: dict[str, Any], key: str) -> Cell:
        value = row[key]
        if key in ("set", "model", "center"):
            return text_cell(getattr(self.names, key)(value))
        if key == "variable":
            return text_cell(self.names.variable(value))
        if key in ("subgroup", "analysis"):
            return text_cell(self.words.say(f"{key}_{value}"))
        if key == "level":
            maker = row["subgroup"] == "manufacturer"
            return text_cell(value if maker else self.words.say(f"level_{row['subgroup']}_{value}"))
        if key == "role":
            return text_cell(self.words.say(f"role_{value}"))
        if key == "training_minutes":
            return number_cell(value, lambda minutes: fmt.decimal(minutes, 1))
        if key in ("p_value", "p_holm"):
            return number_cell(value, fmt.p_value)
        if key in (*SHARES, *POINTS):
            return interval_cell(row, key, fmt.percent)
        if f"{key}_low" in row or (isinstance(value, float) and key not in WHOLE):
            return interval_cell(row, key, fmt.decimal)
        return any_cell(value)

    def shortcuts(self) -> list[Any]:
        """What else than bone could carry the main network's score."""
        words = self.words
        frame = self._frame("shortcuts")
        order = {name: i for i, name in enumerate(self.run.sets)}
        frame = frame.sort_values("set", key=lambda s: s.map(order).fillna(len(order)), kind="stable")
        return [
            Paragraph(words.say("shortcuts_text", model=self.main)),
            self._figure("shortcuts", words.say("shortcuts_caption", model=self.main)),
            self._explained(frame[frame["analysis"] == "variables"]),
            self._within_manufacturer(frame[frame["analysis"] == "within_manufacturer"]),
            self._covered(frame[frame["analysis"] == "masked"]),
        ]

    def _shortcut_cells(self, row: dict[str, Any], subject: str) -> list[Cell]:
        """The first cells of a row of the audit: set, subject, patients."""
        cells = [text_cell(self.names.set_of_scores(row["set"])), text_cell(subject)]
        return cells + [number_cell(row["n"], fmt.count), number_cell(row["n_pos"], fmt.count)]

    def _explained(self, frame: pd.DataFrame) -> Table:
        """How much of the main network's score each group of variables explains."""
        words, rows = self.words, []
        for row in frame.to_dict("records"):
            cells = self._shortcut_cells(row, words.say(f"group_{row['subject']}"))
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
        columns += [Column(words.say("auc_of_variables")), Column(words.say("note"), False, prose=True)]
        return _table(
            "table-explained",
            words.say("explained_caption", model=self.main),
            columns,
            rows,
            [words.say("explained_note")],
            LONG_MAIN_TABLE,
        )

    def _within_manufacturer(self, frame: pd.DataFrame) -> Table:
        """The main network's AUC among films of one manufacturer."""
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
            *self._titles("manufacturer", "n", "n_pos", "auc"),
        ]
        columns.append(Column(words.say("note"), False, prose=True))
        caption = words.say("within_manufacturer_caption", model=self.main)
        return _table("table-within-manufacturer", caption, columns, rows)

    def _covered(self, frame: pd.DataFrame) -> Table:
        """The AUC with parts of the film covered, and paired differences."""
        words, rows = self.words, []
        for row in frame.to_dict("records"):
            against = "" if fmt.is_missing(row["against"]) else words.say(f"mask_{row['against']}")
            cells = [
                *self._shortcut_cells(row, words.say(f"mask_{row['subject']}")),
                interval_cell(row, "auc", fmt.auc),
            ]
            cells += [
                text_cell(against),
                interval_cell(row, "difference", fmt.decimal),
                number_cell(row["p_value"], fmt.p_value),
            ]
            rows.append(cells)
        columns = [*self._titles("set"), Column(words.say("part"), False), *self._titles("n", "n_pos", "auc")]
        columns += [Column(words.say("against"), False), *self._titles("difference", "p_value")]
        masks = self.run.config["networks"]["masks"]
        left, right = (percentage(edge) for edge in masks["spine"])
        note = words.say(
            "covered_note", left=left, right=right, border=percentage(masks["border"]), engine=self._engine()
        )
        return _table("table-covered", words.say("covered_caption", model=self.main), columns, rows, [note])

    def gradcam(self) -> list[Any]:
        return [
            self._figure("gradcam", self.words.say("gradcam_caption")),
            Paragraph(self.words.say("gradcam_note"), "note"),
        ]

    def training(self) -> list[Any]:
        return [
            self._figure("training", self.words.say("training_caption")),
            Paragraph(self.words.say("training_note"), "note"),
            self._learning(),
        ]

    def _learning(self) -> Table:
        """Whether each network, and each model on embeddings, learned: a row for all folds and one for each
        training.
        """
        words, rows = self.words, []
        for row in self._frame("learning").astype({"fold": str}).to_dict("records"):
            run = words.say("all_folds") if row["fold"] == ALL_FOLDS else run_title(row["fold"], words)
            cells = [text_cell(self.names.model(row["model"])), text_cell(run)]
            cells += [number_cell(row[name], fmt.count) for name in ("n", "n_pos")]
            cells += [interval_cell(row, "auc", fmt.auc)]
            cells += [
                number_cell(row[name], fmt.decimal) for name in ("sd_logit", "lowest", "highest", "loss")
            ]
            cells += [
                number_cell(row["attempts"], fmt.count),
                text_cell(words.say(f"finding_{row['finding']}")),
            ]
            rows.append(cells)
        columns = self._titles(
            *("model", "fold", "n", "n_pos", "auc", "sd_logit", "lowest", "highest", "loss", "attempts"),
            "finding",
        )
        notes = [words.say("learning_note", least=NEXT_TO_NOTHING)]
        return _table("table-learning", words.say("learning_caption", level=self.level), columns, rows, notes)

    def scores(self) -> list[Any]:
        """Distributions of the networks' scores, the main network's large."""
        words, blocks, rows = self.words, [], []
        keys = ("share_of_patients", "op", "non_op", "single_folds")
        for model in self.run.networks:
            shown, main = self.names.model(model), model == self.run.main_network
            chart = {key: words.say(key) for key in keys} | {"score_axis": words.say("score_of", model=shown)}
            drawing = score_distributions(self._panels(model), chart, LARGE if main else SMALL)
            caption = words.say("scores_caption", model=shown)
            id = "figure-scores" if main else f"figure-scores-{model}"
            blocks.append(Figure(id, caption, data_uri(drawing, ".svg"), caption, narrow=not main))
            rows += self._quartiles(model)
        columns = self._titles("model", "set", "group", "n", "mean_sd", "quartiles")
        blocks.append(_table("table-scores", words.say("scores_table_caption"), columns, rows))
        return [*blocks, Paragraph(words.say("scores_note"), "note"), self._folds()]

    def _panels(self, model: str) -> list[tuple[str, np.ndarray, np.ndarray, np.ndarray | None]]:
        """Of each set with patients: title, scores, labels, and single folds' scores of test sets."""
        run, panels = self.run, []
        for name in run.sets:
            part = run.predictions[run.predictions["set"] == name]
            folds = None
            if (model, name) in run.fold_scores:
                of_patient = run.fold_scores[model, name].set_index("patient_id").reindex(part["patient_id"])
                folds = of_patient.to_numpy(float)
            if len(part):
                score, label = part[model].to_numpy(float), part["label"].to_numpy(int)
                panels.append((self.names.set_of_scores(name), score, label, folds))
        return panels

    def _quartiles(self, model: str) -> list[list[Cell]]:
        """Mean, SD and quartiles of a network's scores: a row per set and label."""
        words, rows = self.words, []
        for name in self.run.sets:
            part = self.run.predictions[self.run.predictions["set"] == name]
            for value, group in ((1, words.say("op_long")), (0, words.say("non_op_long"))):
                values = part.loc[part["label"] == value, model].astype(float)
                cells = [
                    text_cell(text) for text in (self.names.model(model), self.names.set_of_scores(name))
                ]
                cells += [text_cell(group), number_cell(len(values), fmt.count)]
                if len(values):
                    q = [fmt.decimal(values.quantile(x)) for x in (0.25, 0.5, 0.75)]
                    mean = f"{fmt.decimal(values.mean())} ({fmt.decimal(values.std())})"
                    cells += [
                        Cell(mean, values.mean()),
                        Cell(f"{q[1]} ({q[0]}–{q[2]})", values.median()),
                    ]
                else:
                    cells += [text_cell(None), text_cell(None)]
                rows.append(cells)
        return rows

    def _folds(self) -> Table:
        """The AUC of each training of a network alone and of its ensemble: a row per network, set and
        training.
        """
        words = self.words
        frame = self._frame("folds").astype({"fold": str})
        frame = frame[frame["model"].isin(self.run.networks)]
        rows = []
        for model in self.run.networks:
            for row in self._test_rows(frame[frame["model"] == model]).to_dict("records"):
                cells = [text_cell(self.names.model(model)), text_cell(self.names.set(row["set"]))]
                cells += [
                    text_cell(
                        words.say("ensemble") if row["fold"] == "ensemble" else run_title(row["fold"], words)
                    )
                ]
                cells += [number_cell(row[name], fmt.count) for name in ("n", "n_pos")]
                rows.append([*cells, interval_cell(row, "auc", fmt.auc)])
        columns = self._titles("model", "set", "fold", "n", "n_pos", "auc")
        notes = [words.say("folds_note"), *self._interval_methods(frame)]
        return _table("table-folds", words.say("folds_caption", level=self.level), columns, rows, notes)

    def architectures(self) -> list[Any]:
        """All networks side by side; nothing where there is one alone."""
        if "architectures" not in self.run.statistics:
            return []
        words = self.words
        caption = words.say("architectures_caption", model=self.main, level=self.level)
        note = words.say("architectures_note", model=self.main, engine=self._engine())
        return [self._measures("architectures", "table-architectures", caption, [note], aside=("engine",))]

    def methods(self) -> list[Any]:
        blocks: list[Any] = []
        for title, text in self.prose.parts("methods.j2"):
            blocks += [Heading(title), Paragraph(text)]
        return blocks

    def software(self) -> list[Any]:
        record, words = self.run.provenance, self.words
        versions, git = record["versions"], record["git"]
        text = words.say(
            "software_text",
            python=versions["python"],
            r=versions["R"] or words.say("not_used"),
            proc=versions["pROC"] or words.say("not_used"),
            platform=record["platform"],
            commit=words.say("unknown") if git["commit"] == "unknown" else git["commit"],
            modified=words.say("code_modified") if git["code_modified"] else "",
        )
        rows = [
            [text_cell(name), text_cell(version)] for name, version in sorted(versions["packages"].items())
        ]
        seeds = words.say("seeds_text", seed=record["seeds"]["study"], key=record["seeds"]["key_fingerprint"])
        return [
            Paragraph(text),
            Paragraph(seeds),
            Paragraph(words.say("trained_on_text", folds=self._trained_on())),
            _table("table-software", words.say("software_caption"), self._titles("package", "version"), rows),
        ]

    def _trained_on(self) -> str:
        """Device and PyTorch of each network's trainings."""
        words, parts = self.words, []
        trained = self.run.provenance["trained_on"]
        for model in (one.name for one in self.run.models if one.name in trained):
            runs: dict[str, list[str]] = {}
            for run, of in sorted(trained[model].items()):
                runs.setdefault(f"{of['device']}, PyTorch {of['torch']}", []).append(run_title(run, words))
            for made, of_device in runs.items():
                parts.append(f"{self.names.model(model)}: {made} ({', '.join(of_device)})")
        return words.say("list_separator").join(parts)

    def checksums(self) -> list[Any]:
        record, words = self.run.provenance, self.words
        inputs = []
        for center, entry in record["inputs"]["centers"].items():
            films = entry["films"]
            inputs.append(
                [center, words.say("films_listing", n=fmt.count(films["files"])), films["checksum"]]
            )
            inputs += [
                [center, words.say(f"table_kind_{kind}"), value] for kind, value in entry["tables"].items()
            ]
        rows = [
            [text_cell(self.names.center(center)), text_cell(what), Cell(value)]
            for center, what, value in inputs
        ]
        rows += [
            [text_cell(self.names.model(model)), text_cell(words.say(f"input_{kind}")), Cell(value)]
            for kind in ("weights", "embeddings")
            for model, value in record["inputs"][kind].items()
        ]
        outputs = [[text_cell(name), Cell(value)] for name, value in record["outputs"]["files"].items()]
        return [
            Paragraph(words.say("checksums_text")),
            Table(
                "table-inputs",
                words.say("inputs_caption"),
                self._titles("belongs_to", "input", "checksum"),
                rows,
                collapsed=True,
            ),
            Table(
                "table-outputs",
                words.say("outputs_caption"),
                self._titles("file", "sha256"),
                outputs,
                collapsed=True,
            ),
        ]

    def model_card(self) -> list[Any]:
        parts = self.prose.parts("model_card.j2")
        if self.run.main_network in self.learning:
            parts.insert(0, (self.words.say("learning_title"), self.learning[self.run.main_network]))
        rows = [[text_cell(title), text_cell(text)] for title, text in parts]
        columns = [
            Column(self.words.say("item"), False),
            Column(self.words.say("content"), False, prose=True),
        ]
        return [
            Table(
                "table-model-card",
                self.words.say("model_card_caption", model=self.main),
                columns,
                rows,
                [self.words.say("model_card_note")],
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
                text_cell(words.say(f"answer_{one.answer}")),
                text_cell(one.statement),
            ]
            rows.append([*cells, Cell(files, links=links) if files or links else text_cell(None)])
        counts = "; ".join(
            f"{words.say(f'answer_{answer}')}: {n}"
            for answer in ANSWERS
            if (n := sum(one.answer == answer for one in items))
        )
        columns = [Column(words.say(key), False) for key in ("item", "topic", "answer")]
        columns += [Column(words.say(key), False, prose=True) for key in ("statement", "where")]
        source = words.say(
            "checklist_source",
            source=read_checklist(name)["source"],
            file=f"results/tables/checklist_{name}.csv",
        )
        return [
            Paragraph(words.say("checklist_text", n=len(items), counts=counts)),
            Table(f"table-{name.replace('_', '-')}", words.say(f"{name}_caption"), columns, rows, [source]),
        ]

    def limits(self) -> list[Any]:
        return [Bullets([*self.learning.values(), *self.prose.items("limits.j2")])]
