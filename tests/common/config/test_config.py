"""The config model: what it refuses and how it says so; generated pages; pinned versions."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
import yaml

from scripts.common.config import Config, check_paths, read_config
from scripts.common.config.files import SHIPPED_NAMES, laid_over
from scripts.common.config.reference import reference_page, schema_text
from scripts.common.config.section import Section
from scripts.common.errors import StudyError
from scripts.common.vocabulary import CLINICAL
from scripts.workflow.models import Models

ROOT = Path(__file__).resolve().parents[3]


def load(name: str) -> dict:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


@pytest.fixture
def shipped() -> dict:
    return load("config.yaml")


@pytest.mark.parametrize(
    "overlay", [None, *sorted(f"config/{path.name}" for path in (ROOT / "config").glob("*.yaml"))]
)
def test_shipped_configs_are_valid(shipped, overlay):
    raw = shipped if overlay is None else laid_over(shipped, load(overlay))
    config = read_config(raw)
    assert config.synthetic is (overlay != "config/example_real.yaml")


@pytest.mark.parametrize("overlay", ["config/real_cpu.yaml", "config/real_gpu.yaml"])
def test_a_network_for_real_films_is_laid_over_any_study(shipped, overlay):
    """It is pretrained without a download, brings a first answer on the same trunk and films, and leaves the
    study's own.
    """
    own = laid_over(shipped, load("config/example_real.yaml"))
    above = load(overlay)
    assert set(above) <= {"networks", "models", "cohort"}
    study, config = read_config(own), read_config(laid_over(own, above), {"config.yaml": own, overlay: above})
    assert study.from_random_weights == [study.main_network] and not config.from_random_weights
    assert config.centers == study.centers and config.main_network == study.main_network
    assert list(config.models)[: len(study.models)] == list(study.models)
    network = config.models[config.main_network]
    (first,) = (model for model in config.models.values() if model.kind == "features")
    assert first.role == "baseline" and first.trunk == network.trunk_name and first.side == network.film_side
    assert network.init == first.init == "imagenet" and network.trunk_name == "efficientnet_lite0"
    assert (config.networks.gpus_per_fold > 0) == (overlay == "config/real_gpu.yaml")
    partly = network.training.trained_stages != "all" and network.training.views > 0
    assert partly == (overlay == "config/real_cpu.yaml")


def test_the_papers_network_alone_is_that_of_its_scale(shipped):
    alone = load("config/paper_network.yaml")
    whole = load("config/paper.yaml")
    assert alone == {key: whole[key] for key in ("networks", "models")}
    real = laid_over(shipped, load("config/example_real.yaml"))
    files = {"config.yaml": real, "config/paper_network.yaml": alone}
    assert read_config(laid_over(real, alone), files).centers == read_config(real).centers


SHIPPED_WITH_CENTRES = sorted(
    f"config/{path.name}"
    for path in (ROOT / "config").glob("*.yaml")
    if "centers" in load(f"config/{path.name}")
)
SIMULATE = {"like": "internal", "n_op": 9, "n_non_op": 9}
ONE_SIMULATED = {"centers": [{"name": "a", "role": "development", "simulate": SIMULATE}]}


@pytest.mark.parametrize("overlay", [*SHIPPED_WITH_CENTRES, "mine.yaml"])
def test_simulated_and_example_centres_replace_no_real_ones(shipped, overlay, monkeypatch):
    monkeypatch.chdir(ROOT)
    own = laid_over(shipped, load("config/example_real.yaml"))
    own["centers"][0]["dicom"] = "data/ours"
    above = ONE_SIMULATED if overlay == "mine.yaml" else load(overlay)
    for files in (
        {"config.yaml": own, overlay: above},
        {"config.yaml": shipped, "own.yaml": own, overlay: above},
    ):
        said = (
            f"^{overlay}: centers: the .* centres of this file would replace the real ones of '.*'.*without"
            " 'centers'"
        )
        with pytest.raises(StudyError, match=said):
            read_config(laid_over(own, above), files)
    # what comes last counts: real centres replace simulated ones, and others' files real ones
    read_config(laid_over(shipped, above), {"config.yaml": shipped, overlay: above})
    read_config(own, {overlay: above, "own.yaml": own})
    read_config(own, {"config.yaml": own, "own.yaml": own})


def test_every_shipped_file_with_centres_is_known_as_such():
    assert {Path(name).name for name in SHIPPED_WITH_CENTRES} == set(SHIPPED_NAMES)


def sections_with_defaults(model=Config):
    """Every section that can be left out, with the class that it belongs to and its key."""
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, Section):
            if not field.is_required():
                yield model, name, inner
            yield from sections_with_defaults(inner)


@pytest.mark.parametrize(
    ("model", "key", "section"), list(sections_with_defaults()), ids=lambda one: getattr(one, "__name__", one)
)
def test_a_section_keeps_the_defaults_of_the_keys_that_are_not_given(model, key, section):
    """Whatever key of a section is given, the others are what they are where the section is left out."""
    field = model.model_fields[key]
    default = (field.default_factory() if field.default_factory else field.default).model_dump(by_alias=True)
    for name in default:
        assert field.annotation.model_validate({name: default[name]}).model_dump(by_alias=True) == default


def test_users_centres_replace_the_synthetic_ones(shipped):
    config = read_config(laid_over(shipped, load("config/example_real.yaml")))
    assert [c.name for c in config.centers] == ["hospital_a", "hospital_b"]
    assert config.test_sets == ["internal_test", "hospital_b"]


IMAGES = {"path": "t.csv", "columns": {"file": "F", "patient_id": "P", "film_date": "D", "view": "V"}}

FAULTS = {
    "misspelt key": (
        lambda c: c["models"]["deep"].update(trainng={}),
        "models.deep.trainng",
        "did you mean 'training'",
    ),
    "misspelt section": (lambda c: c.update(statistic={}), "statistic", "did you mean 'statistics'"),
    "misspelt nested key": (
        lambda c: c["models"]["deep"]["training"].update(lerning_rate=1),
        "models.deep.training.lerning_rate",
        "did you mean 'learning_rate'",
    ),
    "wrong type": (
        lambda c: c["models"]["deep"]["training"].update(epochs="many"),
        "models.deep.training.epochs",
        "'many'",
    ),
    "yes for a whole number": (
        lambda c: c["models"]["deep"]["training"].update(norm_batches=True),
        "models.deep.training.norm_batches",
        "true does not fit; it should be a number",
    ),
    "no for a number": (
        lambda c: c["models"]["deep"]["training"].update(learning_rate=False),
        "models.deep.training.learning_rate",
        "false does not fit; it should be a number",
    ),
    "yes for a number or nothing": (
        lambda c: c["centers"][0].update(batches=True),
        "centers[internal].batches",
        "true does not fit",
    ),
    "a border of no pixel": (
        lambda c: c["networks"].update(masks={"border": 1e-4}),
        "networks.masks.border",
        "less than a pixel",
    ),
    "a spine of no column": (
        lambda c: c["networks"].update(masks={"spine": [0.5, 0.5001]}),
        "networks.masks.spine",
        "covers 0 of the film",
    ),
    "infinite": (
        lambda c: c["models"]["deep"]["training"].update(learning_rate=float("inf")),
        "models.deep.training.learning_rate",
        "finite",
    ),
    "a momentum that forgets nothing": (
        lambda c: c["models"]["deep"]["training"].update(momentum=1),
        "models.deep.training.momentum",
        "less than 1",
    ),
    "out of range": (lambda c: c["cohort"].update(test_fraction=1.5), "cohort.test_fraction", "1.5"),
    "more sites than there are": (
        lambda c: c["cohort"].update(min_sites=4),
        "cohort",
        "min_sites is 4, but 'sites' names 3",
    ),
    "no site": (lambda c: c["cohort"].update(min_sites=0), "cohort.min_sites", "greater than or equal to 1"),
    "a site twice": (
        lambda c: c["cohort"].update(sites=["lumbar", "lumbar"]),
        "cohort",
        "'lumbar' stands twice in 'sites'",
    ),
    "a window of less than a day": (
        lambda c: c["cohort"].update(exam_window_days=-1),
        "cohort.exam_window_days",
        "greater than or equal to 0",
    ),
    "wrong choice": (lambda c: c["statistics"].update(engine="R"), "statistics.engine", "'r' or 'numpy'"),
    "section of own tables": (
        lambda c: c.update(tables={"labels": {"deep": "Net"}}),
        "tables",
        "belongs to `make statistics`",
    ),
    "contrast of another model": (
        lambda c: c["statistics"].update(primary_contrast=["deep", "net"]),
        "statistics.primary_contrast",
        "there is no main model 'net'",
    ),
    "contrast of one model": (
        lambda c: c["statistics"].update(primary_contrast=["deep", "deep"]),
        "statistics.primary_contrast",
        "one model twice",
    ),
    "no colour": (
        lambda c: c["statistics"].update(figures={"colors": {"deep": "bluish"}}),
        "statistics.figures.colors",
        "'bluish' is no colour",
    ),
    "colour of no model": (
        lambda c: c["statistics"].update(figures={"colors": {"Deep": "red"}}),
        "statistics.figures.colors",
        "did you mean 'deep'",
    ),
    "brace in a label": (
        lambda c: c["centers"][0].update(label="House {A}"),
        "centers[internal].label",
        "holds a brace",
    ),
    "two development centres": (
        lambda c: c["centers"][1].update(role="development"),
        "centers",
        "'internal' and 'external_1'",
    ),
    "no development centre": (lambda c: c["centers"][0].update(role="external"), "centers", "found none"),
    "same name twice": (
        lambda c: c["centers"][2].update(name="external_1"),
        "centers",
        "'external_1' is used twice",
    ),
    "reserved name": (lambda c: c["centers"][1].update(name="train"), "centers[train].name", "reserved"),
    "bad name": (lambda c: c["centers"][1].update(name="Ext 1"), "centers[Ext 1].name", "small letters"),
    "both simulated and real": (
        lambda c: c["centers"][1].update(dicom="x"),
        "centers[external_1]",
        "not both",
    ),
    "neither simulated nor real": (
        lambda c: c["centers"][1].pop("simulate"),
        "centers[external_1]",
        "missing: dicom, patients, dxa",
    ),
    "png without its table": (
        lambda c: c["centers"][1].pop("simulate") and c["centers"][1].update(png="x"),
        "centers[external_1]",
        "'png' needs 'images'",
    ),
    "image table without png": (
        lambda c: c["centers"][1].pop("simulate") and c["centers"][1].update(dicom="x", images=IMAGES),
        "centers[external_1]",
        "'images' belongs to 'png'",
    ),
    "both kinds of films": (
        lambda c: (
            c["centers"][1].pop("simulate") and c["centers"][1].update(dicom="x", png="y", images=IMAGES)
        ),
        "centers[external_1]",
        "two centres",
    ),
    "png without clinical tables": (
        lambda c: c["centers"][1].pop("simulate") and c["centers"][1].update(png="y", images=IMAGES),
        "centers[external_1]",
        "missing: patients, dxa",
    ),
    "image table without a column": (
        lambda c: c["centers"][1].update(
            png="y", images={"path": "t", "columns": {**IMAGES["columns"], "vieuw": "V"}}
        ),
        "centers[external_1].images.columns.vieuw",
        "did you mean 'view'",
    ),
    "deidentified and dicom": (
        lambda c: c["centers"][1].pop("simulate") and c["centers"][1].update(dicom="x", deidentified="y"),
        "centers[external_1]",
        "leave out dicom",
    ),
    "deidentified and what the site settled": (
        lambda c: (
            c["centers"][1].pop("simulate") and c["centers"][1].update(deidentified="y", batches=2, ids={})
        ),
        "centers[external_1]",
        "leave out ids, batches",
    ),
    "simulated and deidentified": (
        lambda c: c["centers"][1].update(deidentified="y"),
        "centers[external_1]",
        "not both",
    ),
    "hand-over of no centre": (
        lambda c: c.update(handover="external_3"),
        "handover",
        "did you mean 'external_",
    ),
    "hand-over of a simulated centre": (
        lambda c: c.update(handover="external_1"),
        "handover",
        "is simulated",
    ),
    "missing key": (
        lambda c: c["centers"][1]["simulate"].pop("n_op"),
        "centers[external_1].simulate.n_op",
        "needed",
    ),
    "heads": (
        lambda c: c["models"]["deep"]["architecture"].update(heads=7),
        "models.deep.architecture",
        "must divide",
    ),
    "a frozen trunk of random weights": (
        lambda c: c["models"]["deep"]["training"].update(trained_stages=1),
        "models.deep: training.trained_stages",
        "gives it nothing to keep; give 'imagenet' or a file",
    ),
    "stages in words": (
        lambda c: c["models"]["deep"].update(init="a.pth", training={"trained_stages": "last"}),
        "models.deep.training.trained_stages: 'last'",
        "give 'all' or a whole number of 0 or more",
    ),
    "more stages than there are": (
        lambda c: c["models"]["deep"].update(init="a.pth", training={"trained_stages": 6}),
        "models.deep: training.trained_stages (6)",
        "more than the 5 stages of resnet18",
    ),
    "more stages than a backbone has": (
        lambda c: c["models"].update(
            whole={"kind": "whole_film", "backbone": "efficientnet_lite0", "training": {"trained_stages": 12}}
        ),
        "models.whole: training.trained_stages (12)",
        "more than the 9 stages of efficientnet_lite0",
    ),
    "a thaw that never comes": (
        lambda c: c["models"]["deep"]["training"].update(thaw_epoch=7),
        "models.deep.training: thaw_epoch (7)",
        "less than epochs (7); for a trunk that never trains give trained_stages 0",
    ),
    "views of what trains": (
        lambda c: c["models"]["deep"]["training"].update(views=3),
        "models.deep.training: views (3)",
        "give it a number, or views 0",
    ),
    "a trunk that there isn't": (
        lambda c: c["models"]["deep"]["architecture"].update(trunk="efficientnet_lite"),
        "models.deep.architecture.trunk",
        "Did you mean 'efficientnet_lite0'?",
    ),
    "empty list of centres": (lambda c: c.update(centers=[]), "centers", ""),
    "centres not a list": (lambda c: c.update(centers={"a": 1}), "centers", "list"),
    "section without keys": (lambda c: c.update(networks=None), "networks", "a section of keys"),
    "text for a section": (
        lambda c: c["models"]["deep"].update(training="fast"),
        "models.deep.training",
        "a section of keys",
    ),
}


@pytest.mark.parametrize("fault", FAULTS, ids=list(FAULTS))
def test_a_fault_is_one_clear_sentence(shipped, fault):
    spoil, key, advice = FAULTS[fault]
    spoil(shipped)
    with pytest.raises(StudyError) as refusal:
        read_config(shipped)
    message = str(refusal.value)
    assert key in message and advice in message
    assert "\n" not in message and len(message) < 300
    assert "pydantic" not in message and "type=" not in message


def test_several_faults_are_all_said(shipped):
    shipped["models"]["deep"]["training"]["epochs"] = 0
    shipped["netwrks"] = {}
    with pytest.raises(StudyError) as refusal:
        read_config(shipped)
    assert "2 faults" in str(refusal.value)
    assert "models.deep.training.epochs" in str(refusal.value) and "'networks'" in str(refusal.value)


def test_a_real_study_needs_a_key(shipped):
    raw = laid_over(shipped, load("config/example_real.yaml"))
    raw["study"]["key_file"] = None
    with pytest.raises(StudyError, match="make key"):
        read_config(raw)


def test_a_site_that_hands_over_needs_no_development_centre_and_only_its_own_paths(shipped):
    raw = laid_over(shipped, load("config/example_real.yaml"))
    del raw["centers"][0]
    with pytest.raises(StudyError, match="found none .*make handover CENTER=<name>"):
        read_config(raw)
    raw["handover"] = "hospital_b"
    config = read_config(raw)
    assert [c.name for c in config.running] == ["hospital_b"] and config.external == config.running
    raw["centers"].append({**raw["centers"][0], "name": "hospital_c", "dicom": "elsewhere"})
    with pytest.raises(StudyError) as refusal:
        check_paths(read_config(raw))
    assert "hospital_b" in str(refusal.value) and "hospital_c" not in str(refusal.value)


def test_a_folder_that_is_no_hand_over_is_refused(shipped, tmp_path):
    raw = laid_over(shipped, load("config/example_real.yaml"))
    raw["centers"][1] = {"name": "hospital_b", "role": "external", "deidentified": str(tmp_path)}
    with pytest.raises(StudyError, match="centers.hospital_b..deidentified: there is no manifest.json"):
        check_paths(read_config(raw))


def test_missing_files_are_named(shipped):
    config = read_config(laid_over(shipped, load("config/example_real.yaml")))
    with pytest.raises(StudyError) as refusal:
        check_paths(config)
    for part in ("private/study.key", "centers[hospital_a].dicom", "centers[hospital_b].dxa.path"):
        assert part in str(refusal.value)


@pytest.mark.parametrize("folder", [".", "..", "here"])
def test_films_that_lie_around_the_study_are_refused(shipped, tmp_path, monkeypatch, folder):
    (tmp_path / "study").mkdir()
    (tmp_path / "study/here").symlink_to(tmp_path)
    monkeypatch.chdir(tmp_path / "study")
    raw = laid_over(shipped, load("config/example_real.yaml"))
    raw["centers"][1]["dicom"] = folder
    with pytest.raises(
        StudyError, match=r"centers\[hospital_b\].dicom: .* holds the folder of the study itself"
    ):
        check_paths(read_config(raw))


def test_generated_pages_follow_the_model():
    assert (ROOT / "docs/configuration.md").read_text(encoding="utf-8") == reference_page(), "run 'make docs'"
    assert (ROOT / "config/schema.json").read_text(encoding="utf-8") == schema_text(), "run 'make docs'"


def test_every_key_has_a_description():
    def walk(node, path):
        if isinstance(node, dict):
            for name, entry in node.get("properties", {}).items():
                assert entry.get("description"), f"{path}.{name} has no description"

    schema = read_config(load("config.yaml")).model_json_schema()
    for name, section in schema["$defs"].items():
        walk(section, name)
    walk(schema, "")


def pins(name: str) -> dict[str, str]:
    text = (ROOT / "envs" / name).read_text()
    return dict(re.findall(r"^([a-z0-9-]+)==([^\s;\\]+)", text, flags=re.M))


def test_requirements_pin_what_pyproject_asks_for():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {re.match(r"[a-z0-9-]+", d.lower()).group() for d in project["dependencies"]}
    assert names <= pins("requirements.txt").keys()
    tests = {re.match(r"[a-z0-9-]+", d.lower()).group() for d in project["optional-dependencies"]["test"]}
    assert names | tests <= pins("requirements-test.txt").keys()


def test_requirements_have_hashes_and_no_host():
    for name in ("requirements.txt", "requirements-test.txt"):
        text = (ROOT / "envs" / name).read_text()
        blocks = re.split(r"\n(?=[a-z0-9])", text.strip())
        assert all("--hash=sha256:" in block for block in blocks)
        assert "://" not in text and "index-url" not in text


def test_test_requirements_agree_with_those_of_a_run():
    run, test = pins("requirements.txt"), pins("requirements-test.txt")
    assert {n: test.get(n) for n in run} == run


def test_conda_yamls_carry_the_same_versions():
    import tomllib

    floor = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"].removeprefix(
        ">="
    )
    files = list((ROOT / "envs").glob("*.yaml"))
    assert files
    for file in files:
        spec = yaml.safe_load(file.read_text())
        packages = spec["dependencies"]
        # the pinned packages follow by the script that Snakemake runs in the new environment
        pins_follow = file.with_suffix(".post-deploy.sh").read_text()
        assert "--require-hashes" in pins_follow and "/requirements.txt" in pins_follow
        assert hashlib.sha256((ROOT / "envs/requirements.txt").read_bytes()).hexdigest() in pins_follow
        assert f"python={floor}" in packages and "r-base=4.4" in packages
        assert any(p.startswith("r-proc=") for p in packages)
        assert {p.split("=")[0] for p in packages} <= {"python", "r-base", "r-proc", "pip"}


def test_installed_versions_are_the_pinned_ones():
    from importlib.metadata import version

    pinned = pins("requirements.txt")
    for name in ("snakemake", "torch", "pydicom", "xgboost", "pandas", "rpy2", "numpy"):
        assert version(name).split("+")[0] == pinned[name]


def test_one_column_for_two_fields_is_refused(shipped):
    raw = laid_over(shipped, load("config/example_real.yaml"))
    raw["centers"][0]["dxa"]["columns"]["t_score"] = raw["centers"][0]["dxa"]["columns"]["bmd"]
    with pytest.raises(StudyError, match="stands for both 'bmd' and 't_score'"):
        read_config(raw)


def test_a_pattern_that_is_no_regular_expression_is_refused(shipped):
    shipped["intake"] = {"frontal_view": {"pa": ["("]}}
    with pytest.raises(StudyError, match="not a regular expression"):
        read_config(shipped)


@pytest.mark.parametrize("given", ["DD/MM/YYYY", "%d/%m", "%d.%m.%Q", ""])
def test_a_date_format_that_gives_no_date_is_refused(shipped, given):
    raw = laid_over(shipped, load("config/example_real.yaml"))
    raw["centers"][0]["dxa"]["date_format"] = given
    with pytest.raises(StudyError, match=r"centers\[hospital_a\].dxa.date_format: .*'%d/%m/%Y'"):
        read_config(raw)


@pytest.mark.parametrize("given", ["%d/%m/%Y", "%Y%m%d", "%d-%b-%y", "%Y-%m-%d %H:%M", "%Y年%m月%d日"])
def test_date_formats_that_hospitals_use_are_taken(shipped, given):
    raw = laid_over(shipped, load("config/example_real.yaml"))
    raw["centers"][0]["dxa"]["date_format"] = given
    assert read_config(raw).center("hospital_a").dxa.date_format == given


def test_an_unknown_encoding_is_refused(shipped):
    raw = laid_over(shipped, load("config/example_real.yaml"))
    raw["centers"][0]["dxa"]["encoding"] = "utf-88"
    with pytest.raises(StudyError, match=r"centers\[hospital_a\].dxa.encoding: 'utf-88': no such encoding"):
        read_config(raw)


def test_a_fault_is_said_to_be_in_the_file_that_holds_it(shipped):
    own, overlay = shipped, load("config/example_real.yaml")
    overlay["centers"][1]["dxa"].pop("path")
    overlay["statistics"] = {"engne": "r"}
    own["models"]["clinical"]["trees"] = 0
    files = {"config.yaml": own, "mine.yaml": overlay}
    with pytest.raises(StudyError) as refusal:
        read_config(laid_over(own, overlay), files)
    said = str(refusal.value)
    assert "config.yaml: models.clinical.trees" in said
    assert "mine.yaml: centers[hospital_b].dxa.path" in said and "mine.yaml: statistics.engne" in said


def test_a_missing_file_is_said_to_be_named_in_the_file_that_names_it(shipped):
    overlay = load("config/example_real.yaml")
    files = {"config.yaml": shipped, "mine.yaml": overlay}
    with pytest.raises(
        StudyError, match=r"mine.yaml: centers\[hospital_a\].dicom: there is no folder"
    ) as refusal:
        check_paths(read_config(laid_over(shipped, overlay)), files)
    assert "config.yaml: " not in str(refusal.value)


def test_two_development_centres_in_an_overlay_are_said_to_be_there(shipped):
    overlay = load("config/example_real.yaml")
    overlay["centers"][1]["role"] = "development"
    with pytest.raises(StudyError, match="^mine.yaml: centers: exactly one"):
        read_config(laid_over(shipped, overlay), {"config.yaml": shipped, "mine.yaml": overlay})


def test_a_code_of_two_meanings_is_refused(shipped):
    raw = laid_over(shipped, load("config/example_real.yaml"))
    raw["centers"][1]["patients"]["sex_coding"] = {"F": ["女"], "M": ["男", " 女"]}
    with pytest.raises(StudyError, match="the code ' 女' stands for both 'F' and 'M'"):
        read_config(raw)
    raw["centers"][1]["patients"]["sex_coding"] = {"F": ["1"], "M": ["2"]}
    raw["centers"][1]["dxa"]["site_coding"] = {"femoral_neck": ["L1-L4"]}
    with pytest.raises(StudyError, match="'L1-L4' stands for both 'lumbar' and 'femoral_neck'"):
        read_config(raw)


def test_yes_and_no_need_no_quotes_as_keys_and_codes_do(shipped):
    raw = laid_over(shipped, load("config/example_real.yaml"))
    raw["centers"][1]["patients"]["flag_coding"] = yaml.safe_load('{yes: ["1"], no: ["0"]}')
    assert read_config(raw).centers[1].patients.flag_coding.yes == ["1"]
    raw["centers"][1]["patients"]["sex_coding"] = {"F": ["F", 2]}
    with pytest.raises(StudyError, match="2 stands without quotes .* write '2' in quotes"):
        read_config(raw)


def test_centres_shown_alike_are_refused(shipped):
    raw = laid_over(shipped, load("config/example_real.yaml"))
    for center in raw["centers"][:2]:
        center["label"] = "Hospital A"
    with pytest.raises(StudyError, match="two centres are shown as 'Hospital A'"):
        read_config(raw)
    raw["centers"][0]["label"] = "hospital  a"
    with pytest.raises(StudyError, match="two centres are shown as"):
        read_config(raw)
    raw["centers"][1]["label"] = "Internal test set"
    with pytest.raises(StudyError, match="centers: 'Internal test set' is what tables and figures call"):
        read_config(raw)


# ------------------------------------------------------------------------------------------- predictors

CALCIUM = {"column": "Ca", "unit": "mmol/L", "range": [1, 4], "label": {"en": "Calcium", "zh": "血钙"}}
ALCOHOL = {"column": "drinks", "type": "category", "coding": {"never": ["0"], "daily": ["1", "2"]}}


def with_predictors(shipped: dict, *by_center: dict) -> Config:
    """The example study, its centres' patient tables with predictors."""
    raw = laid_over(shipped, load("config/example_real.yaml"))
    for center, predictors in zip(raw["centers"], by_center):
        center["patients"]["predictors"] = predictors
    return read_config(raw)


def test_a_predictor_is_one_line_and_the_study_knows_those_of_all_centres_in_their_order(shipped):
    config = with_predictors(
        shipped,
        {"calcium": CALCIUM, "smoker": {"column": "S", "type": "yes_no"}},
        {
            "bmd_lab": {"column": "x"},
            "alcohol": ALCOHOL,
            "calcium": {**CALCIUM, "column": "Ca2+", "range": None},
        },
    )
    found = config.predictors
    assert list(found) == ["calcium", "smoker", "bmd_lab", "alcohol"]
    first, second = (center.name for center in config.centers[:2])
    assert found["calcium"].centers == (first, second) and found["alcohol"].centers == (second,)
    assert (found["bmd_lab"].type, found["bmd_lab"].label) == ("number", "bmd_lab")
    assert (found["calcium"].unit, found["calcium"].label) == ("mmol/L", "Calcium")
    assert found["alcohol"].levels == ("never", "daily") and found["smoker"].levels == ()
    assert config.development.name == first
    assert config.predictors_of(first) == {"calcium": "number", "smoker": "yes_no"}, (
        "a new centre changes none"
    )
    assert list(config.predictors_of(second)) == ["calcium", "smoker", "bmd_lab", "alcohol"]
    turned = config.model_copy(update={"centers": config.centers[::-1]})
    assert list(turned.predictors.items()) == list(found.items()), "nor does one that stands before it"


@pytest.mark.parametrize(
    ("predictors", "said"),
    [
        ({"Calcium": {"column": "Ca"}}, "'Calcium' is no name of a predictor"),
        ({"height_cm": {"column": "h"}}, "'height_cm' is taken by a column"),
        ({"everyone_positive": {"column": "h"}}, "is taken by a column"),
        (
            {"ca": {"column": "Ca", "typ": "number"}},
            "predictors.ca.typ: there is no such key; did you mean 'type'",
        ),
        ({"ca": {"column": "Ca", "type": "date"}}, "'date' is not allowed"),
        ({"ca": {"column": "Ca", "range": [4, 1]}}, "the first value of 'range' must be below the second"),
        ({"ca": {"column": "Ca", "coding": {"a": ["1"]}}}, "a number has no 'coding'"),
        ({"s": {"column": "S", "type": "yes_no", "unit": "a day"}}, "has neither 'unit' nor 'range'"),
        ({"s": {"column": "S", "type": "yes_no", "coding": {"maybe": ["1"]}}}, "maybe"),
        ({"s": {"column": "S", "type": "yes_no", "coding": {"yes": ["1"], "no": ["1"]}}}, "stands for both"),
        ({"a": {**ALCOHOL, "coding": None}}, "a category needs 'coding' with two levels or more"),
        ({"a": {**ALCOHOL, "coding": {"never": ["0"], "daily": ["0"]}}}, "the code '0' stands for both"),
        ({"a": {**ALCOHOL, "coding": {"1": ["0"], "daily": ["1"]}}}, "the level '1' begins with no letter"),
        ({"a": {"column": "x"}, "b": {"column": "x"}}, "the column 'x' stands for both 'a' and 'b'"),
        ({"ca": {"column": "Ca", "label": "{Ca}"}}, "holds a brace"),
    ],
)
def test_a_predictor_that_can_not_be_is_refused_in_a_sentence(shipped, predictors, said):
    with pytest.raises(StudyError) as error:
        with_predictors(shipped, predictors)
    assert said in str(error.value) and "centers[" in str(error.value)


def test_two_predictors_of_one_look_are_refused(shipped):
    for label, said in (
        ("calcium ", "two predictors are shown as 'calcium  (mmol/L)'"),
        ("Age (years)", "call something"),
    ):
        unit = "mmol/L" if label == "calcium " else None
        other = {"column": "x", "unit": unit, "label": label}
        with pytest.raises(StudyError, match=re.escape(said) if "(" in said else said):
            with_predictors(shipped, {"other": other}, {"calcium": CALCIUM})


def model_on(*names: str) -> dict:
    return {"habits": {"kind": "logistic", "role": "baseline", "predictors": list(names)}}


def test_a_model_predicts_from_the_predictors_of_the_centre_that_trains(shipped):
    study = {**shipped, "models": shipped.get("models", {}) | model_on("age", "alcohol", "calcium", "deep")}
    config = with_predictors(study, {"calcium": CALCIUM, "alcohol": ALCOHOL}, {"smoker": {"column": "S"}})
    assert list(config.predictor_types) == [*CLINICAL, "calcium", "alcohol"], "none that others alone have"
    assert config.predictor_types["alcohol"] == {"type": "category", "levels": ["never", "daily"]}
    assert config.predictor_types["sex"]["type"] == "sex"
    described = {one["name"]: one["predictors"] for one in Models(config).described()}["habits"]
    assert [(one["name"], one["type"], one["levels"]) for one in described] == [
        ("age", "number", []),
        ("alcohol", "category", ["never", "daily"]),
        ("calcium", "number", []),
        ("deep", "score", []),
    ]


def test_a_model_on_a_predictor_of_an_external_centre_alone_is_refused_in_a_sentence(shipped):
    study = {**shipped, "models": shipped.get("models", {}) | model_on("age", "smoker")}
    with pytest.raises(StudyError) as error:
        with_predictors(study, {"calcium": CALCIUM}, {"smoker": {"column": "S"}})
    said = str(error.value)
    assert "models.habits.predictors: 'smoker' is a predictor of centre 'hospital_b' and not of the" in said
    assert "\n" not in said and "map it under 'patients.predictors' there too" in said


def test_a_date_of_the_table_can_be_no_predictor(shipped):
    column = load("config/example_real.yaml")["centers"][0]["patients"]["columns"]["birth_date"]
    with pytest.raises(StudyError, match="stands for both 'birth_date' and 'born'"):
        with_predictors(shipped, {"born": {"column": column}})


@pytest.mark.parametrize(
    ("one", "other", "what"),
    [
        (CALCIUM, {**CALCIUM, "unit": "mg/dL"}, "unit"),
        (CALCIUM, {"column": "x", "type": "yes_no"}, "type"),
        (ALCOHOL, {**ALCOHOL, "coding": {"never": ["0"], "weekly": ["1"]}}, "levels"),
    ],
)
def test_a_predictor_is_the_same_in_all_centres(shipped, one, other, what):
    with pytest.raises(StudyError, match=f"predictors.x.{what}: it must be as in centre"):
        with_predictors(shipped, {"x": one}, {"x": other})


def test_height_and_weight_may_be_absent(shipped):
    raw = laid_over(shipped, load("config/example_real.yaml"))
    for center in raw["centers"]:
        for name in ("height", "weight"):
            center["patients"]["columns"].pop(name, None)
    columns = read_config(raw).development.patients.columns
    assert columns.height is None and columns.weight is None
