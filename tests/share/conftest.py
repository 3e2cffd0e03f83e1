"""A small hand-made tree of a finished run, for the tests of the packer."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from scripts.share.suppression import TABLES, rules_of

OWN_TABLES = [name.format(model="clinical") for name in TABLES if not name.startswith("intake/")]


def write_csv(path: Path, columns, *rows) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [",".join(columns), *(",".join(str(row.get(column, "")) for column in columns) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def record(folder: Path, show_films: str = "not_burned_in") -> None:
    """Write the provenance of the tree as it is now."""
    results = folder / "results"
    sums = {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(results.rglob("*"))
        if p.is_file() and p.name != "provenance.json"
    }
    content = {
        "synthetic": False,
        "config": {"centers": [{"name": "internal"}], "report": {"show_films": show_films}},
        "outputs": {"method": "SHA-256", "files": sums},
    }
    (results / "provenance.json").write_text(json.dumps(content))


@pytest.fixture
def run(tmp_path) -> Path:
    """A folder with ``results`` and ``private`` of a study of one centre with two sets of 100 and 50
    patients.
    """
    results = tmp_path / "results"
    for name in OWN_TABLES:
        write_csv(results / name, rules_of(name).columns)
    sizes = {"train": (100, 40), "internal_test": (50, 20)}
    patients = [(s, k, k < p) for s, (n, p) in sizes.items() for k in range(n)]
    write_csv(
        results / "cohort/cohort.csv", ("patient_id", "set", "label"),
        *({"patient_id": f"P{i:016X}", "set": s, "label": int(op)} for i, (s, _, op) in enumerate(patients)),
    )  # fmt: skip
    flow = [
        ("found", 170, "found"),
        ("no_film", 12, "excluded"),
        ("too_young", 8, "excluded"),
        ("included", 150, "included"),
    ]
    write_csv(
        results / "cohort/flow.csv", TABLES["cohort/flow.csv"].columns,
        *({"center": "internal", "step": s, "n_patients": n, "kind": k, "n_any": n} for s, n, k in flow),
    )  # fmt: skip
    write_csv(
        results / "statistics/table2.csv", TABLES["statistics/table2.csv"].columns,
        {"set": "internal_test", "model": "deep", "n": 50, "n_pos": 20, "auc": 0.91, "sensitivity": 0.85,
        "specificity": 0.8,
         "tp": 17, "fn": 3, "tn": 24, "fp": 6},
    )  # fmt: skip
    write_csv(results / "intake/files.csv", ("center", "image_id", "status", "reason"), *(
        {"center": "internal", "image_id": f"I{k:016X}", "status": "accepted"} for k in range(30)
    ))  # fmt: skip
    write_csv(results / "intake/exposure.csv", ("center", "image_id", "verdict"), *(
        {"center": "internal", "image_id": f"I{k:016X}", "verdict": "pass"} for k in range(30)
    ))  # fmt: skip
    write_csv(
        results / "intake/internal/table_issues.csv",
        ("table", "reason", "n_rows"),
        {"table": "dxa", "reason": "other_site", "n_rows": 40},
    )
    write_csv(results / "predictions.csv", ("patient_id", "deep"), {"patient_id": f"P{1:016X}", "deep": 0.3})
    (results / "statistics/engine.json").write_text('{"engine": "numpy"}')
    for name in (
        "figures/flow.svg",
        "figures/roc.svg",
        "figures/gradcam.png",
        "tables/table1.docx",
        "report.html",
        "deep/fold_0/weights.pt",
    ):
        (results / name).parent.mkdir(parents=True, exist_ok=True)
        (results / name).write_bytes(b"a picture of " + name.encode())
    record(tmp_path)
    write_csv(
        tmp_path / "private/internal/crosswalk/batch_0.csv",
        ("image_id", "path", "source_patient_id", "source_sop_instance_uid"),
        {"image_id": f"I{1:016X}", "path": (
            "2019 export/KOWALSKI_J/IM77881"
            "2"
), "source_patient_id": "HOSP-0042", "source_sop_instance_uid": "1.2.826.0.1.99.7"},
        {"image_id": f"I{2:016X}", "path": "b", "source_patient_id": "9912345",
        "source_sop_instance_uid": "1.2.826.0.1.99.8"},
    )  # fmt: skip
    (tmp_path / "private/study.key").write_text("ab" * 32 + "\n")
    return tmp_path
