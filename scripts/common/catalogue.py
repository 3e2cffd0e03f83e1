"""Every result that a person reads, or that another may get: where it lies, where it is shown, and how it is
shared. What it is called stands among the words.

The targets, Snakemake's report, the study's report, the listing of own tables, ``make share`` and the table
in ``docs/outputs.md`` are made from these rows.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from scripts.common.contracts import cohort, intake, report, statistics, tabular
from scripts.common.contracts.contract import Contract
from scripts.common.language import Language

ROOT = "results/"

RESULTS = "results"
"""The group of words with the results' titles."""

FINAL, PRODUCT, LAST = "final", "product", "last"
"""When a result is made: asked for by name; on the way there; by the report's rule, after the provenance
record that holds the checksums of the others."""

SEVERAL_NETWORKS, FLOW = "several networks", "flow of patients"
MODEL_WITHOUT_NETWORK = "a model that needs no network"
"""What a study must have for a result to be made; most ask for nothing."""

WAYS = ("whole", "redacted", "suppressed", "counted", "derived", "counting", "films", "never")
"""Ways of sharing: as it is; without what could tell; with small cells hidden; only counts of its rows; where
nothing is hidden in the tables that it shows; where nothing is hidden at all, since it draws counts of people
that no table holds; after a sign-off on films; never."""

FIGURE = "figure"
"""Stands for the suffixes of a figure: those of the config."""

DOCUMENTS = {"docx": "Word", "html": "page"}
"""Suffixes of a table as a document, and what they are called."""


@dataclass(frozen=True)
class Sharing:
    """How ``make share`` packs a result.

    Parameters
    ----------
    how : one of WAYS
    by : of a suppressed table, how its cells are hidden (``WAYS`` of ``scripts/share/suppression.py``)
    of : names of the tables that it shows, where it is derived
    outcomes : whether it tells cells of the confusion matrices at other thresholds than the frozen one, so
        that it goes in with the models' errors only
    why : the reason for which it stays out
    pattern : how the archive names what never goes in
    """

    how: str
    by: str = ""
    of: tuple[str, ...] = ()
    outcomes: bool = False
    why: str = ""
    pattern: str = ""

    def __post_init__(self) -> None:
        if self.how not in WAYS:
            raise ValueError(f"'{self.how}' is no way of sharing")
        if (self.how in ("counting", "never")) != bool(self.why):
            raise ValueError(f"say why a result is not shared, and only then: '{self.how}'")


def suppressed(by: str = "set", outcomes: bool = False) -> Sharing:
    """A table with its small cells hidden."""
    return Sharing("suppressed", by=by, outcomes=outcomes)


def derived(*of: str) -> Sharing:
    """A figure or document that shows the numbers of the tables ``of``."""
    return Sharing("derived", of=of)


def never(why: str, pattern: str = "") -> Sharing:
    """What stays here whatever is chosen."""
    return Sharing("never", why=why, pattern=pattern)


BETWEEN_MODELS = never("differences between models could give back single patients")
PERSONS = never("by patient or by film")
MODELS = "models: weights and trees can hold traces of the patients they were trained on"
OF_TRAINING = never("losses on the training patients, and single patients' scores")
STATEMENTS = never("its statements hold unsuppressed numbers", "tables/checklist_*")


@dataclass(frozen=True)
class Result:
    """A result; ``name`` is its path below ``results/`` without suffix, ``{center}`` and the like stand for
    every such name.

    Parameters
    ----------
    name, suffix : the path; several suffixes are joined by spaces, FIGURE stands for those of the config
    title : what it is called: ``result_<title>`` of the words
    sharing : how ``make share`` takes it
    contract : of a table
    caption : page in ``report/`` and category with which it stands in Snakemake's report; empty: it does not
    place : section of the study's report that shows it; empty: none does
    shown_as : suffix of the file that the report shows
    own : whether it is made of own tables too (``make statistics``)
    made : FINAL, PRODUCT or LAST
    drawn_by : of a figure, the rule that draws it
    only_with : what the study must have (such as SEVERAL_NETWORKS); empty: nothing
    """

    name: str
    suffix: str
    title: str
    sharing: Sharing
    contract: Contract | None = None
    caption: str = ""
    category: str = ""
    place: str = ""
    shown_as: str = "svg"
    own: bool = False
    made: str = FINAL
    only_with: str = ""
    drawn_by: str = ""

    @property
    def stem(self) -> str:
        """The last part of the name."""
        return self.name.rsplit("/", 1)[-1]

    @property
    def folder(self) -> str:
        """The name without its last part."""
        return self.name.rpartition("/")[0]

    def suffixes(self, formats: Iterable[str] = ()) -> list[str]:
        """The suffixes of its files; ``formats`` are those of the figures beside SVG and PNG."""
        return sorted({"svg", "png", *formats}) if self.suffix == FIGURE else self.suffix.split()

    def files(
        self, names: Mapping[str, Sequence[object]] | None = None, formats: Iterable[str] = ()
    ) -> list[str]:
        """All its files from the root of the study; ``names`` gives those that a wildcard stands for."""
        wildcards = re.findall(r"\{(\w+)\}", self.name)
        filled = [
            self.name.format(**dict(zip(wildcards, chosen)))
            for chosen in itertools.product(*((names or {})[wildcard] for wildcard in wildcards))
        ]
        return [f"{ROOT}{name}.{suffix}" for name in filled for suffix in self.suffixes(formats)]

    def made_with(self, study_has: Collection[str]) -> bool:
        """Whether it is made of a study that has ``study_has`` (of what results ask for)."""
        return not self.only_with or self.only_with in study_has

    def file(self, suffix: str = "") -> str:
        """The file with ``suffix``; where none is given the first one, of a figure the SVG."""
        first = "svg" if self.suffix == FIGURE else self.suffix.split()[0]
        return f"{ROOT}{self.name}.{suffix or first}"

    def titled(self, words: Language) -> str:
        """Its title, of the words' group RESULTS."""
        return words.say(f"result_{self.title}")

    def mark(self, suffix: str = "") -> dict[str, object]:
        """With what it stands in Snakemake's report: caption, category and label. ``suffix`` tells the
        documents of a table from each other."""
        title = self.titled(Language("en", RESULTS))
        what = f"{title} ({DOCUMENTS[suffix]})" if suffix in DOCUMENTS else title
        return {
            "caption": f"../report/{self.caption}.rst",
            "category": self.category,
            "labels": {"what": what},
        }


def _document(stem: str, *of: str) -> Result:
    """A table of the manuscript, for Word and as a page."""
    return Result(
        f"tables/{stem}", "html docx", stem, derived(*of), caption=stem, category="Tables", own=True
    )


def _figure(
    stem: str, sharing: Sharing, place: str = "", drawn_by: str = "draw_figures", **more: object
) -> Result:
    """A figure, in the formats of the config."""
    return Result(
        f"figures/{stem}",
        FIGURE,
        stem,
        sharing,
        caption=stem,
        category="Figures",
        place=place or stem,
        drawn_by=drawn_by,
        **more,
    )


def _statistic(
    contract: Contract,
    sharing: Sharing,
    caption: str = "",
    place: str = "",
    own: bool = True,
    made: str = FINAL,
    only_with: str = "",
) -> Result:
    """A table of ``results/statistics``."""
    path = contract.path.removeprefix(ROOT).removesuffix(".csv")
    category = "Tables" if caption else ""
    stem = path.rsplit("/", 1)[-1]
    told = (path, "csv", stem, sharing, contract, caption, category, place)
    return Result(*told, own=own, made=made, only_with=only_with)


CATALOGUE: tuple[Result, ...] = (
    _document("table1", "statistics/table1", "statistics/missing"),
    _document("table2", "statistics/table2", "statistics/delong", "statistics/thresholds"),
    _figure("roc", derived("statistics/table2", "statistics/net_benefit"), own=True),
    _figure("decision_curves", derived("statistics/table2", "statistics/net_benefit"), own=True),
    _figure(
        "calibration",
        Sharing(
            "counting",
            why="the histograms at its foot count single patients by score (SMALLEST=1 packs it)",
        ),
        own=True,
    ),
    _figure("forest", derived("statistics/table2", "statistics/subgroups"), "subgroups", own=True),
    _figure("flow", derived("cohort/flow"), own=True, only_with=FLOW),
    _figure("gradcam", Sharing("films"), drawn_by="draw_network", shown_as="png"),
    _figure("training", never(MODELS, "figures/training.*"), drawn_by="draw_network"),
    _figure("shortcuts", derived("statistics/shortcuts"), drawn_by="draw_network"),
    _statistic(statistics.TABLE1, suppressed("table1"), "table1", "table1"),
    _statistic(statistics.MISSING, suppressed("missing"), "missing", "missing", made=PRODUCT),
    _statistic(statistics.TABLE2, suppressed(), "table2", "table2"),
    _statistic(statistics.DELONG, suppressed(), "delong", "delong"),
    _statistic(statistics.THRESHOLDS, suppressed("thresholds"), "thresholds", "table2"),
    _statistic(statistics.CALIBRATION, suppressed(), "calibration", "calibration", made=PRODUCT),
    _statistic(statistics.CALIBRATION_CURVE, suppressed(outcomes=True), made=PRODUCT),
    _statistic(statistics.NET_BENEFIT, suppressed(outcomes=True)),
    _statistic(statistics.BEST_MODEL, BETWEEN_MODELS, "best_model", "decision_curves"),
    _statistic(statistics.DIFFERENCES, BETWEEN_MODELS, "differences", "delong"),
    _statistic(statistics.NET_BENEFIT_DIFFERENCES, BETWEEN_MODELS, "net_benefit_differences"),
    _statistic(statistics.YOUDEN_UPPER_BOUND, BETWEEN_MODELS, "youden_upper_bound", "table2"),
    _statistic(statistics.SUBGROUPS, suppressed("subgroups"), "forest", "subgroups", made=PRODUCT),
    _statistic(statistics.PREVALENCE, suppressed("populations"), "prevalence", "prevalence", made=PRODUCT),
    _statistic(statistics.SENSITIVITY, suppressed("analyses"), "sensitivity", "sensitivity", made=PRODUCT),
    Result("statistics/engine", "json", "engine", Sharing("whole"), own=True, made=PRODUCT),
    _statistic(statistics.FOLDS, suppressed(), "folds", "scores", own=False, made=PRODUCT),
    _statistic(
        *(statistics.LEARNING, OF_TRAINING, "learning", "training"), own=False, made=PRODUCT
    ),
    _statistic(
        statistics.FIRST_ANSWER, suppressed(), own=False, made=PRODUCT, only_with=MODEL_WITHOUT_NETWORK
    ),
    _statistic(
        statistics.BASELINE_PERFORMANCE, suppressed(), "baselines", "baselines", own=False
    ),
    _statistic(statistics.BASELINE_DELONG, suppressed(), "", "baselines", own=False),
    _statistic(statistics.SHORTCUTS, suppressed("shortcuts"), "shortcuts", "shortcuts", own=False),
    _statistic(
        *(statistics.ARCHITECTURES, suppressed(), "architectures", "architectures"),
        own=False, only_with=SEVERAL_NETWORKS,
    ),
    Result("intake/files", "csv", "files", Sharing("counted"), intake.FILES),
    Result("intake/exposure", "csv", "exposure", Sharing("counted"), intake.EXPOSURE),
    Result(
        *("intake/{center}/table_issues", "csv", "table_issues", Sharing("counted"), intake.TABLE_ISSUES),
        made=PRODUCT,
    ),
    Result("cohort/cohort", "csv", "cohort", PERSONS, cohort.COHORT),
    Result("cohort/flow", "csv", "flow", suppressed("flow"), cohort.FLOW),
    Result("predictions", "csv", "predictions", PERSONS, cohort.PREDICTIONS),
    Result(
        *("models/{network}/fold_{run}/weights", "pt", "weights"),
        never(MODELS, "models/*/fold_*/weights.pt"),
        made=PRODUCT,
    ),
    Result(
        *("models/{tabular}/model", "json", "fitted_model", never(MODELS, "models/*/model.json")),
        made=PRODUCT,
    ),
    Result(
        *("models/{tabular}/variables", "csv", "variables", never(MODELS, "models/*/variables.csv")),
        contract=tabular.VARIABLES, made=PRODUCT,
    ),
    Result(
        *("provenance", "json", "provenance", Sharing("redacted")), caption="provenance", category="Report",
        made=LAST,
    ),
    Result(
        *("report", "html", "report"),
        never("holds unsuppressed numbers and pictures of films", "report.html"),
        caption="report", category="Report", made=LAST,
    ),
    *(
        Result(
            *(f"tables/{name}", "csv", name, STATEMENTS, report.CHECKLIST),
            caption=name, category="Report", made=LAST,
        )
        for name in ("checklist_tripod_ai", "checklist_claim")
    ),
)  # fmt: skip
"""In the order of the listing of own tables."""

WITHHELD: dict[str, tuple[str, ...]] = {
    PERSONS.why: (
        *("predictions.csv", "cohort/*/*.csv", "cohort/[!f]*.csv", "intake/*.csv", "intake/*/*.csv"),
        *("models/*/scores/*", "models/*/out_of_fold.csv", "models/*/fold_*/held_out.csv"),
        *("models/*/masked/*", "models/*/embeddings/*"),
    ),
    MODELS: ("models/*/fold_*/history.csv", "bundle/*"),
    "films and heat maps": (
        "intake/*/dicom",
        "intake/*/png",
        "intake/*/contact_sheet*",
        "models/*/gradcam/*",
    ),
}
"""What else of ``results/`` is never shared, by reason, as patterns: files that serve other jobs."""


def result(name: str) -> Result:
    """The row with that name. Raises ``KeyError`` where there is none."""
    for row in CATALOGUE:
        if row.name == name:
            return row
    raise KeyError(f"the catalogue holds no result '{name}'")


def figures() -> list[Result]:
    """The figures."""
    return [row for row in CATALOGUE if row.suffix == FIGURE]


def shown_figures() -> dict[str, str]:
    """Figures that the study's report shows: stem to file in ``results/figures``."""
    return {row.stem: f"{row.stem}.{row.shown_as}" for row in figures() if row.place}


def shown_statistics(study_has: Collection[str] = ()) -> dict[str, Contract]:
    """Tables of ``results/statistics`` that the study's report reads, by stem; those that are made only of
    studies with something where that is in ``study_has``.
    """
    return {
        row.stem: row.contract
        for row in CATALOGUE
        if row.place and row.contract is not None and row.folder == "statistics" and row.made_with(study_has)
    }


def never_shared() -> dict[str, tuple[str, ...]]:
    """What never goes into an archive, by reason, as patterns below ``results/``."""
    found = {why: list(patterns) for why, patterns in WITHHELD.items()}
    for row in CATALOGUE:
        if row.sharing.how == "never" and row.sharing.pattern:
            patterns = found.setdefault(row.sharing.why, [])
            patterns += [row.sharing.pattern] * (row.sharing.pattern not in patterns)
    return {why: tuple(patterns) for why, patterns in found.items()}
