"""A reader who has the archive alone, knows how every table is made and how small cells are hidden, and
counts them back.

The tables are those of the statistics stage's own functions for simulated patients. Every attack is also run
on the archive in which nothing is hidden, where it must find what it looks for.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

from scripts.common.contracts.cohort import COHORT, FLOW
from scripts.common.contracts.statistics import (
    BASELINE_PERFORMANCE,
    CALIBRATION,
    CALIBRATION_CURVE,
    DELONG,
    MISSING,
    NET_BENEFIT,
    PREVALENCE,
    SENSITIVITY,
    SHORTCUTS,
    SUBGROUPS,
    TABLE1,
    TABLE2,
    THRESHOLDS,
)
from scripts.common.predictors import Predictor
from scripts.common.tables import write_table
from scripts.share.pack_results import pack
from scripts.share.suppression import FEW_VALUED, HIDDEN, rules_of
from scripts.statistics.auc_comparison import delong_table
from scripts.statistics.baselines import baseline_delong, baseline_performance
from scripts.statistics.calibration import calibration_tables
from scripts.statistics.cohort_description import count_missing, describe
from scripts.statistics.decision_curves import decision_curves
from scripts.statistics.performance import performance_table
from scripts.statistics.scored_cohort import scored_cohort
from scripts.statistics.sensitivity_analyses import sensitivity_table
from scripts.statistics.shortcuts import manufacturer_rows, variable_rows, with_films
from scripts.statistics.subgroups import prevalence_table, subgroup_table
from scripts.statistics.thresholds import freeze

from .conftest import OWN_TABLES, record, write_csv
from .test_packing import opened

SIZES = {"train": (60, 80), "internal_test": (55, 75), "external_1": (60, 60), "external_2": (3, 14)}
"""OP and non-OP patients; the last set is closed."""

TESTS = ["internal_test", "external_1", "external_2"]
SKILL = {"film": 4.0, "table": 0.7, "both": 1.8}
MODELS = [*SKILL, "years"]
BASELINES = ["old", "two", "index"]
OF_AGE = {"years": 1, "old": 4}
"""Models on the age alone, a main one and a baseline, by the years that they tell apart: whom they call
positive is a part of a set by age.
"""
POPULATIONS = [{"label": f"from {age}", "from_age": age, "prevalence": 0.2} for age in (40, 50, 60, 65, 66)]
TITLE = "Osteoporose am Sankt-Elsewhere-Spital"
SMALLEST = 5


PREDICTORS = {
    "smoker": Predictor("smoker", "yes_no"),
    "alcohol": Predictor("alcohol", "category", ("never", "now", "daily")),
    "calcium": Predictor("calcium", "number"),
}


def simulated(seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Cohort and predictions.

    Models differ in skill, so that some have few errors; few values are missing, and few men are in one
    set.
    """
    rng = np.random.default_rng(seed)
    parts = []
    for name, (n_op, n_non_op) in SIZES.items():
        n, label = n_op + n_non_op, np.repeat([1, 0], [n_op, n_non_op])
        height = rng.normal(160, 8, n).round(1)
        height[rng.random(n) < 0.03] = np.nan
        weight = rng.normal(60, 9, n).round(1)
        weight[rng.random(n) < 0.08] = np.nan
        men, unknown = (
            0.05 if seed == 2 and name == "train" else 0.3,
            (0.02 if seed == 3 and name != "train" else 0),
        )
        center = "internal" if name in ("train", "internal_test") else name
        parts.append(pd.DataFrame({
            "patient_id": [f"{name}{i}" for i in range(n)], "center": center, "set": name,
            "fold": rng.integers(0, 5, n) if name == "train" else pd.NA, "label": label,
            "sex": np.where(rng.random(n) < unknown, "",
            np.where(rng.random(n) < np.where(label == 1, men, 0.4), "M", "F")),
            "age": np.clip(rng.normal(62 + 6 * label, 9).round(), 41, 90), "height_cm": height,
            "weight_kg": weight,
            "bmi": (weight / (height / 100) ** 2).round(2), "bmd": rng.normal(0.8, 0.1, n).round(3),
            "t_score": rng.normal(-2, 1, n).round(1),
            "dxa_site": "lumbar", "n_sites": 3, "image_id": [f"{name}-{i}" for i in range(n)],
            "dxa_interval_days": rng.choice([10, -60, 120], n, p=[0.5, 0.35, 0.15]),
            "manufacturer": rng.choice(["Maker A", "maker a", "Maker B"], n, p=[0.4, 0.2, 0.4]),
            "review": (rng.random(n) < 0.1).astype(int),
        }))  # fmt: skip
    cohort = pd.concat(parts, ignore_index=True)
    label = cohort["label"].to_numpy()
    site = np.random.default_rng(seed + 100)
    for column, agreeing, known in (("t_score_lumbar", 0.8, 0.9), ("t_score_femoral_neck", 0.97, 0.97)):
        low = (label == 1) & (site.random(len(label)) < agreeing)
        cohort[column] = np.where(site.random(len(label)) < known, np.where(low, -3.0, -1.0), np.nan)
    cohort["n_sites"] = np.where(site.random(len(label)) < 0.95, 3, 2)
    own = np.random.default_rng(seed + 200)
    cohort["smoker"] = pd.array(own.random(len(label)) < 0.12, dtype="boolean").astype("Int64")
    cohort.loc[own.random(len(label)) < 0.04, "smoker"] = pd.NA
    cohort["alcohol"] = own.choice(["never", "now", "daily", ""], len(label), p=[0.5, 0.35, 0.1, 0.05])
    cohort["calcium"] = np.where(
        own.random(len(label)) < 0.95, own.normal(2.3, 0.1, len(label)).round(2), np.nan
    )
    predictions = cohort[["patient_id", "center", "set", "fold", "label"]].copy()
    for model, skill in SKILL.items():
        predictions[model] = 1 / (1 + np.exp(-(skill * (label - 0.5) + rng.normal(0, 1, len(label)))))
    age, weight = cohort["age"], cohort["weight_kg"].fillna(60)
    logits = {name: 0.08 * (step * (age // step) - 65) for name, step in OF_AGE.items()}
    logits |= {"two": 0.08 * (age - 65) - 0.05 * (weight - 60), "index": 0.2 * (age - weight)}
    for model, logit in logits.items():
        predictions[model] = 1 / (1 + np.exp(-logit))
    return cohort, predictions


class Study:
    """The study's truth, with which the attacks are marked, and its folder."""

    def __init__(self, folder, seed: int) -> None:
        self.folder = folder
        cohort, predictions = simulated(seed)
        results = folder / "results"
        for name in OWN_TABLES:
            write_csv(results / name, rules_of(name).columns)
        write_table(cohort, results / "cohort/cohort.csv", COHORT)
        frame = predictions
        scored = scored_cohort(frame, results / "cohort/cohort.csv")
        frozen = freeze(frame, [*MODELS, *BASELINES], "youden", None)
        cuts = dict(zip(frozen["model"], frozen["threshold"]))
        rules = {row.model: (row.threshold, row.rule) for row in frozen.itertuples()}
        rng = np.random.default_rng(seed)
        exposure = cohort[["center", "image_id"]].assign(
            view=rng.choice(["PA", "AP"], len(cohort), p=[0.9, 0.1]), rows=2500, columns=2048,
            exposure_index=np.nan, deviation_index=np.nan,
            **{name: rng.uniform(0.2, 0.6, len(cohort)) for name in ("mean", "value_range", "noise_ratio",
            "clipped_low", "clipped_high", "polarity")},
        )  # fmt: skip
        exposure.to_csv(results / "films.csv", index=False)
        films = with_films(scored, "film", results / "films.csv")
        calibration, curve = calibration_tables(frame, MODELS, TESTS, 0.95)
        centers = ["internal", "external_1", "external_2"]
        for name, table, columns in (
            ("thresholds", frozen, THRESHOLDS),
            ("table1", describe(cohort, centers, PREDICTORS), TABLE1),
            ("missing", count_missing(cohort, list(PREDICTORS)), MISSING),
            ("table2", performance_table(frame, MODELS, TESTS, cuts, 0.95, 50, 1), TABLE2),
            ("net_benefit", decision_curves(frame, MODELS, TESTS, np.array([0.1, 0.5]), 0.95, 50, 1),
            NET_BENEFIT),
            ("calibration", calibration, CALIBRATION),
            ("calibration_curve", curve, CALIBRATION_CURVE),
            ("subgroups", subgroup_table(scored, MODELS, TESTS, cuts, 0.95), SUBGROUPS),
            ("prevalence", prevalence_table(scored, MODELS, TESTS, cuts, POPULATIONS, 0.95, 50, 1),
            PREVALENCE),
            ("sensitivity", sensitivity_table(scored, MODELS, TESTS, cuts, -2.5, 0.95, 50, 1), SENSITIVITY),
            ("delong", delong_table(frame, MODELS, TESTS, ["film", "table"], 0.95, None), DELONG),
            ("baseline_performance", baseline_performance(frame, BASELINES, TESTS, rules, 0.95, 50, 1),
            BASELINE_PERFORMANCE),
            ("baseline_delong", baseline_delong(frame, ["film"], BASELINES, TESTS, 0.95, None), DELONG),
            ("shortcuts",
            pd.DataFrame(variable_rows(films, TESTS, 0.95, 1) + manufacturer_rows(films, TESTS, 0.95),
            columns=list(SHORTCUTS)), SHORTCUTS),
        ):  # fmt: skip
            write_table(table, results / f"statistics/{name}.csv", columns)
        self._intake(results, cohort, centers, rng)
        (results / "statistics/engine.json").write_text('{"engine": "numpy"}')
        for name in ("roc", "decision_curves", "calibration", "forest", "flow", "shortcuts"):
            (results / "figures").mkdir(exist_ok=True)
            (results / f"figures/{name}.svg").write_text("<svg/>")
        record(folder)
        path = results / "provenance.json"
        kept = json.loads(path.read_text())
        kept["config"] |= {
            "centers": [{"name": name} for name in centers],
            "study": {"title": TITLE},
            "models": {
                **{name: {"predictors": ["age"]} for name in OF_AGE},
                "film": {"kind": "hybrid"},
                "two": {"predictors": ["age", "weight_kg"]},
            },
        }
        kept["inputs"] = {
            "centers": {
                name: {"films": {"files": 1 + int((cohort["center"] == name).sum()), "checksum": "x"}}
                for name in centers
            }
        }
        path.write_text(json.dumps(kept))
        write_csv(
            folder / "private/internal/crosswalk/batch_0.csv",
            ("image_id", "path", "source_patient_id", "source_sop_instance_uid"),
        )
        makers = films.set_index("patient_id")["manufacturer"]
        blank = {name: {"": np.nan} for name in PREDICTORS}
        self.frame = cohort.assign(manufacturer=cohort["patient_id"].map(makers)).replace(blank)
        self.spelled = cohort["manufacturer"]
        self.calls = {model: (frame[model] >= cuts[model]).to_numpy() for model in [*MODELS, *BASELINES]}

    @staticmethod
    def _intake(results, cohort, centers, rng) -> None:
        """One film was set aside in each centre, for one reason, and one patient left out; verdicts are those
        of the others.
        """
        flow, files, verdicts = [], [], []
        for center in centers:
            part = cohort[cohort["center"] == center]
            n, n_op = len(part), int(part["label"].sum())
            flow += [(center, "found", n + 1, None, "found", None),
            (center, "no_film", 1, None, "excluded", 1),
                     (center, "too_young", 0, None, "excluded", 2),
                     (center, "included", n, n_op, "included", n)]  # fmt: skip
            flow += [
                (center, name, len(own), int(own["label"].sum()), "set", len(own))
                for name, own in part.groupby("set")
            ]
            files += [{"center": center, "status": "accepted", "reason": ""}] * n + [
                {"center": center, "status": "quarantined", "reason": "unreadable"}
            ]
            verdicts += [
                {"center": center, "verdict": verdict} for verdict in rng.choice(["pass", "review"], n)
            ]
            write_csv(results / f"intake/{center}/table_issues.csv", ("table", "reason", "n_rows"))
        write_table(pd.DataFrame(flow, columns=list(FLOW)), results / "cohort/flow.csv", FLOW)
        write_csv(results / "intake/files.csv", ("center", "status", "reason"), *files)
        write_csv(results / "intake/exposure.csv", ("center", "verdict"), *verdicts)

    def archive(self, smallest: int, keep: bool = False) -> dict[str, bytes]:
        target = self.folder / f"a{smallest}{keep}.tar.gz"
        if not target.exists():
            pack(self.folder / "results", self.folder / "private", target, smallest, keep)
        return opened(target)


def rows(archive: dict[str, bytes], name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(archive[name].decode(), newline=""))) if name in archive else []


def told(text: str) -> bool:
    return text not in ("", HIDDEN) and not text.startswith("<")


class Facts:
    """What the archive tells of numbers of patients: (what the group is defined by, model, who is in it, how
    many).

    Who is in a group, as bits, only says which groups lie within each other by their definitions; the number
    is the archive's.
    """

    def __init__(self, study: Study, archive: dict[str, bytes]) -> None:
        self.study, self.found = study, {}
        self.op = (study.frame["label"] == 1).to_numpy()
        self.read(archive)

    def bits(self, mask: np.ndarray) -> int:
        return int("".join("1" if one else "0" for one in mask), 2)

    def add(self, family: str, model: str, mask: np.ndarray, text: str | float) -> None:
        if isinstance(text, str) and not told(text):
            return
        self.found[family, model, self.bits(mask)] = round(float(text))

    def part(
        self, family: str, mask: np.ndarray, row: dict[str, str], of_op: np.ndarray | None = None
    ) -> None:
        """Sizes and confusion cells of a part from n, n_pos, sensitivity and specificity; ``of_op`` where
        another label is used.
        """
        op = self.op if of_op is None else of_op
        if not told(row["n"]) or not told(row["n_pos"]):
            return
        n, n_pos = int(row["n"]), int(row["n_pos"])
        for some, count in ((mask, n), (mask & op, n_pos), (mask & ~op, n - n_pos)):
            self.add(family, "", some, count)
        calls = self.study.calls.get(row.get("model", ""))
        if calls is None:
            return
        of_age = row["model"] in OF_AGE and family in ("whole", "age")
        model, family = ("", "age") if of_age else (row["model"], family)
        for metric, some, right, of in (
            ("sensitivity", mask & op, calls, n_pos),
            ("specificity", mask & ~op, ~calls, n - n_pos),
        ):
            if told(row.get(metric, "")):
                correct = round(float(row[metric]) * of)
                self.add(family, model, some & right, correct)
                self.add(family, model, some & ~right, of - correct)
        for cell, some in (
            ("tp", op & calls),
            ("fn", op & ~calls),
            ("fp", ~op & calls),
            ("tn", ~op & ~calls),
        ):
            self.add(family, model, mask & some, row.get(cell, ""))

    def read(self, archive: dict[str, bytes]) -> None:
        frame = self.study.frame
        days, age, bmi = frame["dxa_interval_days"].abs(), frame["age"], frame["bmi"]
        maker = frame["manufacturer"]
        spelled = self.study.spelled
        levels = {
            "female": frame["sex"] == "F", "male": frame["sex"] == "M", "<65": age < 65, ">=65": age >= 65,
            "<18.5": bmi < 18.5,
            "18.5-24.9": (bmi >= 18.5) & (bmi < 25), ">=25": bmi >= 25, "<=1 month": days <= 30,
            ">1-3 months": (days > 30) & (days <= 90),
            ">3 months": days > 90, **{name: spelled == name for name in spelled.unique()},
        }  # fmt: skip
        measured = frame[["height_cm", "weight_kg", "bmi"]].notna().all(axis=1)
        analyses = {"main": ("whole", age > 0), "without_review": ("review", frame["review"] != 1),
        "dxa_within_1_month": ("dxa_interval", days <= 30),
                    "dxa_within_3_months": ("dxa_interval", days <= 90), "complete_cases": ("bmi", measured),
                    "most_sites": ("n_sites", frame["n_sites"] >= 3),
                    **{f"{site}_only": (site, frame[f"t_score_{site}"].notna()) for site in ("lumbar",
                    "femoral_neck")}}  # fmt: skip
        in_set = {name: (frame["set"] == name).to_numpy() for name in SIZES}
        whole = [
            *rows(archive, "statistics/table2.csv"),
            *rows(archive, "statistics/baseline_performance.csv"),
            *rows(archive, "statistics/delong.csv"),
        ]
        whole += [row for row in rows(archive, "statistics/shortcuts.csv") if row["analysis"] == "variables"]
        whole += [{**row, "set": "train"} for row in rows(archive, "statistics/thresholds.csv")]
        for row in whole:
            self.part("whole", in_set[row["set"]], row)
        blocks: dict[tuple[str, str, str], list] = {}
        for row in rows(archive, "statistics/subgroups.csv"):
            if row["level"] == HIDDEN:
                continue
            mask = in_set[row["set"]] & levels[row["level"]].to_numpy()
            self.part(row["subgroup"], mask, row)
            blocks.setdefault((row["set"], row["subgroup"], row["model"]), []).append((mask, row))
        for (_, subgroup, model), block in blocks.items():
            for size in range(2, len(block) + 1):
                for some in itertools.combinations(block, size):
                    if not all(told(row["n"]) for _, row in some):
                        continue
                    union = {
                        "n": str(sum(int(row["n"]) for _, row in some)),
                        "n_pos": str(sum(int(row["n_pos"]) for _, row in some)),
                        "model": model,
                    }
                    for metric, of in (
                        ("sensitivity", lambda row: int(row["n_pos"])),
                        ("specificity", lambda row: int(row["n"]) - int(row["n_pos"])),
                    ):
                        if all(told(row[metric]) or not of(row) for _, row in some) and (
                            total := sum(map(of, (row for _, row in some)))
                        ):
                            union[metric] = str(
                                sum(float(row[metric]) * of(row) for _, row in some if of(row)) / total
                            )
                    self.part(subgroup, np.any([mask for mask, _ in some], axis=0), union)
        for row in rows(archive, "statistics/prevalence.csv"):
            self.part("age", in_set[row["set"]] & (age >= int(row["from_age"])).to_numpy(), row)
        for row in rows(archive, "statistics/sensitivity.csv"):
            family, mask = analyses[row["analysis"]]
            of_op = (
                (frame[f"t_score_{family}"] <= -2.5).to_numpy()
                if family in ("lumbar", "femoral_neck")
                else None
            )
            self.part(
                "whole" if of_op is not None else family, in_set[row["set"]] & mask.to_numpy(), row, of_op
            )
        for row in rows(archive, "statistics/shortcuts.csv"):
            if row["analysis"] == "within_manufacturer" and row["subject"] != HIDDEN:
                self.part("manufacturer", in_set[row["set"]] & (maker == row["subject"]).to_numpy(), row)
        body = {"height_cm", "weight_kg", "bmi"}
        for row in rows(archive, "statistics/table1.csv"):
            center = (frame["center"] == row["center"]).to_numpy()
            absent = frame[row["variable"]].isna().to_numpy()
            family = "bmi" if row["variable"] in body else row["variable"]
            for prefix, group in (("op_", center & self.op), ("non_op_", center & ~self.op), ("", center)):
                self.add(family, "", group & ~absent, row[f"{prefix}n"])
                self.add(family, "", group & absent, row[f"{prefix}missing"])
                if row["variable"] == "sex" and prefix:
                    texts = row[prefix.rstrip("_")].split("/")
                    for at, (sex, code) in enumerate((("male", "M"), ("female", "F"))):
                        self.add("sex", "", group & (frame["sex"] == code).to_numpy(), row[f"{prefix}{sex}"])
                        self.add(
                            "sex",
                            "",
                            group & (frame["sex"] == code).to_numpy(),
                            texts[at] if len(texts) == 2 else HIDDEN,
                        )
                if prefix and "/" in row[prefix.rstrip("_")] and row["variable"] in PREDICTORS:
                    answers = PREDICTORS[row["variable"]].levels or (1, 0)
                    for answer, text in zip(answers, row[prefix.rstrip("_")].split("/"), strict=True):
                        those = frame[row["variable"]].eq(answer).fillna(False).to_numpy(dtype=bool)
                        self.add(family, "", group & those, text)
        for row in rows(archive, "cohort/flow.csv"):
            for kind, mask in (
                ("set", frame["set"] == row["step"]),
                ("included", frame["center"] == row["center"]),
            ):
                if row["kind"] == kind:
                    self.part("whole", mask.to_numpy(), {"n": row["n_patients"], "n_pos": row["n_op"]})
        for row in rows(archive, "statistics/missing.csv"):
            if row["variable"] in frame:
                absent = frame[row["variable"]].isna().to_numpy()
                self.add(
                    "bmi" if row["variable"] in body else row["variable"],
                    "",
                    in_set[row["set"]] & absent,
                    row["n_missing"],
                )
                if row["variable"] == "age":
                    self.add("age", "", in_set[row["set"]] & (age >= 90).to_numpy(), row["n_capped"])

    def recovered(self, smallest: int = SMALLEST) -> list[str]:
        """Small counts told, or found as the difference of a group and one within it, or of the development
        centre's sets.
        """
        out = [
            f"{family} {model}: {count}"
            for (family, model, _), count in self.found.items()
            if 0 < count < smallest
        ]
        facts = list(self.found.items())
        for (family, model, bits), count in facts:
            for (other, of, within), less in facts:
                if bits & within != within or bits == within or not 0 < count - less < smallest:
                    continue
                if (family == other or "whole" in (family, other)) and (model == of or "" in (model, of)):
                    out.append(f"{family} {model} {count} - {other} {of} {less}")
        return out


@pytest.fixture(scope="module", params=[1, 2, 3])
def study(request, tmp_path_factory) -> Study:
    return Study(tmp_path_factory.mktemp("study"), request.param)


@pytest.mark.parametrize("keep", [False, True])
def test_no_small_cell_comes_back_by_subtraction(study, keep):
    archive = study.archive(SMALLEST, keep)
    facts = Facts(study, archive)
    if keep:  # errors of the models are told then; sizes are not
        facts.found = {key: count for key, count in facts.found.items() if not key[1] and key[0] != "age"}
    assert len(facts.found) > 20 and facts.recovered() == []
    wider = Facts(study, study.archive(9))
    assert len(wider.found) > 5 and wider.recovered(9) == []
    assert len(Facts(study, study.archive(1)).recovered()) > 20, (
        "the attack finds nothing where nothing is hidden"
    )
    for name in ("subgroups", "sensitivity", "prevalence"):
        column = {
            row["specificity" if name != "subgroups" else "n"]
            for row in rows(archive, f"statistics/{name}.csv")
        }
        assert HIDDEN in column and len(column) > 1, (
            f"{name}: too much or too little is hidden for this to be a test"
        )


def fits(text_mean: str, text_sd: str, n: int, grain: Fraction, width: Fraction) -> bool:
    """Whether ``n`` values that are multiples of ``grain`` can have a mean and SD within half a ``width`` of
    those told.
    """
    mean, sd = Fraction(text_mean), Fraction(text_sd)
    for k in range(
        int(np.ceil((mean - width / 2) * n / grain)), int(np.floor((mean + width / 2) * n / grain)) + 1
    ):
        low, high = (
            (max(sd + side * width / 2, Fraction(0)) ** 2 * (n - 1) / grain**2 + Fraction(k * k, n))
            for side in (-1, 1)
        )
        if any(
            q % 2 == k % 2
            for q in range(int(np.ceil(low)), min(int(np.floor(high)), int(np.ceil(low)) + 2) + 1)
        ):
            return True
    return False


def test_numbers_of_missing_values_do_not_come_back_from_means(study):
    hidden = [
        row
        for row in rows(study.archive(SMALLEST), "statistics/table1.csv")
        if row["n"] == HIDDEN and told(row["op_mean"])
    ]
    plain = {(row["center"], row["variable"]): row for row in rows(study.archive(1), "statistics/table1.csv")}
    assert hidden
    alone = 0
    for row in hidden:
        grain = Fraction(1, {"bmi": 100, "calcium": 100}.get(row["variable"], 10))
        full = plain[row["center"], row["variable"]]
        for group in ("op", "non_op"):
            if not told(row[f"{group}_mean"]):
                continue
            assert len(row[f"{group}_mean"]) < 7 and row["smd"] == row["p_value"] == HIDDEN
            assert row[group] == f"{row[f'{group}_mean']} ± {row[f'{group}_sd']}"
            n, grains = int(full[f"{group}_n"]), float(full[f"{group}_mean"]) / float(grain)
            guesses = range(n - 2 * SMALLEST, n + 2 * SMALLEST + 1)
            assert all(
                fits(row[f"{group}_mean"], row[f"{group}_sd"], guess, grain, Fraction(1, 10))
                for guess in guesses
            )
            alone += [guess for guess in guesses if abs(grains * guess - round(grains * guess)) < 1e-6] == [n]
    assert alone, "no full mean tells the number: the attack is none"


def test_a_closed_row_says_nothing(study):
    archive = study.archive(SMALLEST)
    closed = 0
    for name in OWN_TABLES:
        for row in rows(archive, name):
            if row.get("n") == HIDDEN and name != "statistics/table1.csv":
                closed += 1
                assert {value for column, value in row.items() if column not in rules_of(name).keys} == {
                    HIDDEN
                }, (name, row)
    assert closed > 20
    told_of = [row for row in rows(archive, "statistics/subgroups.csv") if row["set"] == "external_2"]
    assert len(told_of) == 5 * len(MODELS) and {row["level"] for row in told_of} == {HIDDEN}, (
        "as many rows as subgroups, whoever is in them"
    )


def test_one_patient_left_out_and_one_film_set_aside_do_not_come_back(study):
    archive = study.archive(SMALLEST)
    flow = {(row["center"], row["step"]): row["n_patients"] for row in rows(archive, "cohort/flow.csv")}
    assert flow["external_2", "external_2"] == HIDDEN and flow["internal", "train"] == "140"
    films = json.loads(archive["provenance.json"])["inputs"]["centers"]
    for center in ("internal", "external_1"):
        assert (
            told(flow[center, "included"])
            and flow[center, "found"] == flow[center, "no_film"] == flow[center, "too_young"] == HIDDEN
        )
        assert films[center]["films"]["files"] == HIDDEN
        shown = [
            row["n_films"] for row in rows(archive, "intake/exposure_summary.csv") if row["center"] == center
        ]
        accepted = [
            row["n_files"] for row in rows(archive, "intake/files_summary.csv") if row["center"] == center
        ]
        assert not any(map(told, shown + accepted))
    plain = study.archive(1)
    assert [row["n_patients"] for row in rows(plain, "cohort/flow.csv") if row["step"] == "no_film"] == [
        "1"
    ] * 3


def test_an_auc_of_few_values_is_no_fraction_of_their_counts(study):
    """The AUC of a yes-or-no variable is (1 + a / n_pos - b / n_neg) / 2: few a and b give the AUC told."""
    named = {
        (row["set"], row["subject"]): row
        for row in rows(study.archive(1), "statistics/shortcuts.csv")
        if row["analysis"] == "variables"
    }
    row = named["internal_test", "view"]
    n_pos, n_neg = int(row["n_pos"]), int(row["n"]) - int(row["n_pos"])
    fit = [
        (a, b)
        for a in range(n_pos + 1)
        for b in range(n_neg + 1)
        if abs((1 + a / n_pos - b / n_neg) / 2 - float(row["auc"])) < 1e-12
    ]
    assert len(fit) <= 8
    for row in rows(study.archive(SMALLEST), "statistics/shortcuts.csv"):
        assert row["subject"] not in FEW_VALUED or not told(row["auc"])


def test_neither_title_nor_figures_that_count_patients_go_in(study):
    archive = study.archive(SMALLEST)
    whole = b"".join(archive.values())
    assert (
        TITLE.encode() not in whole
        and TITLE.encode() in (study.folder / "results/provenance.json").read_bytes()
    )
    out = {
        "figures/calibration.svg",
        "figures/roc.svg",
        "figures/decision_curves.svg",
        "figures/flow.svg",
        "figures/shortcuts.svg",
    }
    out |= {"figures/forest.svg"}
    out |= {"statistics/calibration_curve.csv", "statistics/net_benefit.csv"}
    assert not out & archive.keys() and all(name.encode() in archive["README.txt"] for name in out)
    kept = study.archive(SMALLEST, keep=True)
    assert "figures/calibration.svg" not in kept and "statistics/calibration_curve.csv" in kept
    assert "figures/roc.svg" not in kept, "its title has the size of the closed set"
    assert "figures/calibration.svg" in study.archive(1)
