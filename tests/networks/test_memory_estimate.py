"""The memory of a training: counted like the layers, near what is measured, compared with what there is."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from scripts.common.errors import StudyError
from scripts.networks.kinds.hybrid import HybridNetwork
from scripts.networks.kinds.hybrid_architecture import HybridArchitecture, trunk_activations
from scripts.networks.kinds.registry import new_network
from scripts.networks.kinds.whole_film_architecture import WholeFilmArchitecture
from scripts.networks.machine.memory import (
    check_memory,
    job_memory_mb,
    main_memory,
    training_memory,
)
from scripts.networks.member import Member
from scripts.networks.settings import settings_of
from tests.networks.train_command import train_arguments

ROOT = Path(__file__).resolve().parents[2]
KEY = Member("net", 0).key
PAPER = HybridArchitecture(
    grid=6, block_size=256, trunk_width=64, layers=6, heads=8, mlp_ratio=4, dropout=0.1, head_hidden=256
)


def saved_bytes(kind, architecture, films, precision, trained_stages="all"):
    """Bytes of all storages that the layers save for the backward pass, weights and their bf16 copies left
    out.
    """
    network = new_network(kind, architecture).to(memory_format=torch.channels_last)
    network.freeze(trained_stages, False)
    network.train()
    shapes = {tuple(p.shape) for p in network.parameters()} | {
        tuple(p.t().shape) for p in network.parameters() if p.dim() == 2
    }
    weights = {p.untyped_storage().data_ptr() for p in network.parameters()}
    found, kept = {}, []

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights and tuple(tensor.shape) not in shapes:
            found[storage.data_ptr()] = storage.nbytes()
            kept.append(tensor)  # so that no address is used twice
        return tensor

    with (
        torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t),
        torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"),
    ):
        network(torch.randn(films, 1, architecture.side, architecture.side))
    return sum(found.values())


def test_the_papers_geometry_gives_the_measured_sizes():
    assert PAPER.parameter_count() == 34_972_645
    for precision, size in (("fp32", 8.3e9), ("bf16", 4.5e9)):
        assert training_memory(PAPER, 8, precision, "cuda").activations == pytest.approx(size, rel=0.02)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"block_size": 40, "layers": 3},
        {"grid": 2, "trunk_width": 16, "head_hidden": 7},
        {"layers": 0},
        {"positions": "none"},
        {"local_heads": False},
        {"feature_norm": True, "layer_order": "pre_norm", "read_out": "token_and_mean"},
        {"trunk_sees": "film", "block_size": 40, "width": 24},
        {"trunk": "efficientnet_lite0", "feature_norm": True, "width": 16, "block_size": 96},
        {"trunk": "efficientnet_lite0", "trunk_sees": "film", "layers": 0},
    ],
)
def test_layers_are_counted_as_the_network_has_them(settings, changes):
    architecture = HybridArchitecture(**settings["architecture"] | changes)
    assert architecture.parameter_count() == sum(p.numel() for p in HybridNetwork(architecture).parameters())
    for precision in ("fp32", "bf16"):
        counted = training_memory(architecture, 2, precision, "cpu").activations
        assert counted == pytest.approx(saved_bytes("hybrid", architecture, 2, precision), rel=0.05), (
            precision
        )
    frozen = training_memory(architecture, 2, "fp32", "cpu", optimizer="adamw", trained_stages=0)
    whole = training_memory(architecture, 2, "fp32", "cpu")
    assert frozen.activations == 2 * architecture.activations(4, 0) < whole.activations
    assert frozen.weights == whole.weights * 4 / 3
    assert trunk_activations(256, 64, 2) < trunk_activations(256, 64, 4) < trunk_activations(256, 128, 4)


@pytest.mark.parametrize("backbone", ["resnet18", "densenet121", "efficientnet_lite0"])
def test_a_backbones_table_is_near_what_it_saves(backbone):
    for side, over in ((96, 0.05), (200, 0.35)):  # a side counts as the next multiple of 32
        architecture = WholeFilmArchitecture(backbone, side, 0.0)
        network = new_network("whole_film", architecture)
        assert architecture.parameter_count() == sum(p.numel() for p in network.parameters())
        for precision in ("fp32", "bf16"):
            counted = training_memory(architecture, 2, precision, "cpu").activations
            held = saved_bytes("whole_film", architecture, 2, precision)
            assert 0.97 * held < counted < (1 + over) * held, (side, precision)


@pytest.mark.parametrize(
    ("backbone", "trained"), [("resnet18", 2), *(("efficientnet_lite0", n) for n in (1, 3, 7))]
)
def test_frozen_stages_save_nothing(backbone, trained):
    architecture = WholeFilmArchitecture(backbone, 192, 0.0)
    counted = training_memory(architecture, 2, "fp32", "cpu", trained_stages=trained).activations
    held = saved_bytes("whole_film", architecture, 2, "fp32", trained)
    assert 0.9 * held < counted < 1.1 * held


def test_a_real_training_takes_about_the_memory_that_is_told(make_cache, settings, tmp_path):
    """Within a quarter, the process included: an allocator's pieces can't be counted beforehand."""
    settings["architecture"] |= {"block_size": 128, "trunk_width": 32}
    settings["training"]["epochs"] = 1
    cache = make_cache(tmp_path / "cache", 30, 384)
    code = (
        "import runpy, sys\ntry:\n    runpy.run_module('scripts.networks.train_fold',"
        " run_name='__main__')\nfinally:\n   "
        " print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])"
    )
    arguments = train_arguments(cache, settings, tmp_path, "--device", "cpu")
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    peak = int(done.stdout) * 1024
    architecture = settings_of(settings, "hybrid").architecture
    need = training_memory(architecture, 8, "fp32", "cpu")
    assert need.likely == pytest.approx(peak, rel=0.25)
    assert need.least < peak < job_memory_mb(architecture, 8, "fp32", False) * 1e6 * 1.1
    assert f"about {need.likely / 1e9:.1f} GB needed on the CPU" in done.stderr


def test_advice_names_what_to_lower_and_refuses_only_what_cannot_fit(settings):
    settings = replace(settings_of(settings, "hybrid"), architecture=PAPER)
    need = training_memory(PAPER, 8, "fp32", "cuda")
    line = check_memory(settings, need, 60 * 10**9, 80 * 10**9, KEY)
    assert line == f"memory: about {need.likely / 1e9:.1f} GB needed on the GPU, 60.0 GB free"
    short = check_memory(settings, need, 6 * 10**9, 80 * 10**9, KEY)
    assert (
        short.startswith("WARNING: memory")
        and "'models.net.training.batch_size' (now 8; 4 would fit)" in short
    )
    assert "'models.net.training.precision: bf16'" in short
    assert check_memory(settings, need, 2 * 10**9, need.least, KEY).startswith("WARNING")
    with pytest.raises(
        StudyError, match=r"can't fit: it holds at least 8\.8 GB at once, and the GPU has 6\.0 GB.*batch_size"
    ):
        check_memory(settings, need, 6 * 10**9, 6 * 10**9, KEY)
    with pytest.raises(StudyError, match=r"block_size"):
        check_memory(settings, need, 10**9, 10**9, KEY)
    settings = replace(settings, training=replace(settings.training, precision="bf16"))
    assert "bf16" not in check_memory(
        settings, training_memory(PAPER, 8, "bf16", "cuda"), 3 * 10**9, 80 * 10**9, Member("net", 0).key
    )


def test_what_would_fit_does_fit(settings):
    settings = replace(settings_of(settings, "hybrid"), architecture=PAPER)
    for free in (3e9, 5e9, 7e9):
        line = check_memory(
            settings, training_memory(PAPER, 8, "fp32", "cuda"), int(free), 10**11, Member("net", 0).key
        )
        batch = int(line.split("now 8; ")[1].split()[0])
        assert (
            training_memory(PAPER, batch, "fp32", "cuda").likely
            <= free
            < training_memory(PAPER, batch + 1, "fp32", "cuda").likely
        )


def machine(root, group, files):
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/meminfo").write_text(
        "MemTotal:       32000000 kB\nMemFree: 1 kB\nMemAvailable:   20000000 kB\n"
    )
    (root / "proc/self/cgroup").write_text(group)
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def test_memory_is_that_of_the_machine_and_of_the_tightest_control_group(tmp_path):
    gb = 10**9
    free = {"MemTotal": 32_000_000 * 1024, "MemAvailable": 20_000_000 * 1024}
    machine(tmp_path / "plain", "0::/\n", {})
    assert main_memory(tmp_path / "plain") == (free["MemAvailable"], free["MemTotal"])
    job = {
        "sys/fs/cgroup/slurm/job_7/memory.max": f"{8 * gb}\n",
        "sys/fs/cgroup/slurm/job_7/memory.current": f"{5 * gb}\n",
        "sys/fs/cgroup/slurm/job_7/memory.stat": f"anon 1\ninactive_file {3 * gb}\n",
        "sys/fs/cgroup/slurm/job_7/step_0/memory.max": "max\n",
        "sys/fs/cgroup/slurm/job_7/step_0/memory.current": "12\n",
    }
    machine(tmp_path / "v2", "0::/slurm/job_7/step_0\n", job)
    assert main_memory(tmp_path / "v2") == (6 * gb, 8 * gb)
    old = {
        "sys/fs/cgroup/memory/job/memory.limit_in_bytes": f"{4 * gb}",
        "sys/fs/cgroup/memory/job/memory.usage_in_bytes": f"{1 * gb}",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
        "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{9 * gb}",
    }
    machine(tmp_path / "v1", "5:cpu:/job\n4:memory:/job\n", old)
    assert main_memory(tmp_path / "v1") == (3 * gb, 4 * gb)
    assert main_memory(tmp_path / "no linux") is None


def test_the_rules_ask_for_memory_without_importing_torch():
    code = (
        "import sys; sys.modules['torch'] = None; "
        "import scripts.networks.machine.memory, scripts.networks.settings"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
    assert (
        job_memory_mb(PAPER, 8, "fp32", False)
        > job_memory_mb(PAPER, 8, "bf16", False)
        > job_memory_mb(PAPER, 8, "bf16", True)
    )
