"""What a bundle holds; a cut, changed or foreign one is refused with a sentence; nothing of patients is in
it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from scripts.bundle import ensemble as ensemble_module
from scripts.bundle import score
from scripts.bundle.bundle_making import make_bundle
from scripts.bundle.contents import bundle_warnings, manifest_text, open_bundle
from scripts.bundle.ensemble import Ensemble, check_onnx, export_onnx, pattern_films
from scripts.bundle.film_scoring import Scorer, self_check
from scripts.bundle.model_card import count, model_card
from scripts.common.contracts.cohort import COHORT
from scripts.common.errors import StudyError
from scripts.common.log import Log
from scripts.common.manifest import sha256_of
from scripts.common.standards import SHA256_LIST
from scripts.common.tables import read_table
from scripts.networks.kinds.hybrid import HybridNetwork
from scripts.networks.kinds.hybrid_architecture import HybridArchitecture
from scripts.networks.trained_networks import load_networks
from tests.bundle.conftest import ARCHITECTURE, as_of_0_1_0, write_inputs, write_learning

WHOLE = {
    "MANIFEST.sha256",
    "MODEL_CARD.md",
    "bundle.json",
    "model.onnx",
    "weights/fold_0.pt",
    "weights/fold_1.pt",
}


def test_a_bundle_is_whole_and_its_checksums_are_sha256sums(made, bundle):
    assert {p.relative_to(made).as_posix() for p in made.rglob("*") if p.is_file()} == WHOLE
    done = subprocess.run(["sha256sum", "-c", SHA256_LIST], cwd=made, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.count(": OK") == len(WHOLE) - 1
    settings = bundle.settings
    assert (settings["model"], settings["kind"]) == ("plain", "hybrid")
    assert settings["threshold"] == {"value": 0.4375, "rule": "youden"}
    assert settings["scoring"] == {"precision": "fp32", "films_per_forward": "auto", "cpu_threads": 1}
    assert (
        settings["preprocessing"]["exposure"]["reject_clipped"] == 0.05
        and settings["preprocessing"]["side"] == 96
    )
    for path in bundle.weights:
        HybridNetwork(HybridArchitecture(**settings["architecture"])).load_state_dict(
            torch.load(path, weights_only=True)["model"]
        )


def test_nothing_of_patients_and_no_path_of_this_machine_is_in_it(made, tmp_path_factory):
    folders = [b"/tmp/", b"site-packages", str(made.parent).encode(), b"scripts/networks/kinds/hybrid.py"]
    for path in made.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        assert b"PLANTED" not in content, path.name
        assert not [f for f in folders if f in content], path.name


def test_the_card_says_what_it_must(made):
    card = (made / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert card.index("**SYNTHETIC.**") < 100
    assert "Plain film, the study's model `plain`, of the kind `hybrid`. A network of blocks." in card
    assert "`block_size` 32" in card
    for heading in (
        "Model details",
        "Intended use",
        "Factors",
        "Training and evaluation data",
        "Performance",
        "Ethical considerations",
        "Limits",
    ):
        assert f"\n## {heading}\n" in card
    assert (
        "| internal_test | 12 | 6 | 0.750 (0.613 to 0.875) | not shown |" in card
        and "95 % confidence" in card
    )
    assert (
        "| external_1 | 9 | not shown | not shown | not shown | not shown | not shown | not shown |" in card
    )
    assert "| train | 40 | 14 (35.0 %) | 30 (75.0 %) |" in card
    assert "| external_1 | 9 | not shown | not shown | not shown | not shown | not shown |" in card
    assert "traces of the patients" in card and "no medical device" in card
    assert [count(n) for n in (0, 1, 4, 5)] == ["0", "<5", "<5", "5"]


@pytest.mark.parametrize(
    ("finding", "said"),
    [
        (
            "nothing_learned",
            "Plain film: nothing shows that it learned anything. Out of fold its AUC is 0.52",
        ),
        ("lags", "Plain film: not every training learned as well as the others (Fold 0; Fold 1; smallest"),
        ("learned", ""),
    ],
)
def test_a_bundle_says_where_its_network_did_not_learn(inputs, films, tmp_path, capsys, finding, said):
    """The network is packed all the same; the job's last line, the card's top and each scoring say it."""
    write_learning(tmp_path / "inputs", finding)
    make_bundle(**inputs | {"log": Log(None, "test")}, target=tmp_path / "bundle")
    last = capsys.readouterr().err.splitlines()[-1]
    card = (tmp_path / "bundle/MODEL_CARD.md").read_text(encoding="utf-8")
    assert score.main(
        ["--bundle", str(tmp_path / "bundle"), "--dicom", str(films), "--to", str(tmp_path / "s.csv")]
    ) == 0  # fmt: skip
    scored = capsys.readouterr().err
    if said:
        assert f"WARNING: {said}" in last and f"WARNING: {said}" in scored
        assert 0 < card.index(f"**WARNING.** {said}") < card.index("## Model details")
    else:
        assert "WARNING" not in last + scored + card


def test_a_real_studys_card_does_not_say_synthetic(inputs, bundle):
    table2 = pd.read_csv(inputs["performance"])
    facts = {**inputs["facts"], "commit": "abc123"}
    cards = [
        model_card({**bundle.settings, "synthetic": s}, read_table(inputs["cohort"], COHORT), table2, facts)
        for s in (True, False)
    ]
    assert ["SYNTHETIC" in card for card in cards] == [True, False]
    assert cards[0] == (bundle.folder / "MODEL_CARD.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"init": "imagenet"}, "Started from ImageNet weights; 2 epochs, last weights; seed"),
        ({"init": "a file"}, "Started from given weights;"),
        ({"exclusions": []}, "Excluded were patients with: nothing in particular. On such films"),
        ({"confidence": 0.9}, "In brackets 90 % confidence intervals."),
    ],
)
def test_the_card_follows_the_study(inputs, bundle, changes, said):
    facts = {**inputs["facts"], "commit": "abc123", **changes}
    card = model_card(
        bundle.settings, read_table(inputs["cohort"], COHORT), pd.read_csv(inputs["performance"]), facts
    )
    assert said in card and not set("{}") & set(card) and "\n\n\n" not in card


def test_a_label_is_no_markup_of_the_card(inputs, bundle):
    settings = {**bundle.settings, "label": "*Net* [2]|<b>_`x"}
    table2, cohort = pd.read_csv(inputs["performance"]), read_table(inputs["cohort"], COHORT)
    card = model_card(settings, cohort, table2, {**inputs["facts"], "commit": "abc123", "epochs": 1})
    assert r"- \*Net\* \[2\]\|\<b\>\_\`x, the study's model" in card and "1 epoch, last weights" in card


def test_the_card_gives_no_small_cell_away(inputs, bundle):
    """Neither a count of 1 to 4, nor the rest of a set that gives it away, nor a share of the confusion
    matrix with such a cell.
    """
    table2, cohort = pd.read_csv(inputs["performance"]), read_table(inputs["cohort"], COHORT)
    facts = {**inputs["facts"], "commit": "abc123"}
    large = table2.assign(n=120, n_pos=60)
    assert "| internal_test | 120 | 60 | 0.750 (0.613 to 0.875) | 75.0 (61.3 to 87.5) |" in model_card(
        bundle.settings, cohort, large, facts
    )
    for sensitivity, specificity in ((0.95, 0.75), (0.75, 0.95), (0.05, 0.75), (0.75, 0.05)):
        changed = large.assign(sensitivity=sensitivity, specificity=specificity)
        assert "| internal_test | 120 | 60 | 0.750 (0.613 to 0.875) | not shown | not shown |" in model_card(
            bundle.settings, cohort, changed, facts
        )
    train = cohort["set"] == "train"
    cohort.loc[train, "sex"] = ["M"] * 3 + ["F"] * (int(train.sum()) - 3)
    assert "| train | 40 | 14 (35.0 %) | not shown |" in model_card(bundle.settings, cohort, large, facts)


def test_the_card_of_an_ablation_shows_what_its_table_holds(inputs, bundle):
    """The table of the folds has an AUC for each training too, and no threshold's numbers."""
    auc = pd.read_csv(inputs["performance"])[["set", "model", "n", "n_pos", "auc", "auc_low", "auc_high"]]
    table = pd.concat([auc.assign(fold=0, auc=0.5), auc.assign(fold="ensemble")], ignore_index=True)
    facts = {**inputs["facts"], "commit": "abc123"}
    card = model_card(bundle.settings, read_table(inputs["cohort"], COHORT), table, facts)
    assert "| Test set | n | OP | AUC |\n" in card
    assert "| internal_test | 12 | 6 | 0.750 (0.613 to 0.875) |\n" in card


def cut_weights(folder):
    path = folder / "weights/fold_1.pt"
    path.write_bytes(path.read_bytes()[:-100])


def edited(name, change, again=True):
    def do(folder):
        content = json.loads((folder / name).read_text())
        change(content)
        (folder / name).write_text(json.dumps(content))
        if again:  # somebody who knows how to make the checksums anew
            (folder / SHA256_LIST).write_text(manifest_text(folder))

    return do


def lost_fold(folder):
    (folder / "weights/fold_1.pt").unlink()
    (folder / SHA256_LIST).write_text(manifest_text(folder))


def manifest_line(line):
    return lambda folder: (folder / SHA256_LIST).write_text((folder / SHA256_LIST).read_text() + line)


FAULTS = {
    "cut weights": (cut_weights, "changed or cut: weights/fold_1.pt"),
    "missing file": (lambda f: (f / "model.onnx").unlink(), "missing: model.onnx"),
    "further file": (
        lambda f: (f / "weights/fold_9.pt").write_bytes(b"x"),
        "not in the manifest: weights/fold_9.pt",
    ),
    "edited settings": (
        edited("bundle.json", lambda c: c["threshold"].update(value=0.1), again=False),
        "changed or cut: bundle.json",
    ),
    "no manifest": (lambda f: (f / SHA256_LIST).unlink(), "is no model bundle"),
    "manifest of another kind": (
        manifest_line("0" * 64 + "  ../../etc/passwd\n"),
        "damaged, or not one of a model bundle",
    ),
    "another kind of folder": (
        edited("bundle.json", lambda c: c.update(format="osteocxr hand-over")),
        "of another kind",
    ),
    "another layout": (edited("bundle.json", lambda c: c.update(version=99)), "layout 99"),
    "settings lost": (edited("bundle.json", lambda c: c.pop("preprocessing")), "is damaged"),
    "a fold lost": (lost_fold, "not whole"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_cut_or_foreign_bundle_is_refused_with_a_sentence(made, tmp_path, fault):
    damage, said = FAULTS[fault]
    copy = tmp_path / "copy"
    shutil.copytree(made, copy)
    open_bundle(copy)
    damage(copy)
    with pytest.raises(StudyError, match=said):
        open_bundle(copy)


def test_a_folder_of_snakemake_is_read_with_its_time_stamp(made, tmp_path):
    shutil.copytree(made, tmp_path / "copy")
    (tmp_path / "copy/.snakemake_timestamp").touch()
    assert open_bundle(tmp_path / "copy").fingerprint == open_bundle(made).fingerprint


def test_onnx_runtime_agrees_with_pytorch_for_any_number_of_films(bundle):
    import onnxruntime

    networks, _ = load_networks(bundle.weights, torch.device("cpu"))
    films = np.random.default_rng(1).integers(0, 65536, (5, 96, 96), np.uint16)
    session = onnxruntime.InferenceSession(
        str(bundle.folder / "model.onnx"), providers=["CPUExecutionProvider"]
    )
    mean, each = session.run(None, {"film": films})
    assert mean.shape == (5,) and each.shape == (5, 2)
    x = torch.from_numpy(films.astype(np.float64))
    z = (x - x.mean((1, 2), keepdim=True)) / x.std((1, 2), keepdim=True, correction=0)
    with torch.no_grad():
        expected = torch.stack([torch.sigmoid(n(z.float().unsqueeze(1))[0]) for n in networks], 1).numpy()
    np.testing.assert_allclose(each, expected, atol=1e-4)
    np.testing.assert_allclose(mean, expected.mean(1), atol=1e-4)
    assert np.ptp(expected) > 1e-3, "the networks score all films alike, so the comparison would show nothing"
    assert bundle.settings["onnx"]["largest_difference"] <= 1e-4 and bundle.settings["onnx"]["films"] == 8


def test_an_onnx_file_that_differs_ends_the_making_and_leaves_nothing(inputs, tmp_path, monkeypatch):
    """The graph is written from networks that were changed after: the check must see it."""

    def another(ensemble, path):
        export_onnx(ensemble, path)
        with torch.no_grad():
            ensemble.networks[1].global_head[2].bias += 0.01

    monkeypatch.setattr("scripts.bundle.bundle_making.export_onnx", another)
    with pytest.raises(StudyError, match="differs from the trained networks by 0.00"):
        make_bundle(**inputs, target=tmp_path / "bundle")
    assert not list(tmp_path.glob("*bundle*"))


def test_a_bf16_study_and_weights_beyond_one_file(tmp_path, monkeypatch):
    """Scores keep bf16 while ONNX computes in fp32; large weights stand beside the graph."""
    monkeypatch.setattr(ensemble_module, "_ONE_FILE", 1000)
    (tmp_path / "bf16").mkdir()
    make_bundle(**write_inputs(tmp_path / "bf16", precision="bf16"), target=tmp_path / "bundle")
    opened = open_bundle(tmp_path / "bundle")
    assert opened.settings["scoring"]["precision"] == "bf16"
    scorer = Scorer(
        opened.weights,
        "hybrid",
        opened.settings["architecture"],
        opened.settings["scoring"],
        torch.device("cpu"),
    )
    assert self_check(scorer, opened.settings["self_check"]["probabilities"]) == 0
    assert (tmp_path / "bundle/model.onnx.data").stat().st_size > 100_000
    assert b"PLANTED" not in (tmp_path / "bundle/model.onnx.data").read_bytes()
    networks, _ = load_networks(opened.weights, torch.device("cpu"))
    assert check_onnx(tmp_path / "bundle/model.onnx", Ensemble(networks), pattern_films(96)) <= 1e-4


def test_a_bundle_of_version_0_1_0_holds_the_one_kind_that_there_was(made, tmp_path):
    opened = open_bundle(as_of_0_1_0(made, tmp_path / "old"))
    assert opened.settings["kind"] == "hybrid" and "model" not in opened.settings


def test_no_bundle_is_written_into_a_bundle_of_version_0_1_0(made, inputs, tmp_path):
    old = as_of_0_1_0(made, tmp_path / "bundle")
    with pytest.raises(StudyError, match="is itself a bundle, as version 0.1.0 wrote it"):
        make_bundle(**inputs, target=old / "plain")
    open_bundle(old)


@pytest.mark.parametrize(
    ("kind", "architecture"),
    [
        ("whole_film", {"backbone": "resnet18", "side": 64, "dropout": 0.1}),
        ("hybrid", {**ARCHITECTURE, "layers": 0, "positions": "none"}),
    ],
)
def test_a_bundle_of_every_kind_has_an_onnx_file_and_scores(tmp_path, kind, architecture):
    inputs = write_inputs(tmp_path, kind=kind, architecture=architecture)
    make_bundle(**inputs, target=tmp_path / "bundle" / "other")
    opened = open_bundle(tmp_path / "bundle" / "other")
    settings = opened.settings
    assert settings["kind"] == kind and settings["architecture"] == architecture
    assert settings["onnx"]["largest_difference"] <= 1e-4
    scorer = Scorer(opened.weights, kind, architecture, settings["scoring"], torch.device("cpu"))
    assert self_check(scorer, settings["self_check"]["probabilities"]) == 0
    assert np.ptp(settings["self_check"]["probabilities"]) > 1e-3, "all films are scored alike"
    card = (opened.folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert f"of the kind `{kind}`" in card and all(f"`{name}`" in card for name in architecture)


def write_results(folder: Path, made: Path) -> dict[str, str]:
    """A run's results with two copies of the bundle ``made``, whose weights and threshold are those of the
    run's networks; returns the recorded checksums.
    """
    (folder / "statistics").mkdir(parents=True)
    files = {"results/predictions.csv": "cc"}
    for model in ("plain", "second"):
        shutil.copytree(made, folder / "bundle" / model)
        files |= {
            f"results/models/{model}/fold_{run}/weights.pt": sha256_of(path)
            for run, path in zip(("0", "0_seed_1"), open_bundle(made).weights)
        }
    value = open_bundle(made).settings["threshold"]["value"]
    (folder / "statistics/thresholds.csv").write_text(
        f"model,threshold,rule\nother,0.1,youden\nplain,{value!r},youden\nsecond,{value!r},youden\n",
        encoding="utf-8",
    )
    record(folder, files)
    return files


def record(folder: Path, files: dict[str, str]) -> None:
    (folder / "provenance.json").write_text(json.dumps({"outputs": {"files": files}}), encoding="utf-8")


def test_bundles_of_this_run_need_no_warning(made, tmp_path):
    write_results(tmp_path, made)
    assert bundle_warnings(tmp_path) == []
    shutil.rmtree(tmp_path / "bundle")
    assert bundle_warnings(tmp_path) == []


@pytest.mark.parametrize("change", ["weights", "one training more", "threshold"])
def test_a_bundle_of_an_earlier_network_is_warned_of(made, tmp_path, change):
    files = write_results(tmp_path, made)
    if change == "threshold":
        path = tmp_path / "statistics/thresholds.csv"
        rows = path.read_text(encoding="utf-8")
        path.write_text(rows.replace("plain,0.4375", "plain,0.25"), encoding="utf-8")
    else:
        run = "0" if change == "weights" else "1"
        record(tmp_path, {**files, f"results/models/plain/fold_{run}/weights.pt": "ee"})
    (said,) = bundle_warnings(tmp_path)
    assert "bundle/plain was made from another network" in said and "make bundle MODEL=plain" in said


def test_bundles_of_what_is_no_more_are_warned_of(made, tmp_path):
    """A network that was taken away, and the folder where version 0.1.0 put its only bundle."""
    files = write_results(tmp_path, made)
    record(tmp_path, {name: value for name, value in files.items() if "second" not in name})
    (said,) = bundle_warnings(tmp_path)
    assert "bundle/second is of a network that this study doesn't have" in said
    shutil.rmtree(tmp_path / "bundle")
    as_of_0_1_0(made, tmp_path / "bundle")
    (said,) = bundle_warnings(tmp_path)
    assert "is a bundle of version 0.1.0" in said and "docs/upgrading.md" in said
