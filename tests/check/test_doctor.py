"""What `make doctor` says of machines that are not as they should be; the machines' commands are
stand-ins.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from scripts.check import doctor, training_times
from scripts.check.doctor import (
    Profile,
    check_bf16,
    check_git,
    check_gpu,
    check_python,
    check_r,
    check_slurm,
    check_tables,
    read_profile,
)
from scripts.check.table_faults import read_tables
from scripts.common.config import Center, FrontalView, read_config
from scripts.common.config.files import laid_over
from scripts.common.config.models import Architecture, Features
from scripts.common.key import make_key
from scripts.common.weights_files import imagenet_path
from scripts.networks.kinds.registry import architecture_class, new_network

ROOT = Path(__file__).resolve().parents[2]
PROFILE = Profile(partitions={}, status_command="squeue", first_look=40, asks_gres=False)


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Empties PATH and puts stand-ins there: name, what it prints, its exit status."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))

    def make(name: str, prints: str = "", status: int = 0) -> None:
        (tmp_path / f"{name}.txt").write_text(prints)
        path = tmp_path / "bin" / name
        path.write_text(
            "#!/bin/sh\nwhile IFS= read -r line; do printf '%s\\n' \"$line\"; done <"
            f" '{tmp_path / name}.txt'\nexit {status}\n"
        )
        path.chmod(0o755)

    return make


def study(**changes):
    raw = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    for section, keys in changes.items():
        raw.setdefault(section, {}).update(keys)
    return read_config(raw)


def on_machine(config, **machine):
    """The study of ``config`` on another machine."""
    return config.model_copy(update={"networks": config.networks.model_copy(update=machine)})


def network(**settings):
    """The study with other settings of its network."""
    raw = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    return study(models={NETWORK: laid_over(raw["models"][NETWORK], settings)})


NETWORK = read_config(yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))).main_network


def only(findings):
    (found,) = findings
    return found


# ------------------------------------------------------------------------------------------------- Python, R,
# git


def test_an_old_python_is_told(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 9, 2, "final", 0))
    found = only(check_python())
    assert found.state == "fix" and "3.9.2" in found.said and "apt-get install" in found.line


def test_packages_are_compared_with_the_pins(monkeypatch):
    assert only(check_python()).state == "ok"
    true = doctor.importlib.metadata.version
    monkeypatch.setattr(
        doctor.importlib.metadata, "version", lambda name: "0.0.1" if name == "xgboost" else true(name)
    )
    found = only(check_python())
    assert found.state == "note" and "xgboost 0.0.1 (pinned: " in found.said

    def absent(name):
        raise doctor.importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(doctor.importlib.metadata, "version", absent)
    found = only(check_python())
    assert found.state == "fix" and found.line == "make setup" and "torch" in found.said


@pytest.mark.parametrize(
    ("prints", "status", "state", "said"),
    [
        ("R 4.2.2 pROC\n", 0, "ok", "4.2.2 with pROC"),
        ("R 4.2.2 \n", 0, "fix", "pROC is missing"),
        ("R 3.6.3 pROC\n", 0, "fix", "4.1 or newer"),
        ("R 4.0.9 pROC\n", 0, "fix", "4.1 or newer"),
        ("cannot open shared object file\n", 1, "fix", "ends with status 1"),
        ("", 0, "fix", "ends with status 0"),
    ],
)
def test_r(command, prints, status, state, said):
    command("Rscript", prints, status)
    found = only(check_r(None))
    assert found.state == state and said in found.said
    assert bool(found.line) == (state != "ok")


def test_r_that_is_absent_or_not_needed(command):
    found = only(check_r(study()))
    assert found.state == "fix" and "r-cran-proc" in found.line and "engine: numpy" in found.line
    found = only(check_r(study(statistics={"engine": "numpy"})))
    assert found.state == "note" and not found.line


def test_a_command_that_never_answers_is_not_waited_for(command, tmp_path):
    (tmp_path / "bin/git").write_text(f"#!/bin/sh\nexec {shutil.which('sleep', path='/usr/bin:/bin')} 60\n")
    (tmp_path / "bin/git").chmod(0o755)
    assert doctor.ask("git", "--version", seconds=0.2).status == 124


def test_git(command):
    assert only(check_git()).state == "note"
    command("git", "git version 2.39")
    assert not list(check_git())


# -----------------------------------------------------------------------------------------------------------
# GPU

TWO = "NVIDIA A100-SXM4-40GB, 535.183.01\nNVIDIA A100-SXM4-40GB, 535.183.01\n"


def gpu(config, seen=None):
    return only(check_gpu(config, lambda: seen))


def test_no_gpu(command):
    assert gpu(study()).state == "ok"
    assert gpu(study(networks={"device": "cuda"})).state == "fix"
    found = gpu(study(networks={"gpus_per_fold": 1}))
    assert found.state == "fix" and "gpus_per_fold: 0" in found.line
    assert gpu(study(networks={"gpus_per_fold": 1, "device": "cpu"})).state == "ok"
    command("sinfo", f"{doctor.NO_CLUSTER}\n", 1)  # SLURM's programs alone make no cluster
    assert (
        gpu(study(networks={"gpus_per_fold": 1})).state == "fix"
        and gpu(study(networks={"device": "cuda"})).state == "fix"
    )
    command("sinfo")  # a login node: its GPUs are elsewhere
    assert gpu(study(networks={"gpus_per_fold": 1})).state == "ok"


def test_a_processor_that_imitates_bf16(command):
    slow = network(training={"precision": "bf16"})
    found = only(check_bf16(slow, lambda: False))
    assert found.state == "note" and "ten times slower" in found.said
    assert f"models.{NETWORK}.training.precision: fp32" in found.line
    assert not list(check_bf16(slow, lambda: True))
    assert not list(check_bf16(slow, lambda: None))
    assert not list(check_bf16(study(), lambda: False))
    assert not list(check_bf16(on_machine(slow, gpus_per_fold=1), lambda: False))
    command("nvidia-smi", TWO)
    assert not list(check_bf16(slow, lambda: False))
    assert list(check_bf16(on_machine(slow, device="cpu"), lambda: False))


def test_pytorch_is_asked_for_bf16_as_it_is_installed(monkeypatch):
    from scripts.networks.arithmetic import has_bf16

    assert doctor.torch_has_bf16() is has_bf16()
    monkeypatch.setattr(doctor.sys, "executable", "/nowhere/python")
    assert doctor.torch_has_bf16() is None


@pytest.mark.parametrize(
    ("prints", "status"),
    [
        ("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n", 9),
        ("No devices were found\n", 0),
    ],
)
def test_a_driver_that_does_not_work(command, prints, status):
    command("nvidia-smi", prints, status)
    assert gpu(study()).state == "note"
    found = gpu(study(networks={"gpus_per_fold": 1}))
    assert found.state == "fix" and "nvidia-smi" in found.line


def test_gpus_and_what_pytorch_sees_of_them(command):
    command("nvidia-smi", TWO)
    on = study(networks={"gpus_per_fold": 1})
    found = gpu(on, (2, "12.8"))
    assert found.state == "ok" and "2 x NVIDIA A100" in found.said and "gpu=2" in found.line
    assert gpu(on, (1, "12.8")) == doctor.Finding("GPU", "ok", "2 x NVIDIA A100-SXM4-40GB, driver 535.183.01")
    found = gpu(on, (0, "13.0"))
    assert (
        found.state == "fix"
        and "535.183.01 is too old for CUDA 13.0" in found.said
        and "CUDA 13.0" in found.line
    )
    assert gpu(study(), (0, "13.0")).state == "note"
    assert gpu(on, None).line == "make setup"
    assert "gpus_per_fold: 1" in gpu(study(), (2, "12.8")).line
    assert "networks.device: cpu" in gpu(study(networks={"device": "cpu"}), (2, "12.8")).said


def test_pytorch_is_asked_as_it_is_installed(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    seen = doctor.torch_sees()
    assert seen is not None and seen[0] == 0


# --------------------------------------------------------------------------------------------- disk, config,
# key


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder to work in, with the shipped config."""
    (tmp_path / "work").mkdir()
    shutil.copy(ROOT / "config.yaml", tmp_path / "work")
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setattr(doctor, "TIMED_SECONDS", 0)
    return tmp_path / "work"


def free(monkeypatch, number):
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**13, 0, number))


def test_disk(folder, monkeypatch):
    free(monkeypatch, 100 * 10**9)
    assert only(doctor.check_disk(study())).state == "ok"
    free(monkeypatch, 10**9)
    found = only(doctor.check_disk(study()))
    assert found.state == "fix" and found.said.startswith("1 GB free, about")
    (folder / "results").mkdir()
    (folder / "results/predictions.csv").write_text("")
    assert only(doctor.check_disk(study())).state == "note"
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert "can't be written" in only(doctor.check_disk(study())).said


def real_config(folder):
    """A study of one real centre: 3 films of 1,000 bytes, a key."""
    (folder / "films").mkdir()
    for number in range(3):
        (folder / f"films/{number}").write_bytes(bytes(1000))
    (folder / "table.csv").write_text("id\n")
    folder.chmod(0o700)
    make_key(folder / "private/study.key")
    columns = {"patient_id": "id", "sex": "sex", "age": "age", "height": "h", "weight": "w"}
    dxa = {"patient_id": "id", "exam_date": "day", "site": "site", "bmd": "bmd", "t_score": "t"}
    center = {
        "name": "a",
        "role": "development",
        "dicom": "films",
        "patients": {"path": "table.csv", "columns": columns},
        "dxa": {"path": "table.csv", "columns": dxa},
    }
    raw = {"study": {"key_file": "private/study.key"}, "centers": [center]}
    (folder / "mine.yaml").write_text(yaml.safe_dump(raw))
    return doctor.read(["config.yaml", "mine.yaml"])[0]


def test_space_follows_from_the_films(folder):
    config = real_config(folder)
    side = config.models[NETWORK].film_side
    needed, counted = doctor.space_needed(config)
    assert needed == 2 * 3000 + 3 * 2 * side**2 + 10**9 and counted.startswith("3 films")
    second = config.models[NETWORK].model_copy(update={"architecture": Architecture(grid=2, block_size=32)})
    config.models["second"] = second
    assert doctor.space_needed(config)[0] == needed + 3 * 2 * 64**2, "its films are cached at another size"
    config.models["third"] = second
    assert doctor.space_needed(config)[0] == needed + 3 * 2 * 64**2, "two networks share a cache"
    training = second.training.model_copy(update={"trained_stages": 0, "views": 4})
    config.models["third"] = second.model_copy(update={"training": training})
    of_views = 3 * 2 * 5 * 4 * 512
    assert doctor.space_needed(config)[0] == needed + 3 * 2 * 64**2 + of_views, "five views of four blocks"


def test_config_and_paths(folder):
    config, findings = doctor.read(["config.yaml"])
    assert config is not None and only(findings).state == "ok"
    (folder / "wrong.yaml").write_text(f"models: {{{NETWORK}: {{trainng: {{}}}}}}\n")
    config, findings = doctor.read(["config.yaml", "wrong.yaml"])
    assert (
        config is None and only(findings).state == "fix" and "did you mean 'training'" in only(findings).said
    )
    (folder / "old.yaml").write_text("deep: {device: cpu}\nboosting: {depth: 4}\n")
    config, findings = doctor.read(["config.yaml", "old.yaml"])
    assert config is None and "deep.device: this key of version 0.1.0 has moved" in only(findings).said
    assert "networks.device (docs/upgrading.md)" in only(findings).said
    _, findings = doctor.read(["config.yaml", "absent.yaml"])
    assert "'absent.yaml' can't be opened" in only(findings).said
    config = real_config(folder)
    assert [found.state for found in doctor.check_paths_and_key(config)] == ["ok", "ok"]
    (folder / "table.csv").unlink()
    (folder / "private/study.key").chmod(0o644)
    paths, key = doctor.check_paths_and_key(config)
    assert paths.state == key.state == "fix"
    assert "there is no file 'table.csv'" in paths.said and "study.key" not in paths.said
    assert "chmod 600" in key.said


def test_a_label_that_no_font_draws_is_to_be_fixed_before_a_run(folder):
    config = real_config(folder)
    config.centers[0].label = "\U00012000"
    fonts = [found for found in doctor.check_paths_and_key(config) if found.about == "Fonts"]
    assert [found.state for found in fonts] == ["fix"] and ".label: no installed font" in fonts[0].said


def test_another_key_than_that_of_the_results(folder):
    config = real_config(folder)
    (folder / "state").mkdir()
    (folder / "state/split_lock.csv").write_text("patient_id,key\nP1,00000000\n")
    assert "put the old key" in list(doctor.check_paths_and_key(config))[1].said


def test_weights(folder):
    assert not list(doctor.check_weights(network(init="random")))
    config = network(init="imagenet", architecture={"trunk_width": 64})
    config.models["embedded"] = Features(kind="features", trunk="resnet18")
    path = Path(imagenet_path("resnet18"))
    found = only(doctor.check_weights(config))  # one file for both
    assert found.state == "note" and f"snakemake {path} " in found.line
    (folder / path).parent.mkdir()
    (folder / path).write_bytes(b"cut")
    found = only(doctor.check_weights(config))
    assert found.state == "fix" and "cut or another file" in found.said and str(path) in found.line
    config = network(init="imagenet", architecture={"trunk": "efficientnet_lite0"})
    found = only(doctor.check_weights(config))
    assert found.state == "ok" and "out of the Python environment" in found.said


def test_a_weights_file_is_tried_before_a_run(folder):
    architecture = {"grid": 2, "block_size": 32, "trunk_width": 8, "layers": 1, "heads": 2}
    fits = network(init="trunk.pt", architecture=architecture)
    built = new_network("hybrid", architecture_class("hybrid")(**fits.models[NETWORK].geometry))
    torch.save(built.trunk.state_dict(), folder / "trunk.pt")
    torch.save({"model": built.state_dict()}, folder / "weights.pt")
    found = only(doctor.check_weights(fits))
    assert found.state == "ok" and f"models.{NETWORK}.init" in found.said
    for init, changes, said in (
        ("weights.pt", {}, "holds a trained network"),
        ("trunk.pt", {"trunk_width": 16}, "another architecture"),
    ):
        config = network(init=init, architecture={**architecture, **changes})
        found = only(doctor.check_weights(config))
        assert found.state == "fix" and said in found.said and f"models.{NETWORK}.init" in found.said


def test_models_are_listed_with_their_trainings_and_embeddings(folder):
    config = network(seeds=2)
    first = only(doctor.check_models(config))
    assert f"{NETWORK} (hybrid, {2 * config.cohort.folds} trainings)" in first.said
    assert [name for name in config.models if f"{name} (" not in first.said] == []
    config.models["head"] = Features(kind="features", embeddings="e.csv")
    assert only(doctor.check_models(config)).said.endswith("head (features)"), (
        "an absent file is for the paths"
    )
    for text, state, said in (
        ("image_id,e0,e1\nI1,0.5,1\nI2,0.25,2\n", "ok", "models.head.embeddings: 2 films, 2 numbers each"),
        ("file,e0\nI1,0.5\n", "fix", "needs the column 'image_id'"),
        ("image_id,e0\n", "fix", "a row per film"),
        (
            "e0,image_id\n1,I1\n2,I1\n",
            "fix",
            "1 image(s) twice, and values that are missing or no numbers in 0",
        ),
        ("image_id,e0,e1\nI1,1,x\nI2,1\nI3,nan,1\nI4,,1\nI5,1,1\n", "fix", "no numbers in 4 of 5 rows"),
    ):
        (folder / "e.csv").write_text(text)
        _, found = doctor.check_models(config)
        assert (found.state, said in found.said) == (state, True)
        assert "I1" not in found.said


def test_memory_of_each_training(folder, monkeypatch, command):
    config = study()
    config.models["second"] = network(architecture={"trunk_width": 64}).models[NETWORK]
    for free, total, states in (
        (10**13, 10**13, ["ok", "ok"]),
        (10**6, 10**13, ["note", "note"]),
        (10**6, 10**6, ["fix", "fix"]),
    ):
        monkeypatch.setattr("scripts.networks.machine.memory.main_memory", lambda there=(free, total): there)
        found = list(doctor.check_memory(config))
        assert [one.state for one in found] == states
        assert f"models.{NETWORK}: a training takes about" in found[0].said
        assert "models.second:" in found[1].said
        assert all(bool(one.line) == (one.state != "ok") for one in found)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(4)))
    config.networks.cpu_threads = 2
    likely = float(found[0].said.split("about ")[1].split()[0]) * 10**9
    monkeypatch.setattr("scripts.networks.machine.memory.main_memory", lambda: (int(1.5 * likely), 10**13))
    (first, _) = doctor.check_memory(config)
    assert first.state == "note" and ", 2 at a time " in first.said and "--cores 2 " in first.line
    command("nvidia-smi", TWO)
    assert "GB of GPU memory" in list(doctor.check_memory(config))[0].said


def test_what_version_0_1_0_and_models_of_before_left_is_told_and_kept(folder):
    config = study()
    for name in (NETWORK, "of_before"):
        (folder / "results/models" / name).mkdir(parents=True)
    (folder / "state/cache/96/train").mkdir(parents=True)
    (found,) = doctor.check_left_over(config)
    assert found.line == "rm -r results/models/of_before"
    (folder / "state/cache/views" / NETWORK).mkdir(parents=True)
    (found,) = doctor.check_left_over(config)
    assert found.line == f"rm -r results/models/of_before state/cache/views/{NETWORK}", "none are kept"
    config.models[NETWORK].training.views = 4
    (found,) = doctor.check_left_over(config)
    assert found.line == "rm -r results/models/of_before"
    for name in ("results/deep", "results/boosting", "state/cache/train", "results/bundle"):
        (folder / name).mkdir(parents=True)
    (folder / "results/bundle/MANIFEST.sha256").write_text("")
    former, bundle, _ = doctor.check_left_over(config)
    assert former.line.startswith("rm -r results/deep results/boosting state/cache/train ")
    assert "bundle of version 0.1.0" in bundle.said
    assert all((folder / name).is_dir() for name in ("results/deep", "state/cache/train"))


def test_more_threads_than_cores(monkeypatch, command):
    monkeypatch.setattr(doctor.os, "sched_getaffinity", lambda _: {0, 1})
    found = only(doctor.check_threads(study(networks={"cpu_threads": 4})))
    assert found.state == "note" and "there are 2" in found.said and "cpu_threads: 2" in found.line
    assert not list(doctor.check_threads(study(networks={"cpu_threads": 2})))
    command("nvidia-smi", TWO)
    assert not list(doctor.check_threads(study(networks={"cpu_threads": 4})))


# ---------------------------------------------------------------------------------------------------------
# SLURM

PARTITIONS = "cpu*|up|(null)\ngpu|up|gpu:a100:4(S:0-1)\nold|down|gpu:2\n"
NO_ACCOUNTING = "AccountingStorageType   = accounting_storage/none\nMinJobAge               = 300 sec\n"
ACCOUNTING = "AccountingStorageType   = accounting_storage/slurmdbd\nMinJobAge               = 2 sec\n"


def test_no_slurm_says_nothing(command):
    assert not list(check_slurm(study(), PROFILE))


@pytest.mark.parametrize(
    ("prints", "status"), [("slurm_load_partitions: Unable to contact slurm controller\n", 1), ("", 0)]
)
def test_a_controller_that_does_not_answer(command, prints, status):
    command("sinfo", prints, status)
    found = only(check_slurm(study(), PROFILE))
    assert found.state == "fix" and "controller" in found.said


def test_slurm_installed_on_a_machine_of_no_cluster(command):
    command(
        "sinfo",
        "sinfo: error: fetch_config: DNS SRV lookup failed\nsinfo: fatal: Could not establish a configuration"
        " source\n",
        1,
    )
    found = only(check_slurm(study(), PROFILE))
    assert found.state == "note" and "no cluster" in found.said and not found.line


def slurm(command, config, profile, partitions=PARTITIONS, settings=NO_ACCOUNTING):
    """What is said beside `ok`."""
    command("sinfo", partitions)
    command("scontrol", settings)
    found = list(check_slurm(config, profile))
    assert all(one.line for one in found if one.state == "fix")
    return [one for one in found if one.state != "ok"], found


def test_a_cluster_as_it_should_be(command):
    bad, found = slurm(
        command, study(networks={"gpus_per_fold": 1}), PROFILE._replace(partitions={"train_fold": "gpu"})
    )
    assert (
        bad == []
        and found[0].said == "partitions: cpu, gpu"
        and found[1].said == "GPUs in gpu, asked for by --gpus"
    )
    assert (
        "--gres"
        in slurm(
            command,
            study(networks={"gpus_per_fold": 1}),
            PROFILE._replace(partitions={"train_fold": "gpu"}, asks_gres=True),
        )[1][1].said
    )


def test_partitions(command):
    bad, _ = slurm(command, study(), PROFILE._replace(partitions={"default-resources": "fast"}))
    assert (
        "default-resources names the partition 'fast'" in only(bad).said
        and "slurm_partition: cpu" in only(bad).line
    )
    bad, _ = slurm(command, study(), PROFILE._replace(partitions={"train_fold": "gpu,old"}))
    assert "'old'" in only(bad).said
    bad, _ = slurm(command, study(), PROFILE, partitions=PARTITIONS.replace("cpu*", "cpu"))
    assert "no default partition" in only(bad).said and "slurm_partition: cpu" in only(bad).line
    assert (
        slurm(
            command,
            study(),
            PROFILE._replace(partitions={"default-resources": "cpu"}),
            PARTITIONS.replace("cpu*", "cpu"),
        )[0]
        == []
    )
    assert "could not be read" in slurm(command, study(), None)[0][0].said


def test_gpus_of_a_cluster(command):
    folds = study(networks={"gpus_per_fold": 1})
    bad, _ = slurm(command, folds, PROFILE)
    assert (
        "partition 'cpu', which has no GPU" in only(bad).said
        and "train_fold: {slurm_partition: gpu}" in only(bad).line
    )
    bad, _ = slurm(command, folds, PROFILE, partitions="cpu*|up|(null)\nold|down|gpu:2\n")
    assert "no partition offers a GPU" in only(bad).said
    assert slurm(command, folds, PROFILE, partitions="all*|up|gpu:2\n")[0] == []


def test_accounting(command):
    sacct = PROFILE._replace(status_command="sacct")
    bad, _ = slurm(command, study(), sacct)
    assert "wait for ever" in only(bad).said and "slurm-status-command: squeue" in only(bad).line
    assert slurm(command, study(), sacct, settings=ACCOUNTING)[0] == []
    bad, _ = slurm(command, study(), PROFILE, settings=ACCOUNTING)
    assert "after 2 s (MinJobAge)" in only(bad).said and "slurm-status-command: sacct" in only(bad).line
    bad, _ = slurm(command, study(), PROFILE, settings=NO_ACCOUNTING.replace("300", "60"))
    assert "slurm-init-seconds-before-status-checks: 20" in only(bad).line
    assert (
        slurm(command, study(), PROFILE._replace(first_look=20), settings=NO_ACCOUNTING.replace("300", "60"))[
            0
        ]
        == []
    )
    command("scontrol", "", 1)
    assert [one.state for one in check_slurm(study(), PROFILE)] == ["ok", "note"]


def test_the_profile(tmp_path):
    shipped = read_profile(ROOT / "profiles/slurm/config.yaml")
    assert shipped.status_command == "squeue" and shipped.partitions == {}
    path = tmp_path / "profile.yaml"
    path.write_text(
        "default-resources: [slurm_partition=cpu, mem_mb=attempt * 2000]\nset-resources: {train_fold:"
        " {slurm_partition: gpu, slurm_extra: \"'--gres=gpu:1'\"}}\n"
    )
    assert read_profile(path) == Profile({"default-resources": "cpu", "train_fold": "gpu"}, "sacct", 40, True)
    path.write_text("default-resources: {slurm_partition: all}\nslurm-init-seconds-before-status-checks: 5\n")
    assert read_profile(path) == Profile({"default-resources": "all"}, "sacct", 5, False)
    assert read_profile(tmp_path / "absent.yaml") is None


# ------------------------------------------------------------------------------------------------- the whole
# command


def test_the_exit_status_tells_and_a_line_mends(command, folder, capsys):
    command("Rscript", "R 4.5.0 pROC\n")
    command("git", "git version 2.39")
    assert doctor.main([]) == 0
    assert "A run can start." in capsys.readouterr().out
    command("Rscript", "R 4.5.0 \n")
    assert doctor.main([]) == 1
    text = capsys.readouterr().out
    assert (
        "TO FIX R        the package pROC is missing\n                -> apt-get install -y r-cran-proc"
        in text
    )
    assert "1 thing(s) to fix" in text and str(folder) not in text


def test_it_runs_on_a_bare_python(folder):
    """As before `make setup`: no package is installed, and that is what it says."""
    program = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); from scripts.check.doctor import main;"
        " sys.exit(main([]))"
    )
    done = subprocess.run([sys.executable, "-S", "-I", "-c", program], capture_output=True, text=True)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert (
        "-> make setup" in done.stdout
        and "packages are missing" in done.stdout
        and "not looked at" in done.stdout
    )


@pytest.mark.parametrize(
    ("given", "options"),
    [
        ("", ""),
        ("config/mine.yaml", " --configfile config/mine.yaml"),
        ("config/a.yaml config/b.yaml", " --configfile config/a.yaml config/b.yaml"),
        ("--configfile config/mine.yaml", " --configfile config/mine.yaml"),
    ],
)
def test_make_runs_it(folder, given, options):
    outer = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    done = subprocess.run(
        ["make", "--no-print-directory", "-n", "doctor", f"CONFIG={given}"],
        cwd=ROOT,
        env=outer,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "python3 -m scripts.check.doctor" + options


@pytest.mark.parametrize(("target", "refused"), [("demo", True), ("statistics", True), ("doctor", False)])
def test_make_names_a_config_file_that_is_not_there(target, refused):
    outer = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    given = "CONFIG=--configfile config/tiny.yaml config/absent.yaml --config key=other.json"
    done = subprocess.run(
        ["make", "-n", target, "PREDICTIONS=p", "COHORT=c", "TO=t", given],
        cwd=ROOT,
        env=outer,
        capture_output=True,
        text=True,
    )
    assert (done.returncode != 0) == refused
    assert ("There is no config file 'config/absent.yaml'." in done.stderr) == refused


def test_the_doctor_finds_in_the_tables_what_check_data_finds(tmp_path, monkeypatch):
    """One answer of both: a column that isn't there and T-scores that are Z-scores are to fix, and no run can
    start.
    """
    (tmp_path / "films").mkdir()
    rows = "".join(f"{n},F,1950-03-17,160,60\n" for n in range(30))
    (tmp_path / "p.csv").write_text("id,sex,born,height,weight\n" + rows, encoding="utf-8")
    exams = "".join(f"{n},2020-01-05,lumbar,{0.6 + n / 100:.2f},{(n * 7 % 5) / 2 - 2}\n" for n in range(30))
    (tmp_path / "d.csv").write_text("id,day,site,bmd,t\n" + exams, encoding="utf-8")
    columns = {
        "patient_id": "id",
        "sex": "sex",
        "birth_date": "birthday",
        "height": "height",
        "weight": "weight",
    }
    entry = {
        "name": "c", "role": "external", "dicom": str(tmp_path / "films"),
        "patients": {"path": str(tmp_path / "p.csv"), "columns": columns},
        "dxa": {
            "path": str(tmp_path / "d.csv"),
            "columns": {"patient_id": "id", "exam_date": "day", "site": "site", "bmd": "bmd", "t_score": "t"},
        },
    }  # fmt: skip
    found = read_tables(Center.model_validate(entry), FrontalView().model_dump())[1]
    assert len(found) == 1 and "no column 'birthday'" in found[0]
    entry["patients"]["columns"]["birth_date"] = "born"
    found = read_tables(Center.model_validate(entry), FrontalView().model_dump())[1]
    assert len(found) == 1 and "T-scores of site 'lumbar' don't rise with the bone density" in found[0]


def test_the_doctor_tells_of_each_predictor_centre_by_centre(tmp_path):
    """Another unit is named, and a centre that lacks a predictor."""
    (tmp_path / "films").mkdir()
    exams = "".join(f"{n},2020-01-05,lumbar,{0.6 + n / 100:.2f},{n / 10 - 4:.1f}\n" for n in range(30))
    (tmp_path / "d.csv").write_text("id,day,site,bmd,t\n" + exams, encoding="utf-8")
    centers = []
    for name, factor, smoker in (("a", 1, ",1"), ("b", 4, "")):
        head = "id,sex,born,Ca" + (",smokes" if smoker else "")
        rows = "".join(f"{n},F,1950-03-17,{(2 + n / 100) * factor:.2f}{smoker}\n" for n in range(30))
        (tmp_path / f"{name}.csv").write_text(f"{head}\n{rows}", encoding="utf-8")
        predictors = {"calcium": {"column": "Ca", "unit": "mmol/L"}}
        if smoker:
            predictors["smoker"] = {"column": "smokes", "type": "yes_no"}
        centers.append({
            "name": name, "role": "development" if name == "a" else "external",
            "dicom": str(tmp_path / "films"),
            "patients": {
                "path": str(tmp_path / f"{name}.csv"), "predictors": predictors,
                "columns": {"patient_id": "id", "sex": "sex", "birth_date": "born"},
            },
            "dxa": {
                "path": str(tmp_path / "d.csv"),
                "columns": {"patient_id": "id", "exam_date": "day", "site": "site", "bmd": "bmd",
                "t_score": "t"},
            },
        })  # fmt: skip
    shipped = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    shipped["study"]["key_file"] = "private/study.key"
    found = list(check_tables(read_config({**shipped, "centers": centers})))
    said = {(one.state, one.said) for one in found if one.about == "predictors"}
    assert ("ok", "a: smoker: missing in 0 of 30 rows; yes 30, no 0") in said
    assert ("note", "b: smoker: the table has none; it is missing for all patients of 'b'") in said
    assert any(state == "note" and "same unit (mmol/L)" in text for state, text in said)
    assert [one.state for one in found if one.about == "tables"] == ["ok"]


# ----------------------------------------------------------------------------------- how long training takes

TIMED = {
    "device": "cpu",
    "devices": 0,
    "batch": 5,
    "steps": 20,
    "step_s": 2.0,
    "norms_s": 1.0,
    "score_s": 0.1,
    "view_s": 0.0,
}
PATIENTS = training_times.Patients(100, "simulated", 100)


def test_the_time_of_a_training_is_that_of_its_steps_and_of_what_ends_an_epoch():
    settings = {"epochs": 10, "batch_size": 10, "norm_batches": 8}
    # of 100 patients 80 train: 8 steps of two timed batches, as many batches for the norms, 20 films scored
    assert training_times.training_seconds(settings, 5, PATIENTS, TIMED) == pytest.approx(10 * (32 + 16 + 2))
    settings["norm_batches"] = 2
    assert training_times.training_seconds(settings, 5, PATIENTS, TIMED) == pytest.approx(10 * (32 + 4 + 2))
    more = PATIENTS._replace(films=150)
    assert training_times.training_seconds(settings, 5, more, TIMED) == pytest.approx(10 * (48 + 4 + 2))


def test_trainings_run_side_by_side_where_there_are_cores_or_gpus():
    config = on_machine(study(), cpu_threads=2)
    patients = training_times.Patients(256, "simulated", 256)
    one = training_times.training_seconds(config.training_settings(NETWORK)["training"], 5, patients, TIMED)
    for cores, devices, rounds, words in (
        (1, 0, 5, "for 5 ("),
        (4, 0, 3, "for 5, 2 at a time"),
        (64, 0, 1, "for 5, 5 at a time"),
        (64, 2, 3, "for 5, 2 at a time"),
    ):
        timed = TIMED | {"devices": devices, "device": "cuda" if devices else "cpu"}
        seconds, said = training_times.described(config, NETWORK, timed, patients, cores)
        assert seconds == pytest.approx(rounds * one) and words in said
        assert "2 s a step of 5 films" in said and "scaled" not in said
        assert ("GPU" in said) == bool(devices)
    config.models[NETWORK].training.views, views = 3, TIMED | {"view_s": 0.5}
    seconds, said = training_times.described(config, NETWORK, views, patients, 64)
    assert (
        seconds == pytest.approx(one + 256 * 4 * 0.5) and ", after 8 min 32 s for the films' views," in said
    )
    said = training_times.described(config, NETWORK, TIMED | {"batch": 2}, patients, 1)[1]
    assert "a step of 2 films, timed on this machine's CPU, scaled to batches of 5" in said


def test_patients_are_those_of_the_last_run_of_the_table_or_of_the_simulation(folder):
    config = study()
    assert training_times.training_patients(config) == (256, "simulated", 256)
    real = real_config(folder)
    assert training_times.training_patients(real) == (1000, "assumed", 1000)
    rows = "".join(f"{n // 2},F,60,160,60\n" for n in range(100))
    (folder / "table.csv").write_text("id,sex,age,h,w\n" + rows)
    assert training_times.training_patients(real) == (40, "by the patient table, before exclusions", 40)
    (folder / "results/cohort").mkdir(parents=True)
    (folder / "results/cohort/train.csv").write_text("patient_id\n" + "P\n" * 7)
    assert training_times.training_patients(real) == (7, "of the last run's cohort", 7)
    cache = folder / f"state/cache/{real.models[NETWORK].film_side}/train"
    cache.mkdir(parents=True)
    (cache / "index.csv").write_text("patient_id\n" + "P\n" * 9)
    assert training_times.training_patients(real) == (7, "of the last run's cohort", 9)
    said = training_times.described(real, NETWORK, TIMED, training_times.training_patients(real), 1)[1]
    assert "7 training patients, of the last run's cohort, 9 films" in said


def test_each_network_is_timed_as_it_will_be_trained(folder, command, monkeypatch):
    small = {"architecture": {"block_size": 32, "trunk_width": 8, "layers": 1}}
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:{Path(sys.executable).parent}")
    monkeypatch.setattr(doctor, "ask", functools.cache(doctor.ask))  # one timing serves both
    config = on_machine(network(**small), device="cpu")
    found = only(doctor.check_training(config))
    assert (found.state, found.about, found.line) == ("ok", "Training", "")
    assert f"models.{NETWORK}: about" in found.said and "256 training patients, simulated" in found.said
    assert "2 films, timed on this machine's CPU" in found.said and "scaled to batches of 5" in found.said
    monkeypatch.setattr(doctor, "LONG_HOURS", 0)
    found = only(doctor.check_training(config))
    assert found.state == "note" and "config/real_cpu.yaml" in found.line
    found = only(doctor.check_training(on_machine(config, device="cuda")))
    assert found.state == "note" and "not timed: A GPU is asked for" in found.said
    doctor.ask.cache_clear()
    command("sinfo", "gpu|up|gpu:2\n")
    assert "runs on the cluster's nodes" in only(doctor.check_training(config)).said
