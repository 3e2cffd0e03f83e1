"""The models of a study: any number, of any name, and what is refused before a job starts."""

from __future__ import annotations

import pytest
import yaml

from scripts.common.code_hash import ROOT
from scripts.common.config import read_config
from scripts.common.config.files import laid_over
from scripts.common.config.models import KINDS, order_of
from scripts.common.errors import StudyError

CENTER = {"name": "a", "role": "development", "simulate": {"like": "internal", "n_op": 5, "n_non_op": 6}}
NETWORK = {"kind": "hybrid", "init": "random"}


def config_of(models, contrast=None, **sections):
    statistics = {"primary_contrast": contrast} | sections.pop("statistics", {})
    return read_config({"centers": [CENTER], "models": models, "statistics": statistics, **sections})


def refusal(*args, **kwargs):
    with pytest.raises(StudyError) as refused:
        config_of(*args, **kwargs)
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 300
    return str(refused.value)


def test_any_number_of_any_name_in_the_configs_order():
    models = {
        "x": NETWORK | {"label": "First"},
        "y2": {"kind": "whole_film", "init": "random", "role": "ablation"},
        "both": {"kind": "trees", "predictors": ["age", "x", "head"], "label": {"en": "Both", "zh": "二者"}},
        "head": {"kind": "features", "embeddings": "e.csv"},
        "age": {"kind": "logistic", "predictors": ["age"], "role": "baseline"},
    }
    config = config_of(models, ["both", "x"], study={"language": "zh"})
    assert list(config.models) == list(models) and config.networks_named == ["x", "y2"]
    assert config.with_role("main") == ["x", "both", "head"] and config.main_network == "x"
    shown = config.shown_models()
    assert [one["label"] for one in shown] == ["First", "y2", "二者", "head", "age"]
    assert (
        shown[2]["predictors"] == ["age", "x", "head"] and [one["network"] for one in shown[:2]] == [True] * 2
    )
    assert set(KINDS) == {"hybrid", "whole_film", "trees", "logistic", "osta", "features"}


def test_without_a_local_loss_the_network_has_no_local_heads():
    models = {"x": NETWORK, "y": NETWORK | {"training": {"local_weight": 0}}}
    config = config_of(models, ["x", "y"])
    assert [config.models[name].geometry["local_heads"] for name in models] == [True, False]


def test_a_model_stands_behind_those_that_it_reads_and_a_column_wins_over_a_model():
    models = {
        "top": {"kind": "trees", "predictors": ["middle", "age"]},
        "middle": {"kind": "logistic", "predictors": ["net"]},
        "net": NETWORK,
        "age": {"kind": "logistic", "predictors": ["age"]},
    }
    config = config_of(models, ["top", "net"])
    assert order_of(config.models, list(config.predictor_types)) == ["net", "age", "middle", "top"]


def test_models_stand_in_the_order_of_the_files_whatever_order_the_merge_has():
    """Snakemake lays the files below under those above, so that its merge begins with the latter's models."""
    files = {
        "config.yaml": {"models": {"net": NETWORK, "age": {"kind": "logistic"}, "gone": NETWORK}},
        "study.yaml": {"models": {"age": {"predictors": ["age"]}, "own": NETWORK, "gone": None}},
    }
    merged = laid_over(laid_over(files["study.yaml"], files["config.yaml"]), files["study.yaml"])
    assert list(merged["models"]) == ["age", "own", "gone", "net"]
    given = merged | {"centers": [CENTER], "statistics": {"primary_contrast": ["net", "own"]}}
    given["models"]["told"] = {"kind": "osta"}  # on the command line
    assert list(read_config(given, files).models) == ["net", "age", "own", "told"]


@pytest.mark.parametrize(
    ("models", "words"),
    [
        ({"n": NETWORK, "t": {"kind": "trees", "predictors": ["agee"]}}, "did you mean 'age'?"),
        ({"n": NETWORK, "t": {"kind": "trees", "predictors": ["t"]}}, "in a circle (t -> t)"),
        (
            {
                "n": NETWORK,
                "a": {"kind": "trees", "predictors": ["b"]},
                "b": {"kind": "trees", "predictors": ["c"]},
                "c": {"kind": "trees", "predictors": ["age", "b"]},
            },
            "in a circle (b -> c -> b)",
        ),
        ({"n": NETWORK, "t": {"kind": "trees", "predictors": ["age", "age"]}}, "'age' stands twice"),
        ({"n": NETWORK, "t": {"kind": "trees", "predictors": []}}, "models.t.predictors"),
        ({"n": NETWORK | {"kind": "hybird"}}, "Did you mean 'hybrid'?"),
        ({"n": {"init": "random"}}, "models.n.kind: this key is needed"),
        (
            {"n": NETWORK | {"training": {"epoch": 1}}},
            "models.n.training.epoch: there is no such key; did you",
        ),
        ({"n": NETWORK | {"predictors": ["age"]}}, "models.n.predictors: there is no such key"),
        ({"Net": NETWORK}, "'Net' can't be a name"),
        ({"n": NETWORK, "a" * 33: {"kind": "osta"}}, "use 32 of them at most"),
        ({"n": NETWORK, "all": {"kind": "osta"}}, "the name 'all' is taken"),
        ({"n": NETWORK, "everyone_positive": {"kind": "osta"}}, "is taken"),
        ({"n": NETWORK, "image_id": {"kind": "osta"}}, "is taken"),
        ({"n": NETWORK, "osta_published": {"kind": "osta"}}, "is taken"),
        ({"o": {"kind": "osta"}}, "none is a network"),
        ({}, "models: every model is taken away"),
        ({"n": None}, "models: every model is taken away"),
        ({"n": NETWORK | {"role": "ablation"}}, "none has the role 'main'"),
        ({"n": NETWORK, "t": {"kind": "osta", "role": "ablation"}}, "an ablation is a network"),
        ({"n": NETWORK, "m": NETWORK | {"label": "n"}}, "two models are shown as 'n'"),
        ({"n": NETWORK, "m": NETWORK | {"label": " N"}}, "two models are shown as 'n'"),
        ({"a_b": NETWORK, "m": NETWORK | {"label": "A  b"}}, "two models are shown as 'a_b'"),
        ({"n": NETWORK | {"label": "Everyone Positive"}}, "tables and figures call something else"),
        ({"n": NETWORK | {"label": "o, published cut-off"}, "o": {"kind": "osta"}}, "something else"),
        ({"n": NETWORK | {"label": {"en": "N"}}}, "models.n.label.zh"),
        ({"n": NETWORK | {"label": "N {x}"}}, "holds a brace"),
        ({"n": NETWORK, "h": {"kind": "features"}}, "exactly one of 'embeddings'"),
        ({"n": NETWORK, "h": {"kind": "features", "trunk": "resnet18", "init": "random"}}, "embeds nothing"),
        ({"n": {"kind": "whole_film", "backbone": "resnet50"}}, "'imagenet' is known for resnet18"),
        ({"n": {"kind": "whole_film", "backbone": "resnet81"}}, "did you mean 'resnet18'?"),
        ({"n": {"kind": "whole_film", "backbone": "nothing"}}, "none of those for films of any size"),
        (
            {"n": {"kind": "whole_film", "backbone": "alexnet", "init": "random", "side": 40}},
            "side (40) is too small for alexnet; set at least 63",
        ),
        (
            {"n": {"kind": "hybrid", "architecture": {"trunk_width": 16, "heads": 4}}},
            "needs architecture.trunk_width",
        ),
        ({"n": NETWORK | {"like": "m"}}, "there is no model 'm'"),
        ({"n": {"like": "m"}, "m": {"like": "n"}}, "is a circle"),
        (
            {"n": NETWORK, "m": {"like": 3}},
            "config.yaml: models.m.like: 3 does not fit; it should be a model's name.",
        ),
        ({"n": NETWORK | {"like": "o"}}, "config.yaml: models.n.like: there is no model 'o'"),
        ({"n": NETWORK | {"backbone": "ResNet-18", "kind": "whole_film"}}, "did you mean 'resnet18'?"),
        (
            {"n": NETWORK, "t": {"kind": "trees", "predictors": []}},
            "t.predictors: there are 0 entries; give 1",
        ),
        (
            {"n": NETWORK | {"augmentation": {"shift": 0.1, "crop_scale": [1]}}},
            "crop_scale: its entry 2 is needed",
        ),
        ({3: NETWORK}, "models: 3 stands without quotes"),
        ({"n": 3}, "models.n: 3 does not fit; it should be a section of keys"),
        ([], "models: a list does not fit"),
    ],
)
def test_what_does_not_fit_is_refused(models, words):
    assert words in refusal(models)


def test_the_main_comparison_is_of_two_main_models():
    models = {"n": NETWORK, "t": {"kind": "osta"}, "b": {"kind": "osta", "role": "baseline", "label": "B"}}
    assert "declares its main comparison" in refusal(models)
    assert "there is no main model 'b'" in refusal(models, ["n", "b"])
    assert "names one model twice" in refusal(models, ["n", "n"])
    config_of({"n": NETWORK})  # one main model has nobody to be compared with


def test_the_main_network_is_named_or_the_first():
    models = {"a": NETWORK | {"role": "ablation"}, "n": NETWORK, "m": NETWORK | {"label": "M"}}
    assert config_of(models, ["n", "m"]).main_network == "n"
    assert config_of(models, ["n", "m"], study={"main_network": "m"}).main_network == "m"
    for name in ("t", "a"):
        assert "is no main network" in refusal(models, ["n", "m"], study={"main_network": name})


def test_a_model_like_another_one_differs_in_what_it_says():
    first = NETWORK | {"label": "First", "training": {"epochs": 3, "batch_size": 4}}
    models = {
        "n": first,
        "m": {"like": "n", "role": "ablation", "training": {"epochs": 5}},
        "k": {"like": "m"},
    }
    config = config_of(models, ["n", "k"])
    m, k = config.models["m"], config.models["k"]
    assert (m.kind, m.training.epochs, m.training.batch_size, m.role, m.label) == (
        "hybrid",
        5,
        4,
        "ablation",
        None,
    )
    assert (k.training.epochs, k.role) == (5, "main")


def test_a_file_laid_over_takes_a_model_away():
    shipped = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    own = {
        "models": {"combined": None, "osta": None},
        "statistics": {"primary_contrast": ["deep", "clinical"]},
    }
    assert list(read_config(laid_over(shipped, own)).models) == ["deep", "clinical", "age", "logistic"]


def test_the_ablation_study_has_the_networks_that_it_names():
    shipped = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    ablation = yaml.safe_load((ROOT / "config/ablation.yaml").read_text(encoding="utf-8"))
    config = read_config(laid_over(shipped, ablation))
    main, *others = (config.models[name] for name in config.networks_named)
    assert [m.role for m in others] == ["ablation"] * 3
    without, no_local, whole = others
    assert without.training == main.training and without.architecture.layers == 0
    assert no_local.architecture == main.architecture and no_local.training.local_weight == 0
    assert whole.training.model_dump() == {
        key: value for key, value in main.training.model_dump().items() if key != "local_weight"
    }


@pytest.mark.parametrize(
    ("old", "words"),
    [
        (
            {"deep": {"device": "cpu"}},
            "deep.device: this key of version 0.1.0 has moved; write networks.device",
        ),
        ({"deep": {"training": {"epochs": 3}}}, "write models.deep.training"),
        ({"deep": {"init": "random"}}, "write models.deep.init"),
        ({"boosting": {"trees": 9}}, "'trees' under models.clinical and models.combined"),
        ({"deep": None}, "networks (the machine) and models.deep (the network)"),
        ({"boosting": 3}, "models.clinical and models.combined"),
    ],
)
def test_a_config_of_the_first_version_is_told_the_new_places(old, words):
    with pytest.raises(StudyError) as refused:
        read_config({"centers": [CENTER], **old})
    assert words in str(refused.value) and "docs/upgrading.md" in str(refused.value)


def test_every_old_key_is_named_with_its_new_place():
    with pytest.raises(StudyError) as refused:
        read_config(
            {"centers": [CENTER], "deep": {"device": "cpu", "masks": {}, "augmentation": {}}, "boosting": {}}
        )
    said = str(refused.value)
    assert "4 faults" in said and "networks.masks" in said and "models.deep.augmentation" in said
