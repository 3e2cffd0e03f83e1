"""The model card of a bundle, after Mitchell et al., Model Cards for Model Reporting (FAT* 2019,
doi:10.1145/3287560.3287596).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

SMALLEST = 5
"""Counts of people below it, from 1, are small cells: neither they nor what gives them away is shown."""

NOT_SHOWN = "not shown"

_METRICS = (
    ("auc", "AUC", 3, 1),
    ("sensitivity", "Sensitivity, %", 1, 100),
    ("specificity", "Specificity, %", 1, 100),
    ("ppv", "PPV, %", 1, 100),
    ("npv", "NPV, %", 1, 100),
)


def count(n: int) -> str:
    """A number of people, hidden where it is small."""
    return f"<{SMALLEST}" if 0 < n < SMALLEST else f"{n}"


def _mean_sd(values: pd.Series, digits: int = 1) -> str:
    known = values.dropna()
    return f"{known.mean():.{digits}f} ± {known.std():.{digits}f}" if len(known) > 1 else "not known"


def _cell(row: Mapping[str, Any], name: str, digits: int, factor: int) -> str:
    value, low, high = (row[name + end] for end in ("", "_low", "_high"))
    if pd.isna(value):
        return "not estimated"
    shown = f"{factor * value:.{digits}f}"
    return shown if pd.isna(low) else f"{shown} ({factor * low:.{digits}f} to {factor * high:.{digits}f})"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *rows)]


def _small(*parts: int) -> bool:
    """Whether one of the parts is a small cell, 1 to SMALLEST - 1."""
    return any(0 < part < SMALLEST for part in parts)


def _share(part: int, of: int) -> str:
    """A part of a set; not shown where it or the rest is small, since one gives the other away."""
    return NOT_SHOWN if _small(part, of - part) else f"{part} ({100 * part / of:.1f} %)" if of else "0"


def _patients(cohort: pd.DataFrame, sets: Sequence[str]) -> list[str]:
    rows = []
    for name in sets:
        part = cohort[cohort["set"] == name]
        n, op = len(part), int((part["label"] == 1).sum())
        described = [
            _share(int((part["sex"] == "F").sum()), n),
            _mean_sd(part["age"].astype("float64")),
            _mean_sd(part["bmi"].astype("float64")),
            f"{part['manufacturer'].replace('', pd.NA).nunique()}",
        ]
        rows.append(
            [name, count(n), _share(op, n), *([NOT_SHOWN] * 4 if _small(n, op, n - op) else described)]
        )
    return _table(
        ("Set", "Patients", "Osteoporosis", "Women", "Age, years", "BMI, kg/m²", "Manufacturers of devices"),
        rows,
    )


def _performance(table2: pd.DataFrame, sets: Sequence[str]) -> list[str]:
    """Nothing of a set with a small class is shown; of other sets nothing from which a small cell of the
    confusion matrix follows.
    """
    frame = table2[table2["model"] == "deep"].set_index("set")
    rows = []
    for name in sets:
        if name in frame.index:
            row = frame.loc[name].to_dict()
            n, n_pos = int(row["n"]), int(row["n_pos"])
            tp, tn = (
                0 if pd.isna(row[m]) else round(row[m] * of)
                for m, of in (("sensitivity", n_pos), ("specificity", n - n_pos))
            )
            closed = _small(n, n_pos, n - n_pos)
            hidden = closed or _small(tp, n_pos - tp, tn, n - n_pos - tn)
            shown = [
                NOT_SHOWN if (closed if m == "auc" else hidden) else _cell(row, m, d, f)
                for m, _, d, f in _METRICS
            ]
            rows.append([name, count(n), NOT_SHOWN if closed else count(n_pos), *shown])
    return _table(("Test set", "n", "OP", *(title for _, title, _, _ in _METRICS)), rows)


def model_card(
    settings: Mapping[str, Any], cohort: pd.DataFrame, table2: pd.DataFrame, facts: Mapping[str, Any]
) -> str:
    """The card as Markdown.

    Parameters
    ----------
    settings : what ``bundle.json`` holds
    cohort : COHORT of all sets
    table2 : ``results/statistics/table2.csv``
    facts : ``test_sets`` (names), ``confidence`` (0 to 1), ``init``, ``epochs``, ``older_than``,
        ``op_t_score``, ``interval_months``,
        ``exclusions``, ``commit``
    """
    synthetic, folds, side = settings["synthetic"], settings["folds"], settings["preprocessing"]["side"]
    threshold, sets = settings["threshold"], list(facts["test_sets"])
    level = f"{100 * facts['confidence']:g}"
    lines = ["# Model card: osteoporosis from chest radiographs", ""]
    if synthetic:
        lines += [
            (
                "**SYNTHETIC.** This model was trained or tested on simulated films. Its scores and every"
                " number on this card say nothing about patients. It shows that the software works."
            ),
            "",
        ]
    lines += [
        (
            "After Mitchell et al. 2019 (doi:10.1145/3287560.3287596). Checksums of all files:"
            " `MANIFEST.sha256`."
        ),
        "",
        "## Model details",
        "",
        (
            f"- An ensemble of {folds} networks, one per fold of a cross-validation: a shared ResNet-18 over"
            f" {settings['architecture']['grid']}² blocks of the film, a Post-Norm Transformer over the"
            " blocks. The score is the mean of the networks' probabilities of osteoporosis, 0 to 1."
        ),
        (
            f"- Made by OsteoCXR {settings['software']} (commit {facts['commit']}), which implements Li et"
            " al. 2026 (doi:10.13929/j.issn.1003-3289.2026.03.017). Started from"
            f" {dict(random='random', imagenet='ImageNet').get(facts['init'], 'given')}"
            f" weights; {facts['epochs']} epochs, last weights; seed {settings['seed']}."
        ),
        (
            f"- Scored in {settings['scoring']['precision']}. `model.onnx` computes in fp32 and agreed with"
            f" PyTorch to {settings['onnx']['largest_difference']:.1g} (allowed:"
            f" {settings['onnx']['tolerance']:g}) over {settings['onnx']['films']} films when it was made."
        ),
        (
            "- Licence of the software: MIT. Whether the weights may be passed on is for the study's"
            " agreements to say."
        ),
        "",
        "## Intended use",
        "",
        (
            "- For research: to score frontal chest films of adults, and to test the study's findings on"
            " other films."
        ),
        (
            f"- Who it was made for: patients older than {facts['older_than']} years who had a chest film and"
            f" a DXA exam within {facts['interval_months']} months."
        ),
        (
            "- Not for: diagnosis, screening or any decision about a patient. It is no medical device. Not"
            " for children, lateral or bedside films of other kinds than it was tested on, computed"
            " tomography scouts, or photographs of films."
        ),
        "- A score is no bone density and no fracture risk. A DXA exam stays the reference.",
        "",
        "## Factors",
        "",
        (
            "- Excluded were patients with:"
            f" {', '.join(e.replace('_', ' ') for e in facts['exclusions']) or 'nothing in particular'}. On"
            " such films the scores are untested."
        ),
        (
            "- Sex, age, BMI, device and the interval between film and DXA: the study's report has the"
            " performance by subgroup. Age and sex alone predict osteoporosis, and a film shows them; a score"
            " mixes what it reads of bone with them."
        ),
        (
            "- Films rejected by the frozen exposure rules get no score. Films for review get one; treat it"
            " with care."
        ),
        "",
        "## Training and evaluation data",
        "",
        (
            f"Label: the lowest T-score of the paired exam at or below {facts['op_t_score']:g}. `train` and"
            " `internal_test` are of one development centre, the others are external. Age and BMI are mean"
            " ± SD."
        ),
        "",
        *_patients(cohort, ["train", *sets]),
        "",
        "## Performance",
        "",
        (
            f"At the threshold {threshold['value']:.4g} (rule: {threshold['rule']}), frozen on the training"
            f" patients' out-of-fold scores. In brackets {level} % confidence intervals."
        ),
        "",
        *_performance(table2, sets),
        "",
        (
            "PPV and NPV hold at the prevalence of each set. Where people with fewer reasons for a DXA exam"
            " are scored, the PPV is lower."
        ),
        "",
        "## How to use it",
        "",
        (
            "- DICOM films: `make score BUNDLE=<this folder> DICOM=<folder>` with the version of the software"
            " named above. It reads, converts, judges, resizes and scores as the study did."
        ),
        (
            f"- `model.onnx`: input `film`, uint16 `(n, {side}, {side})`; outputs `probability` `(n)` and"
            f" `fold_probabilities` `(n, {folds})`. Grey values as stored, shifted left to 16 bits, bright is"
            " dense (MONOCHROME1 inverted), modality LUT applied, no window. While a film is at least twice"
            " as large as the target on both sides, halve it by 2x2 means; then resize it bilinearly to"
            f" {side} x {side}, aspect not kept. The z-score over the film is part of the graph. The exposure"
            " rules and the view are not: judge them before."
        ),
        (
            "- `weights/`: PyTorch, read with `torch.load(..., weights_only=True)`: `architecture`,"
            " `precision`, `fold`, `model`."
        ),
        "",
        "## Ethical considerations",
        "",
        (
            "- Weights can hold traces of the patients they were trained on. Nobody has shown that nothing"
            " can be drawn out of these. Pass the bundle on only as the study's agreements and its ethics"
            " committee permit. Beyond the weights and the counts on this card nothing of patients is in it:"
            " no film, no pseudonym, no date, no path."
        ),
        (
            f"- Counts of people from 1 to {SMALLEST - 1} are not shown, nor what gives them away. All else"
            " in the performance table is as in the study's Table 2."
        ),
        (
            "- A model can learn devices and habits of its hospital. A difference between groups in the"
            " performance means that one of them is served worse."
        ),
        "",
        "## Limits",
        "",
        "- One development centre. External sets are few; look at the width of their intervals.",
        (
            "- Other devices, processing and populations can shift the scores. Check calibration and"
            " threshold on films of your own with known DXA results before you believe either."
        ),
        (
            "- The threshold rests on scores of single networks, the ensemble scatters less; sensitivity and"
            " specificity can differ from those in training."
        ),
        "- Another processor, GPU or version of the libraries changes last digits.",
        "",
    ]
    return "\n".join(lines)
