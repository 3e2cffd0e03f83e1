"""Compiling: the whole network is one graph, its numbers stay, and a failure ends the run with a sentence."""

import copy
import re
import shutil
import signal

import pytest
import torch

from scripts.common.errors import StudyError
from scripts.common.log import Log
from scripts.deep.arithmetic import compiled
from scripts.deep.fold_training import train_fold
from scripts.deep.kinds.hybrid import HybridNetwork, LocalHeads
from scripts.deep.kinds.hybrid_architecture import HybridArchitecture
from scripts.deep.loop import NotCompiled, compiling
from scripts.deep.settings import settings_of


@pytest.fixture(autouse=True)
def _forget_compiled_code(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "inductor"))
    yield
    torch.compiler.reset()


def test_the_network_is_one_graph(settings):
    """Nothing in it would be left to run uncompiled; the loop demands it (``fullgraph``)."""
    network = HybridNetwork(HybridArchitecture(**settings["architecture"]))
    films = torch.randn(2, 1, 96, 96)
    whole = torch.compile(network.eval(), backend="eager", fullgraph=True, dynamic=False)
    with torch.no_grad():
        assert torch.equal(whole(films)[0], network(films)[0])


@pytest.mark.skipif(
    shutil.which("g++") is None, reason="compiling for a CPU needs a C++ compiler (Debian package g++)"
)
def test_compiled_layers_give_the_same_values_and_gradients():
    torch.manual_seed(3)
    plain = LocalHeads(4, 8, 8)
    layer = copy.deepcopy(plain)
    x = torch.randn(2, 4, 8)
    y, expected = compiled(layer)(x), plain(x)
    torch.testing.assert_close(y, expected, atol=1e-5, rtol=1e-5)
    y.square().sum().backward()
    expected.square().sum().backward()
    for mine, theirs in zip(layer.parameters(), plain.parameters()):
        torch.testing.assert_close(mine.grad, theirs.grad, atol=1e-4, rtol=1e-4)


def test_a_network_that_cannot_be_compiled_is_never_trained_uncompiled(
    cache, settings, tmp_path, monkeypatch
):
    import torch._inductor.config as inductor

    monkeypatch.setattr(inductor.cpp, "cxx", (None, "/no/compiler"))
    monkeypatch.setenv("CXX", "/no/compiler")
    settings["training"]["compile"] = True
    settings["architecture"]["layers"] = 1
    with pytest.raises(
        StudyError, match=r"'deep\.training\.compile' is true.*Set it to false, or install"
    ) as caught:
        train_fold(
            cache,
            0,
            settings_of(settings),
            tmp_path / "out",
            tmp_path / "state",
            "cpu",
            5,
            Log(None, "test", echo=False),
        )
    assert re.search(r"(InductorError|Cxx\w*): \S+", str(caught.value)), "the cause is named"
    assert not (tmp_path / "out").exists()


def test_only_the_first_step_compiles():
    with pytest.raises(NotCompiled, match=r"RuntimeError: no g\+\+ here\)"), compiling(True):
        raise RuntimeError("no g++ here\nmore of it")
    with pytest.raises(RuntimeError), compiling(False):
        raise RuntimeError("no compiling in a later step")


def test_a_compiler_that_a_signal_ended_is_no_missing_compiler(cache, settings, tmp_path, monkeypatch):
    """SIGTERM to all processes of a job (a time limit) ends the compiler's first."""

    def ended(network):
        def forward(films):
            signal.raise_signal(signal.SIGTERM)
            raise RuntimeError("the compiler's process died")

        return forward

    monkeypatch.setattr("scripts.deep.loop.compiled", ended)
    settings["training"]["compile"] = True
    log = Log(tmp_path / "log.txt", "test", echo=False)
    status = train_fold(cache, 0, settings_of(settings), tmp_path / "out", tmp_path / "state", "cpu", 5, log)
    assert status == 143 and "stopped by a signal" in (tmp_path / "log.txt").read_text()
    assert not (tmp_path / "out").exists()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_a_compiled_training_repeats_on_a_gpu(cache, settings, tmp_path):
    settings["training"]["compile"] = True
    found = []
    for name in "ab":
        log = Log(None, "test", echo=False)
        train_fold(
            cache,
            0,
            settings_of(settings),
            tmp_path / name,
            tmp_path / f"state_{name}",
            "cuda",
            5,
            log,
        )
        found.append((tmp_path / name / "weights.pt").read_bytes())
    assert found[0] == found[1]
