"""The record of a run: redacted, the same bytes each time, true to inputs and outputs."""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess

import pytest

from scripts.common.config import ImageTable, PatientTable
from scripts.common.errors import StudyError
from scripts.common.key import simulated_key
from scripts.common.vocabulary import REDACTED
from scripts.report.provenance import (
    git_state,
    listing_checksum,
    package_versions,
    provenance,
    provenance_text,
    rule_code,
    trained_on,
)
from scripts.report.redaction import redacted_config
from tests.report.conftest import with_changes

KEY = simulated_key(3)


def _record(tmp_path, config, listing="path,size,mtime_ns\na.dcm,3,5\n"):
    (tmp_path / "listing.csv").write_text(listing, encoding="utf-8")
    (tmp_path / "patients.csv").write_text("Planted Name,1\n", encoding="utf-8")
    (tmp_path / "results.csv").write_text("a,b\n", encoding="utf-8")
    (tmp_path / "weights.pth").write_bytes(b"weights")
    (tmp_path / "embeddings.csv").write_text("image_id,e0\nI1,0.5\n", encoding="utf-8")
    (tmp_path / "requirements.txt").write_text(
        "numpy==1 \\\n  --hash=sha256:0\nno-such-package-here==2\n", encoding="utf-8"
    )
    return provenance(
        config=redacted_config(config),
        synthetic=config.synthetic,
        key=KEY,
        listings={"east": str(tmp_path / "listing.csv")},
        tables=[("east", "patients", str(tmp_path / "patients.csv"))],
        weights=[("deep", str(tmp_path / "weights.pth"))],
        embeddings=[("head", str(tmp_path / "embeddings.csv"))],
        engine={"engine": "r", "R": "4.2.2", "pROC": "1.18.0"},
        outputs=[str(tmp_path / "results.csv")],
        trainings=[],
        requirements=tmp_path / "requirements.txt",
    )


def test_nothing_of_a_hospital_is_in_the_config(configs):
    config = configs["real"](
        report={"show_films": "signed_off", "signed_off_by": "Dr Planted"},
        models={
            **with_changes(deep={"init": "/planted/weights.pth"}),
            "head": {"kind": "features", "label": "Head", "embeddings": "/planted/embeddings.csv"},
            "trunk": {"kind": "features", "trunk": "resnet18", "init": "/planted/trunk.pth"},
            "fetched": {"kind": "whole_film", "role": "ablation"},
        },
    )
    models = redacted_config(config)["models"]
    assert [models[name]["init"] for name in ("deep", "trunk", "fetched")] == [REDACTED, REDACTED, "imagenet"]
    assert models["head"]["embeddings"] == REDACTED and models["trunk"]["embeddings"] is None
    assert models["head"]["label"] == {"en": "Head", "zh": "Head"}
    text = json.dumps(redacted_config(config), ensure_ascii=False)
    for word in ("planted", "Planted", "Saint", "Hospital", "/"):
        assert word not in text.replace("g/cm", "").replace("[-/ ]", ""), word
    center = redacted_config(config)["centers"][1]
    assert center["name"] == "east" and center["label"] == REDACTED and center["dicom"] == REDACTED
    assert center["patients"]["height_unit"] == "m" and center["patients"]["columns"]["age"] is None
    assert (
        center["enrolment"] == {"from": REDACTED, "to": REDACTED}
        and "2020" not in text
        and "2024" not in text
    )
    assert center["ids"] == {"strip": True, "leading_zeros": "keep", "upper": False, "separators": "keep"}
    assert center["simulate"] is None


def test_of_a_predictor_neither_column_nor_codes_are_in_the_config(configs):
    config = configs["real"]()
    coding = {"never": ["planted 0"], "daily": ["planted 1"]}
    predictors = {
        "calcium": {"column": "planted Ca", "unit": "mmol/L", "range": [1, 4]},
        "alcohol": {"column": "planted drinks", "type": "category", "coding": coding},
    }
    raw = config.centers[1].patients.model_dump() | {"predictors": predictors}
    center = config.centers[1].model_copy(update={"patients": PatientTable.model_validate(raw)})
    config = config.model_copy(update={"centers": [config.centers[0], center]})
    redacted = redacted_config(config)["centers"][1]["patients"]["predictors"]
    assert "lanted" not in json.dumps(redacted) and redacted["calcium"]["range"] == REDACTED
    assert redacted["alcohol"]["coding"] == {"never": REDACTED, "daily": REDACTED}


def test_nothing_of_a_hospital_with_png_films_or_a_hand_over_is_in_the_config(configs):
    config = configs["real"]()
    columns = {
        "file": "planted file",
        "patient_id": "planted id",
        "film_date": "planted day",
        "view": "planted view",
    }
    images = ImageTable(
        path="/planted/images.csv",
        columns=columns,
        date_format="%d.%m.%Y",
        bits=12,
        view_coding={"PA": ["planted pa"]},
    )
    for sources in ({"png": "/planted/films", "images": images}, {"deidentified": "/planted/folder"}):
        center = config.centers[1].model_copy(update={"dicom": None, **sources})
        redacted = redacted_config(config.model_copy(update={"centers": [config.centers[0], center]}))[
            "centers"
        ][1]
        text = json.dumps(redacted, ensure_ascii=False)
        assert "lanted" not in text and "/" not in text
        assert [key for key in sources if key != "images" and redacted[key] != REDACTED] == []
    assert redacted_config(config)["centers"][1]["png"] is None
    kept = redacted_config(
        config.model_copy(update={"centers": [config.centers[1].model_copy(update={"images": images})]})
    )["centers"][0]["images"]
    assert kept["bits"] == 12 and kept["date_format"] == "%d.%m.%Y"


def test_settings_of_the_study_are_kept(configs):
    config = redacted_config(configs["simulated"](statistics={"bootstrap": 321}))
    assert config["statistics"]["bootstrap"] == 321
    assert config["centers"][0]["simulate"]["n_op"] == 30
    assert config["study"]["key_file"] is None and config["models"]["deep"]["init"] == "imagenet"


def test_record_is_redacted_and_complete(tmp_path, configs):
    record = _record(tmp_path, configs["real"]())
    text = provenance_text({**record, "outputs": {}})
    assert "lanted" not in text and "Saint" not in text and str(tmp_path) not in text
    assert record["versions"]["packages"].keys() == {"numpy"}
    assert record["versions"]["R"] == "4.2.2" and record["versions"]["pROC"] == "1.18.0"
    assert record["seeds"]["study"] == 20260317
    output = record["outputs"]["files"][(tmp_path / "results.csv").as_posix()]
    assert output == hashlib.sha256(b"a,b\n").hexdigest()
    patients = record["inputs"]["centers"]["east"]["tables"]["patients"]
    assert patients == KEY.checksum(b"Planted Name,1\n")
    assert record["inputs"]["weights"] == {"deep": hashlib.sha256(b"weights").hexdigest()}
    embeddings = b"image_id,e0\nI1,0.5\n"
    assert record["inputs"]["embeddings"] == {"head": KEY.checksum(embeddings)}
    assert hashlib.sha256(embeddings).hexdigest() not in text
    assert hashlib.sha256(b"Planted Name,1\n").hexdigest() not in text  # a plain checksum could be guessed


def test_the_device_of_a_fold_is_that_of_its_training_and_not_of_the_config(tmp_path):
    of = {("a", "0"): "cuda", ("a", "0_seed_1"): "cpu", ("b", "0"): "cpu"}
    trainings = []
    for (network, run), device in of.items():
        file = tmp_path / f"{network}_{run}.json"
        file.write_text(json.dumps({"device": device, "torch": "2.0", "seconds": 7.5}), encoding="utf-8")
        trainings.append((network, run, file))
    assert trained_on(trainings) == {
        "a": {"0": {"device": "cuda", "torch": "2.0"}, "0_seed_1": {"device": "cpu", "torch": "2.0"}},
        "b": {"0": {"device": "cpu", "torch": "2.0"}},
    }


def test_record_has_the_same_bytes_again(tmp_path, configs):
    first = provenance_text(_record(tmp_path, configs["real"]()))
    assert provenance_text(_record(tmp_path, configs["real"]())) == first
    assert platform.node() not in first and "mtime" not in first


def test_listing_checksum_is_blind_to_times_and_order(tmp_path):
    def checksum(rows):
        (tmp_path / "listing.csv").write_text("path,size,mtime_ns,batch\n" + rows, encoding="utf-8")
        return listing_checksum(tmp_path / "listing.csv", KEY)

    base = checksum("a,1,5,0\nb,2,6,1\n")
    assert base["files"] == 2
    assert checksum("b,2,9,1\na,1,8,0\n") == base
    assert checksum("a,1,5,0\nb,3,6,1\n") != base
    assert checksum("a,1,5,0\n") != base


def test_versions_need_pinned_requirements(tmp_path):
    (tmp_path / "requirements.txt").write_text("# nothing\n", encoding="utf-8")
    with pytest.raises(StudyError, match="pins no package"):
        package_versions(tmp_path / "requirements.txt")


def _git(root, *command):
    subprocess.run(
        ["git", "-C", str(root), "-c", "user.name=n", "-c", "user.email=e", *command],
        check=True,
        capture_output=True,
    )


def test_git_state(tmp_path):
    assert git_state(tmp_path) == {"commit": "unknown", "code_modified": None}
    _git(tmp_path, "init", "-q")
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "a.smk").write_text("one", encoding="utf-8")
    (tmp_path / "config.yaml").write_text("one", encoding="utf-8")
    _git(tmp_path, "add", ".")
    _git(tmp_path, "commit", "-q", "-m", "first")
    state = git_state(tmp_path)
    assert len(state["commit"]) == 40 and state["code_modified"] is False
    (tmp_path / "config.yaml").write_text("a user's own", encoding="utf-8")
    assert git_state(tmp_path)["code_modified"] is False  # the config is recorded as such
    (tmp_path / "rules" / "a.smk").write_text("two", encoding="utf-8")
    assert git_state(tmp_path) == {**state, "code_modified": True}
    assert git_state(tmp_path / "rules") == {"commit": "unknown", "code_modified": None}


def test_git_missing_is_no_error(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_state(tmp_path)["commit"] == "unknown"


def test_every_rules_script_is_recorded():
    code = rule_code()
    assert {
        "scripts/report/record_provenance.py",
        "scripts/report/write_report.py",
        "scripts/networks/train_fold.py",
    } <= code.keys()
    assert "scripts/common/numbers.py" not in code
