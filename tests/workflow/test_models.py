"""What the rules ask of the models: files, order, predictors, code of kinds."""

from __future__ import annotations

import json
import math

import pytest
from snakemake.iocontainers import Namedlist, Wildcards

from scripts.common.errors import StudyError
from scripts.workflow.models import Models
from scripts.workflow.params import bundle_facts, bundle_settings, performance_of
from scripts.workflow.targets import products
from tests.workflow.test_targets import shipped

MORE = {
    "second": {"like": "deep", "label": "Second", "seeds": 2, "architecture": {"grid": 4}},
    "head": {"kind": "features", "trunk": "resnet18", "side": 224},
    "given": {"kind": "features", "embeddings": "e.csv"},
    "top": {"kind": "trees", "predictors": ["age", "second", "combined", "head"], "role": "baseline"},
}


def of(**names):
    return Wildcards(fromdict=names)


@pytest.fixture(scope="module")
def models():
    return Models(shipped(models=MORE))


def test_scores_of_every_model_and_set_together(models):
    files = models.all_scores()
    names = ["deep", "clinical", "combined", "age", "logistic", "osta", "second", "head", "given", "top"]
    assert files[: len(names)] == [f"results/models/{name}/out_of_fold.csv" for name in names]
    assert len(files) == 4 * len(names) and files[-1] == "results/models/top/scores/external_2.csv"


def test_networks_of_one_side_share_a_cache(models):
    assert models.sides() == [224, 256, 384]
    path = models.cache("films.npy")
    assert path(of(model="deep", set="train")) == "state/cache/384/train/films.npy"
    assert path(of(model="second", set="external_1")) == "state/cache/256/external_1/films.npy"
    assert models.cache("index.csv", "train")(of(model="head")) == "state/cache/224/train/index.csv"


def test_views_are_kept_for_those_that_ask_for_some(models, tmp_path):
    assert models.views(of(model="deep")) == [] and models.with_views() == "(?!)"
    kept = {"init": "imagenet", "architecture": {"trunk_width": 64}}
    kept["training"] = {"trained_stages": 0, "views": 4}
    asked = Models(shipped(models={"kept": {"like": "deep", **kept}}))
    assert asked.views(of(model="kept")) == "state/cache/views/kept/views.json"
    assert asked.with_views() == "kept" and asked.views(of(model="deep")) == []
    (tmp_path / "films.npy").write_bytes(bytes(2 * 384**2 * 10))
    given = Namedlist(fromdict={"films": str(tmp_path / "films.npy")})
    assert asked.views_mb(of(model="kept"), given) == math.ceil(10 * 5 * 2 * 36 * 512 / 1e6)


def test_each_seed_is_a_training_of_its_own(models):
    assert models.runs("deep") == ["0", "1", "2", "3", "4"]
    assert models.runs("second")[:3] == ["0", "0_seed_1", "1"] and len(models.runs("second")) == 10
    assert (
        models.trained("weights.pt")(of(model="second"))[1]
        == "results/models/second/fold_0_seed_1/weights.pt"
    )


def test_who_reads_whom(models):
    assert models.scores_read(of(model="clinical")) == []
    assert models.scores_read(of(model="top")) == [
        f"results/models/{name}/out_of_fold.csv" for name in ("second", "combined", "head")
    ]
    assert models.networks_read(of(set="external_1")) == [
        f"results/models/{name}/scores/external_1.csv" for name in ("deep", "second")
    ]
    order = [one["name"] for one in models.described()]
    assert order.index("top") > max(map(order.index, ("combined", "head"))) and "deep" not in order


def test_a_first_answer_waits_for_no_network(models):
    """What reads a network, or a model that reads one, isn't among its models."""
    assert models.without_network() == ["clinical", "age", "logistic", "osta", "head", "given"]


def test_predictors_with_their_types_and_embeddings_with_their_files(models):
    found = models.predictors(of(model="top"))
    assert [(one["name"], one["type"]) for one in found] == [
        ("age", "number"), ("second", "score"), ("combined", "score"), ("head", "score"),
    ]  # fmt: skip
    assert models.predictors(of(model="osta"))[1]["name"] == "weight_kg"
    assert models.embeddings(of(model="head")) == "results/models/head/embeddings/train.csv"
    assert models.embeddings(of(model="given")) == "e.csv" and models.embeddings(of(model="osta")) == []
    assert models.all_embeddings(of(set="external_2")) == [
        "results/models/head/embeddings/external_2.csv",
        "e.csv",
    ]


def test_a_networks_settings_hold_its_own_alone(models):
    settings = {name: json.loads(models.training_settings(of(model=name))) for name in ("deep", "second")}
    assert settings["second"]["architecture"] == settings["deep"]["architecture"] | {"grid": 4}
    assert settings["second"]["training"] == settings["deep"]["training"]
    for one in settings.values():
        assert one.keys() == {"seed", "init", "cpu_threads", "architecture", "training", "augmentation"}
    fewer = {name: None for name in ("clinical", "combined", "osta")} | {"second": MORE["second"]}
    without = Models(shipped(models=fewer, statistics={"primary_contrast": ["deep", "second"]}))
    assert json.loads(without.training_settings(of(model="deep"))) == settings["deep"]


def test_the_code_of_a_network_is_that_of_its_kind_and_trunk_alone(models):
    asked = []
    models.code_of_network(lambda *files: asked.append(files), "train_fold")(of(model="deep"))
    of_trunk = "scripts/networks/trunks/resnet18.py"
    assert asked == [("scripts/networks/train_fold.py", "scripts/networks/kinds/hybrid.py", of_trunk)]
    assert models.kinds_in_use() == [
        f"scripts/tabular/kinds/{k}.py" for k in ("features", "logistic", "osta", "trees")
    ]


def test_every_model_is_asked_for(models):
    from scripts.workflow.centers import Centers

    config = shipped(models=MORE)
    found = set(products(config, Centers(config)))
    assert {f"results/models/second/fold_{run}/weights.pt" for run in models.runs("second")} <= found
    assert {f"results/models/{name}/model.json" for name in models.tabular} <= found
    assert (
        "results/models/deep/gradcam/cases.csv" in found
        and "results/models/second/gradcam/cases.csv" not in found
    )


def test_a_bundle_is_of_a_network_with_the_table_that_holds_it(models):
    config = shipped(models={**MORE, "third": {"like": "second", "role": "ablation", "label": "Third"}})
    assert len(models.weights_to_pack(of(model="second"))) == 2 * 5
    with pytest.raises(
        StudyError, match="MODEL: the study has no network 'head'; its networks are deep, sec"
    ):
        models.weights_to_pack(of(model="head"))
    table = performance_of(config)
    assert table(of(model="second")) == "results/statistics/table2.csv"
    assert table(of(model="third")) == "results/statistics/folds.csv"
    settings = bundle_settings(config, "third")
    assert (settings["model"], settings["label"], settings["kind"]) == ("third", "Third", "hybrid")
    assert bundle_facts(config, "third")["what"].startswith("The paper's network")
