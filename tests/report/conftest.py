"""A small run as files: plausible results with the columns that the other stages declare, without running
them.
"""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scripts.cohort.selection import NOTES
from scripts.common.catalogue import shown_statistics
from scripts.common.config import read_config
from scripts.common.config.files import laid_over
from scripts.common.contracts.cohort import COHORT, FLOW, PREDICTIONS
from scripts.common.contracts.intake import FILES
from scripts.common.contracts.statistics import (
    ARCHITECTURES,
    BASELINE_PERFORMANCE,
    BEST_MODEL,
    CALIBRATION,
    DELONG,
    DIFFERENCES,
    FOLDS,
    LEARNING,
    MISSING,
    PREVALENCE,
    SENSITIVITY,
    SHORTCUTS,
    SUBGROUPS,
    TABLE1,
    TABLE2,
    THRESHOLDS,
    YOUDEN_UPPER_BOUND,
)
from scripts.common.key import simulated_key
from scripts.common.tables import Columns, write_table
from scripts.common.vocabulary import CLINICAL
from scripts.report.provenance import provenance, provenance_text
from scripts.report.redaction import redacted_config
from scripts.report.run_files import FIGURES, read_run
from scripts.statistics.cohort_description import VARIABLES
from scripts.statistics.fold_performance import ENSEMBLE
from scripts.statistics.shortcuts import CONTRASTS, GROUPS
from scripts.workflow.models import Models
from scripts.workflow.targets import study_has

DECLARED = {
    "architectures": ARCHITECTURES,
    "thresholds": THRESHOLDS,
    "table1": TABLE1,
    "table2": TABLE2,
    "delong": DELONG,
    "differences": DIFFERENCES,
    "best_model": BEST_MODEL,
    "youden_upper_bound": YOUDEN_UPPER_BOUND,
    "folds": FOLDS,
    "learning": LEARNING,
    "calibration": CALIBRATION,
    "subgroups": SUBGROUPS,
    "prevalence": PREVALENCE,
    "sensitivity": SENSITIVITY,
    "missing": MISSING,
    "baseline_performance": BASELINE_PERFORMANCE,
    "baseline_delong": DELONG,
    "shortcuts": SHORTCUTS,
}

REAL_CENTER = {
    "name": "east",
    "role": "external",
    "label": "Saint Planted General Hospital",
    "dicom": "/planted/archive/of/films",
    "patients": {
        "path": "/planted/patients.xlsx",
        "sheet": "planted sheet",
        "columns": {
            "patient_id": "planted id",
            "sex": "planted sex",
            "birth_date": "planted birth",
            "height": "planted height",
            "weight": "planted weight",
            "measured_on": "planted day",
        },
        "exclusions": {"abnormal_spine": "planted spine"},
        "height_unit": "m",
        "sex_coding": {"F": ["planted woman"], "M": ["planted man"]},
        "flag_coding": {"yes": ["planted yes"], "no": ["planted no"]},
    },
    "dxa": {
        "path": "/planted/dxa.csv",
        "columns": {
            "patient_id": "planted id",
            "exam_date": "planted exam",
            "site": "planted site",
            "bmd": "planted bmd",
            "t_score": "planted t",
        },
        "site_coding": {"lumbar": ["planted spine site"]},
    },
    "review": "/planted/review.csv",
    "enrolment": {"from": "2020-01-01", "to": "2024-12-31"},
}


LABELLED = {
    "deep": {"kind": "hybrid", "label": {"en": "Deep learning", "zh": "DL 模型"}},
    "clinical": {
        "kind": "trees", "label": {"en": "Clinical", "zh": "临床模型"}, "predictors": list(CLINICAL),
    },
    "combined": {
        "kind": "trees", "label": {"en": "Combined", "zh": "联合模型"}, "predictors": [*CLINICAL, "deep"],
    },
    "age": {
        "kind": "logistic", "role": "baseline", "label": {"en": "Age alone", "zh": "仅年龄"},
        "predictors": ["age"],
    },
    "logistic": {
        "kind": "logistic", "role": "baseline", "label": {"en": "Logistic regression", "zh": "logistic 回归"},
        "predictors": list(CLINICAL),
    },
    "osta": {"kind": "osta", "role": "baseline", "label": "OSTA"},
}  # fmt: skip
"""The shipped models, each with a label in both languages."""


def with_changes(**changes):
    """The shipped models with ``changes`` of one laid over it."""
    return {name: laid_over(entry, changes.get(name, {})) for name, entry in LABELLED.items()}


def simulated_config(**changes):
    """The config of three simulated centres; ``changes`` replace sections."""
    centers = [
        {
            "name": "internal",
            "role": "development",
            "label": "Internal",
            "simulate": {"like": "internal", "n_op": 30, "n_non_op": 50},
        },
        {
            "name": "external_1",
            "role": "external",
            "label": "External 1",
            "simulate": {"like": "external_1", "n_op": 12, "n_non_op": 9},
        },
        {
            "name": "external_2",
            "role": "external",
            "simulate": {"like": "external_2", "n_op": 9, "n_non_op": 6},
        },
    ]
    return read_config({"models": LABELLED, "centers": centers, **changes})


def real_config(**changes):
    """A config with one simulated development centre and one real external centre full of planted words."""
    development = {
        "name": "internal",
        "role": "development",
        "simulate": {"like": "internal", "n_op": 30, "n_non_op": 50},
    }
    study = {"key_file": "/planted/study.key"}
    return read_config({"study": study, "centers": [development, REAL_CENTER], **changes})


def _plausible(columns: Columns, rows: list[dict], rng: np.random.Generator) -> pd.DataFrame:
    """Rows with a value in every declared column: bounds lie around their estimate, shares in (0, 1)."""
    out = []
    for given in rows:
        row: dict = {}
        for name, kind in columns.items():
            if name in given:
                row[name] = given[name]
            elif name.endswith(("_low", "_high")) and name.rsplit("_", 1)[0] in row:
                row[name] = row[name.rsplit("_", 1)[0]] + (-0.05 if name.endswith("_low") else 0.05)
            elif kind == "float":
                row[name] = float(rng.uniform(0.1, 0.9))
            elif kind == "int":
                row[name] = int(rng.integers(0, 60))
            else:
                row[name] = "as planned" if name.endswith("note") else "some text"
        out.append(row)
    return pd.DataFrame(out, columns=list(columns))


def _cohort(centers: list[str], rng: np.random.Generator) -> pd.DataFrame:
    rows = []
    for place, center in enumerate(centers):
        n = 80 if place == 0 else 20
        for i in range(n):
            train = place == 0 and i % 5 > 0
            rows.append(
                {
                    "patient_id": f"P{place:02d}{i:014d}",
                    "center": center,
                    "set": "train" if train else ("internal_test" if place == 0 else center),
                    "fold": i % 5 if train else None,
                    "label": int(i % 3 == 0),
                    "sex": "F" if i % 2 else "M",
                    "age": 45 + i % 46,
                    "height_cm": 160.0 + i % 7,
                    "weight_kg": 55.0 + i % 9,
                    "bmi": 22.0,
                    "bmd": 0.7,
                    "t_score": -2.0,
                    "dxa_site": "lumbar",
                    "n_sites": 3,
                    "image_id": f"I{place:02d}{i:014d}",
                    "dxa_interval_days": i,
                    "manufacturer": "Maker",
                    "review": int(i == 3),
                }
            )
    return pd.DataFrame(rows)


def _flow(centers: list[str]) -> pd.DataFrame:
    rows = []
    for center in centers:
        steps = {"too_young": 12, "no_dxa": 7, "undecided_dxa": 1, "no_t_score": 0}
        parts = [
            ("found", 100, "found"),
            *((step, n, "excluded") for step, n in steps.items()),
            ("included", 80, "included"),
        ]
        for step, n, kind in [*parts, *((note, 0, "note") for note in NOTES)]:
            n_op = {"included": 27, "note": 0}.get(kind)
            rows.append(
                {"center": center, "step": step, "n_patients": n, "n_op": n_op, "kind": kind, "n_any": n}
            )
    return pd.DataFrame(rows)


def _films(burned_in: str) -> pd.DataFrame:
    verdicts = ["pass"] * 8 + ["review"] * 2 + ["reject"] * 2
    return pd.DataFrame(
        {
            "image_id": [f"I{i:016d}" for i in range(12)],
            "status": ["accepted"] * 10 + ["rejected"] * 2,
            "burned_in": ["NO"] * 9 + [burned_in, "NO", burned_in],
            "verdict": verdicts,
            "verdict_reason": [""] * 8 + ["low_range", "noise"] + ["clipped"] * 2,
        }
    )


def png_bytes(shade: int) -> bytes:
    """A small grey PNG, different for each shade."""
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.new("L", (40, 24), shade).save(buffer, format="PNG")
    return buffer.getvalue()


def seven_models():
    """Three networks, one of them an ablation, and four further models, two of them baselines."""
    predictors = ["age", "sex"]
    return {
        "net_a": {
            "kind": "hybrid", "label": {"en": "Blocks", "zh": "分块模型"}, "init": "random", "seeds": 2,
        },
        "net_a_bare": {
            "like": "net_a",
            "role": "ablation",
            "label": {"en": "Bare blocks", "zh": "简化分块模型"},
            "architecture": {"layers": 0},
            "training": {"local_weight": 0},
        },
        "net_b": {"kind": "whole_film", "label": {"en": "Whole film", "zh": "整片模型"}, "side": 384},
        "clin_x": {
            "kind": "trees", "label": {"en": "Bedside", "zh": "床旁模型"}, "predictors": predictors,
        },
        "stack_x": {
            "kind": "trees", "label": {"en": "Both", "zh": "双网络模型"},
            "predictors": [*predictors, "net_a", "net_b"],
        },
        "found_x": {
            "kind": "features", "role": "baseline", "label": {"en": "Foundation", "zh": "基础模型"},
            "embeddings": "planted/embeddings.csv",
        },
        "osta_x": {"kind": "osta", "role": "baseline", "label": {"en": "By weight", "zh": "体重指数法"}},
    }  # fmt: skip


def write_run(folder: Path, config, burned_in: str = "NO", engine: str = "r", seed: int = 5) -> dict:
    """Write a run's files under ``folder`` and return the arguments of ``read_run``."""
    rng = np.random.default_rng(seed)
    centers = [c.name for c in config.centers]
    sets = ["train", *config.test_sets]
    main, baselines, networks = config.with_role("main"), config.with_role("baseline"), config.networks_named
    runs = {name: Models(config).runs(name) for name in networks}
    osta = [name for name in config.models if config.models[name].kind == "osta"]
    (folder / "figures").mkdir(parents=True)
    cohort = _cohort(centers, rng)
    write_table(cohort, folder / "cohort.csv", COHORT)
    write_table(_flow(centers), folder / "flow.csv", FLOW)
    scores = {
        m: np.clip(cohort["label"] * 0.3 + rng.uniform(0, 0.7, len(cohort)), 0, 1) for m in config.models
    }
    cohort_predictions = cohort.assign(**scores)[[*PREDICTIONS, *scores]]
    write_table(cohort_predictions, folder / "predictions.csv", PREDICTIONS)
    statuses = [("accepted", "")] * 10 + [("quarantined", "not_dicom")] * 2 + [("rejected", "clipped")]
    files = [
        {"center": c, "image_id": f"I{c}{i}", "status": s, "reason": r}
        for c in centers
        for i, (s, r) in enumerate(statuses)
    ]
    write_table(pd.DataFrame(files), folder / "files.csv", FILES)
    sheets = {"reject": [], "review": []}
    films = []
    for i, center in enumerate(centers):
        films.append(folder / f"films_{center}.csv")
        _films(burned_in).to_csv(films[-1], index=False)
        for shade, verdict in ((10, "reject"), (200, "review")):
            path = folder / f"sheet_{center}_{verdict}.png"
            path.write_bytes(png_bytes(shade + i))
            sheets[verdict].append(path)
    pairs = list(itertools.combinations(reversed(main), 2))
    keys: dict[str, list[dict]] = {
        "thresholds": [{"model": m, "rule": "youden"} for m in config.models],
        "table1": [
            {"center": c, "variable": v, "op": "71.1 ± 8.9", "non_op": "58.8 ± 11.3", "p_value": 0.00004}
            for c in centers
            for v in VARIABLES
        ],
        "table2": [
            {"set": s, "model": m, "n": 40, "n_pos": 14}
            for s in sets[1:]
            for m in (*main, "everyone_positive")
        ],
        "delong": [
            {"set": s, "model_a": a, "model_b": b, "engine": engine, "p_value": 0.0123, "p_holm": 0.0369}
            for s in sets[1:]
            for a, b in pairs
        ],
        "differences": [
            {
                "set": s,
                "model_a": a,
                "model_b": b,
                "metric": metric,
                "difference_ci_method": "bootstrap, percentile",
                "primary": 0,
                "n": 40,
                "n_pos": 14,
            }
            for s in sets[1:]
            for a, b in pairs
            for metric in ("sensitivity", "f1")
        ],
        "best_model": [
            {"set": s, "model": m, "n_thresholds": 3, "tied_with": t}
            for s in sets[1:]
            for m, t in (("all", ""), (main[-1], ", ".join(main[:-1])), ("none", ""))
        ],
        "youden_upper_bound": [
            {
                "set": s,
                "model": m,
                "use": "upper bound only",
                "n": 40,
                "n_pos": 14,
                "ci_method": "none: threshold chosen on these patients",
                "note": "",
            }
            for s in sets[1:]
            for m in main
        ],
        "folds": [
            {"model": m, "set": s, "fold": f, "n": 40, "n_pos": 14, "auc_ci_method": "DeLong, logit"}
            for m in networks
            for s in sets[1:]
            for f in (*runs[m], ENSEMBLE)
        ],
        "learning": [
            {
                "model": m,
                "fold": f,
                "start": start,
                "n": 64,
                "n_pos": 20,
                "auc_ci_method": "DeLong, logit",
                "attempts": 1,
                "learned": "yes",
                "finding": "learned",
            }
            for m, start in Models(config).learning().items()
            for f in ("all", *runs.get(m, range(5)))
        ],
        "calibration": [{"set": s, "model": m} for s in sets[1:] for m in main],
        "subgroups": [
            {"set": s, "model": m, "subgroup": "sex", "level": v}
            for s in sets[1:]
            for m in main
            for v in ("female", "male")
        ],
        "prevalence": [
            {"set": s, "model": m, "population": "China, 50 years and above"} for s in sets[1:] for m in main
        ],
        "sensitivity": [
            {"set": s, "model": m, "analysis": a}
            for s in sets[1:]
            for m in main
            for a in ("main", "complete_cases")
        ],
        "baseline_performance": [
            {"set": s, "model": m, "n": 40, "n_pos": 14, "rule": "youden"}
            for s in sets[1:]
            for m in (*baselines, *(f"{name}_published" for name in osta))
        ],
        "baseline_delong": [
            {"set": s, "model_a": a, "model_b": b, "engine": engine}
            for s in sets[1:]
            for a in {config.main_network: 0, main[-1]: 0}
            for b in baselines
        ],
        "shortcuts": [
            *(
                {"set": s, "analysis": "variables", "subject": g, "against": "", "note": ""}
                for s in sets
                for g in GROUPS
            ),
            *(
                {"set": s, "analysis": "within_manufacturer", "subject": "Maker A", "against": ""}
                for s in sets
            ),
            *(
                {"set": "internal_test", "analysis": "masked", "subject": a, "against": b}
                for a, b in (("unmasked", ""), *CONTRASTS)
            ),
        ],
        "architectures": [
            {
                "set": s,
                "model": m,
                "role": config.models[m].role,
                "n_parameters": 11_000_000,
                "engine": engine,
            }
            for s in sets[1:]
            for m in networks
        ],
        "missing": [{"center": c, "set": c, "variable": v} for c in centers for v in VARIABLES],
    }
    statistics = {}
    for name in shown_statistics(study_has(config)):
        statistics[name] = folder / f"{name}.csv"
        write_table(_plausible(DECLARED[name], keys[name], rng), statistics[name], DECLARED[name])
    fold_scores: dict[str, list[Path]] = {}
    for model in networks:
        for name in sets[1:]:
            path = folder / f"scores_{model}_{name}.csv"
            part = cohort_predictions[cohort_predictions["set"] == name]
            each = {
                f"fold_{run}": np.clip(part[model] + rng.normal(0, 0.05, len(part)), 0, 1)
                for run in runs[model]
            }
            part[["patient_id"]].assign(score=part[model], **each).to_csv(path, index=False)
            fold_scores.setdefault(model, []).append(path)
    figures = {}
    for name, file in FIGURES.items():
        figures[name] = folder / "figures" / file
        if file.endswith(".svg"):
            text = (
                '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 90 40"><text'
                f' y="20">{name}</text></svg>'
            )
            figures[name].write_text(text, encoding="utf-8")
        else:
            figures[name].write_bytes(png_bytes(99))
    listings, tables = {}, []
    for center in centers:
        listings[center] = folder / f"listing_{center}.csv"
        listings[center].write_text(
            f"path,size,mtime_ns,batch\nplanted/{center}.dcm,10,17,0\nother.dcm,3,4,0\n", encoding="utf-8"
        )
        for kind in ("patients", "dxa"):
            source = folder / f"source_{center}_{kind}.csv"
            source.write_text(f"planted row of {center} {kind}\n", encoding="utf-8")
            tables.append((center, kind, str(source)))
    requirements = folder / "requirements.txt"
    requirements.write_text(
        "numpy==1.0 \\\n    --hash=sha256:00\npandas==1.0\nnot-installed-here==3\n", encoding="utf-8"
    )
    trainings = []
    for model in networks:
        for run in runs[model]:
            path = folder / f"trained_on_{model}_{run}.json"
            path.write_text('{"device": "cpu", "torch": "2.0"}', encoding="utf-8")
            trainings.append((model, run, path))
    record = provenance(
        config=redacted_config(config),
        synthetic=config.synthetic,
        key=simulated_key(config.study.seed),
        listings={c: str(p) for c, p in listings.items()},
        tables=tables,
        weights=[],
        embeddings=[],
        engine={"engine": engine, "R": "4.2.2", "pROC": "1.18.0", "numpy": "2.4.6"},
        outputs=[],
        trainings=trainings,
        requirements=requirements,
    )
    # the record of a run knows its results by their place under results/, not by the test's folder
    record["outputs"]["files"] = {"results/predictions.csv": "ab" * 32}
    (folder / "provenance.json").write_text(provenance_text(record), encoding="utf-8")
    return {
        "labels": {c.name: c.label for c in config.centers},
        "models": config.shown_models(),
        "main_network": config.main_network,
        "predictors": [],
        "test_sets": config.test_sets,
        "files": folder / "files.csv",
        "films": films,
        "reject_sheets": sheets["reject"],
        "review_sheets": sheets["review"],
        "cohort": folder / "cohort.csv",
        "flow": folder / "flow.csv",
        "predictions": folder / "predictions.csv",
        "statistics": statistics,
        "fold_scores": fold_scores,
        "figures": figures,
        "provenance": folder / "provenance.json",
    }


def with_strata(run, train: list[tuple[int, int]], test: tuple[int, int]):
    """The run with so many patients without and with osteoporosis in each fold and in the internal test
    set.
    """
    parts = [("train", fold, *sizes) for fold, sizes in enumerate(train)] + [("internal_test", None, *test)]
    labels = [
        (name, fold, label) for name, fold, *sizes in parts for label in (0, 1) for _ in range(sizes[label])
    ]
    cohort = pd.concat([run.cohort.head(1)] * len(labels), ignore_index=True)
    cohort["patient_id"] = [f"P{i:05d}" for i in range(len(labels))]
    cohort["set"], cohort["label"] = [name for name, *_ in labels], [label for *_, label in labels]
    cohort["fold"] = pd.array([fold for _, fold, _ in labels], dtype="Int64")
    return dataclasses.replace(run, cohort=cohort)


@pytest.fixture
def study(tmp_path):
    """Makes runs: ``study(config, burned_in=..., engine=...)`` gives what ``read_run`` reads."""
    made = []

    def make(config=None, **options):
        folder = tmp_path / f"run_{len(made)}"
        made.append(folder)
        return read_run(**write_run(folder, config or simulated_config(), **options))

    return make


@pytest.fixture
def configs():
    """The makers of configs: simulated and with a real centre."""
    return {"simulated": simulated_config, "real": real_config}
