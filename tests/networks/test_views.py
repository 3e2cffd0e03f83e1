"""What frozen stages give of films and changed views of them, computed once: what is kept, what trains from
it, and what happens where a job is killed, the disk is small or the views are others.
"""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from scripts.common.errors import StudyError
from scripts.common.log import Log
from scripts.networks import view_cache
from scripts.networks.augmentation import augment
from scripts.networks.cache_views import main as cache_views_command
from scripts.networks.csv_tables import csv_text, read_csv
from scripts.networks.films import FilmStack, rows_of, split_fold
from scripts.networks.fold_training import train_fold
from scripts.networks.kept_views import recorded_views
from scripts.networks.kinds.registry import architecture_class, new_network
from scripts.networks.member import Member
from scripts.networks.scoring import for_scoring, probabilities
from scripts.networks.settings import settings_of
from scripts.networks.started_network import started_network
from scripts.networks.train_fold import main as train_command
from scripts.networks.trained_networks import load_networks
from scripts.networks.training_store import fold_key
from tests.networks.train_command import train_arguments

QUIET = Log(None, "test", echo=False)
UNCHANGED = {
    "flip": 0.0, "rotation": 0.0, "crop_scale": [1.0, 1.0], "shift": 0.0, "brightness": 0.0, "contrast": 0.0,
}  # fmt: skip


@pytest.fixture(scope="module")
def weights(tmp_path_factory, fresh_settings):
    """A file of weights of the small ResNet-18."""
    torch.manual_seed(11)
    architecture = architecture_class("hybrid")(**fresh_settings()["architecture"])
    path = tmp_path_factory.mktemp("weights") / "trunk.pth"
    torch.save(new_network("hybrid", architecture).trunk.state_dict(), path)
    return path


@pytest.fixture
def frozen(settings, weights):
    """Settings of a network whose trunk is frozen, with three views a film."""
    settings["init"] = str(weights)
    settings["training"] |= {"trained_stages": 0, "views": 3}
    return settings


def make(cache, settings, weights, folder):
    """Make the views; gives their array and the record's path."""
    view_cache.cache_views(cache, "net", settings_of(settings, "hybrid"), weights, folder, "cpu", QUIET)
    record = json.loads((folder / "views.json").read_text())
    return np.load(folder / f"{record['key']}.npy"), folder / "views.json"


def train(cache, settings, weights, folder, views=None, log=QUIET):
    member, read = Member("net", 0), settings_of(settings, "hybrid")
    state = folder / "state"
    status = train_fold(cache, member, read, weights, folder / "out", state, "cpu", 0, log, views)
    assert status == 0
    return folder / "out"


@pytest.mark.parametrize("trained", [0, 1, 3])
def test_a_view_is_what_the_frozen_stages_give_of_it(cache, frozen, weights, tmp_path, trained):
    frozen["training"]["trained_stages"] = trained
    kept, _ = make(cache, frozen, weights, tmp_path / "views")
    read = settings_of(frozen, "hybrid")
    network = started_network(read, weights.read_bytes(), Member("net", 0)).eval()
    network = network.to(memory_format=torch.channels_last)
    stack = FilmStack(cache, 96)
    assert kept.dtype == np.float16 and kept.shape[:2] == (40, 4)
    for row in (0, 7, 39):
        film = stack.batch([row])
        for view in range(4):
            x = view_cache.view_of(stack, stack.films[row], view, read)
            assert torch.equal(x, film) == (view == 0)
            expected = network.frozen(x)[0].half().numpy()
            np.testing.assert_array_equal(kept[row, view], expected)
    x = [view_cache.view_of(stack, stack.films[3], view, read) for view in (1, 2)]
    assert not torch.equal(*x)


@pytest.mark.parametrize(
    ("kind", "architecture"),
    [
        ("hybrid", {"trunk_sees": "block"}),
        ("hybrid", {"trunk_sees": "film", "block_size": 41}),
        ("hybrid", {"trunk": "efficientnet_lite0", "trunk_sees": "film", "width": 16}),
        ("whole_film", {"backbone": "efficientnet_lite0", "side": 90, "dropout": 0.0}),
    ],
)
def test_how_many_numbers_are_kept_is_known_before(settings, kind, architecture):
    given = settings["architecture"] | architecture if kind == "hybrid" else architecture
    built = architecture_class(kind)(**given)
    network = new_network(kind, built).eval()
    films = torch.zeros(1, 1, built.side, built.side)
    for trained in range(len(network.trunk.stages) + 1):
        network.freeze(trained, fixed_norms=False)
        assert network.frozen(films).numel() == built.view_numbers(trained), trained
    assert architecture_class("whole_film")("densenet121", 64, 0.0).view_numbers(0) is None


def test_neither_order_nor_number_of_films_matters(cache, frozen, weights, tmp_path):
    """Five films of the forty in another order, and two views of the three."""
    order, folder = [21, 4, 33, 0, 12], tmp_path / "few"
    folder.mkdir()
    index = read_csv(cache / "index.csv", ())
    np.save(folder / "films.npy", np.load(cache / "films.npy")[order])
    rows = [list((index[row] | {"row": n}).values()) for n, row in enumerate(order)]
    (folder / "index.csv").write_text(csv_text(list(index[0]), rows))
    kept, _ = make(cache, frozen, weights, tmp_path / "all")
    frozen["training"]["views"] = 2
    few, _ = make(folder, frozen, weights, tmp_path / "views")
    np.testing.assert_array_equal(few, kept[order][:, :3])


@pytest.mark.parametrize("trained", [0, 2])
def test_views_without_changes_train_what_the_films_train(cache, frozen, weights, tmp_path, trained):
    """But for what float16 rounds away, which stages that train make more of."""
    within = {"atol": 1e-2, "rtol": 1e-2} if trained else {"atol": 2e-3, "rtol": 2e-3}
    frozen["augmentation"] = UNCHANGED
    frozen["training"]["trained_stages"] = trained
    _, record = make(cache, frozen, weights, tmp_path / "views")
    kept = train(cache, frozen, weights, tmp_path / "kept", record)
    frozen["training"]["views"] = 0
    plain = train(cache, frozen, weights, tmp_path / "plain")
    one, other = (torch.load(out / "weights.pt")["model"] for out in (kept, plain))
    assert one.keys() == other.keys()
    moved = 0
    for name, value in one.items():
        torch.testing.assert_close(value, other[name], **within)
        moved += not torch.equal(value, other[name])
    assert moved, "float16 rounds something"
    for a, b in zip(read_csv(kept / "history.csv", ()), read_csv(plain / "history.csv", ()), strict=True):
        for name in ("loss", "loss_global", "loss_local"):
            assert float(a[name]) == pytest.approx(float(b[name]), abs=2e-3)


def test_the_published_scores_are_those_of_the_films_to_the_last_bit(cache, frozen, weights, tmp_path):
    _, record = make(cache, frozen, weights, tmp_path / "views")
    given = ("--weights", weights, "--views", record, "--device", "cpu")
    assert train_command(train_arguments(cache, frozen, tmp_path, *given)) == 0
    out = tmp_path / "out"
    networks, _ = load_networks([out / "weights.pt"], torch.device("cpu"))
    stack = FilmStack(cache, 96)
    held_out = split_fold(stack.films, 0)[1]
    expected = probabilities([for_scoring(networks[0])], stack, rows_of(held_out), "fp32")[:, 0]
    rows = read_csv(out / "held_out.csv", ())
    assert [float(row["score"]) for row in rows] == expected.tolist()
    start = started_network(settings_of(frozen, "hybrid"), weights.read_bytes(), Member("net", 0))
    for name, value in start.trunk.state_dict().items():
        assert torch.equal(networks[0].trunk.state_dict()[name], value), name


def test_a_step_draws_a_view_of_each_film_and_never_looks_at_the_films(
    cache, frozen, weights, tmp_path, monkeypatch
):
    _, record = make(cache, frozen, weights, tmp_path / "views")
    stack, read = FilmStack(cache, 96), settings_of(frozen, "hybrid")
    kept = recorded_views(
        record, stack.films, read, weights.read_bytes(), Member("net", 0), torch.device("cpu")
    )
    films = stack.films[:8]
    steps = [kept.drawn(films, step) for step in range(60)]
    assert {view for step in steps for view in step} == {0, 1, 2, 3} and steps[0] != steps[1]
    other = recorded_views(
        record, stack.films, read, weights.read_bytes(), Member("net", 1), torch.device("cpu")
    )
    assert other.drawn(films, 0) != steps[0] and kept.drawn(films, 0) == steps[0]
    array = np.load(record.with_name(json.loads(record.read_text())["key"] + ".npy"))
    (bits,) = kept.read([films], 5)
    expected = array[rows_of(films), steps[5]].astype(np.float32)
    np.testing.assert_array_equal(kept.inputs(bits, films, 5).numpy(), expected)

    seen = set()
    standardize = FilmStack.standardize
    monkeypatch.setattr(
        FilmStack, "standardize", lambda self, b, rows: (seen.update(rows), standardize(self, b, rows))[1]
    )
    train(cache, frozen, weights, tmp_path, record)
    held_out = set(rows_of(split_fold(stack.films, 0)[1]))
    assert seen == held_out, "for the scores at the end alone"


def test_a_training_broken_off_goes_on_to_the_same_weights(cache, frozen, weights, tmp_path):
    from scripts.networks.loop import FoldTraining
    from scripts.networks.loop import train as steps_of

    _, record = make(cache, frozen, weights, tmp_path / "views")
    stack, read = FilmStack(cache, 96), settings_of(frozen, "hybrid")
    training, held_out = split_fold(stack.films, 0)
    member, initial = Member("net", 0), weights.read_bytes()
    views = recorded_views(record, stack.films, read, initial, member, torch.device("cpu"))

    def begun():
        run = FoldTraining(member, len(training), read, initial, torch.device("cpu"))
        return run, lambda: steps_of(run, stack, training, held_out, views)

    whole, steps = begun()
    assert len(list(steps())) == whole.total
    broken, steps = begun()
    for _ in steps():
        if broken.step == 3:
            break
    buffer = io.BytesIO()
    torch.save(broken.state(), buffer)
    resumed, steps = begun()
    resumed.load(torch.load(io.BytesIO(buffer.getvalue()), weights_only=True))
    assert len(list(steps())) == whole.total - 3
    for name, value in whole.settled.state_dict().items():
        assert torch.equal(value, resumed.settled.state_dict()[name]), name
    assert whole.held_out == resumed.held_out


def arguments(cache, settings, weights, folder):
    own = ("--model", "net", "--kind", "hybrid", "--settings", json.dumps(settings), "--device", "cpu")
    places = ("--cache", cache, "--weights", weights, "--output", folder, "--log", folder.with_suffix(".log"))
    return [str(argument) for argument in (*own, *places)]


def test_a_killed_job_goes_on_with_the_next_film(make_cache, frozen, weights, tmp_path):
    cache = make_cache(tmp_path / "films", 200, 96)
    expected, _ = make(cache, frozen, weights, tmp_path / "whole/net")
    folder = tmp_path / "killed/net"
    command = [
        sys.executable,
        "-m",
        "scripts.networks.cache_views",
        *arguments(cache, frozen, weights, folder),
    ]
    job = subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"})
    size = expected[0].nbytes
    for _ in range(3000):
        part = next(folder.glob("*.npy.cpu"), None) if folder.exists() else None
        if part is not None and part.stat().st_size > 5 * size:
            break
        time.sleep(0.02)
    job.send_signal(signal.SIGKILL)
    job.wait()
    assert not (folder / "views.json").exists() and not list(folder.glob("*.npy"))
    with part.open("ab") as file:
        file.write(b"half a film")
    done = (part.stat().st_size - 128) // size
    assert 4 <= done < 200
    cache_views_command(arguments(cache, frozen, weights, folder))
    kept = np.load(next(folder.glob("*.npy")))
    np.testing.assert_array_equal(kept, expected)
    assert f"those of {done} films are there" in folder.with_suffix(".log").read_text()
    assert not list(folder.glob("*.cpu"))


def test_views_that_are_there_are_not_made_again_and_old_ones_go(
    cache, frozen, weights, tmp_path, monkeypatch
):
    folder = tmp_path / "views" / "net"
    _, record = make(cache, frozen, weights, folder)
    first = json.loads(record.read_text())["key"]
    record.unlink()  # as Snakemake does before each job
    frozen["architecture"]["layers"] = 1  # a head, which the views don't depend on
    with monkeypatch.context() as patch:
        patch.setattr(view_cache, "_fill", None)
        make(cache, frozen, weights, folder)
    assert json.loads(record.read_text())["key"] == first
    frozen["augmentation"]["rotation"] = 5.0
    make(cache, frozen, weights, folder)
    second = json.loads(record.read_text())["key"]
    assert [path.name for path in folder.glob("*.npy*")] == [f"{second}.npy"] and second != first


def test_networks_with_the_same_views_share_them(cache, frozen, weights, tmp_path, monkeypatch):
    made, record = make(cache, frozen, weights, tmp_path / "net")
    monkeypatch.setattr(view_cache, "_fill", None)
    frozen["training"]["learning_rate"] = 0.002  # of the heads, which the views don't depend on
    taken, other = make(cache, frozen, weights, tmp_path / "second")
    np.testing.assert_array_equal(taken, made)
    assert json.loads(other.read_text()) == json.loads(record.read_text())
    (first,), (second,) = (list((tmp_path / name).glob("*.npy")) for name in ("net", "second"))
    assert first.samefile(second), "it takes no room of its own"
    first.unlink()
    assert second.exists(), "and stays where the first network's goes"


def test_the_key_of_a_training_follows_its_views(frozen, weights):
    def key(initial=None, **changes):
        settings = json.loads(json.dumps(frozen))
        for section, values in changes.items():
            settings[section] |= values
        return fold_key(
            "data", settings_of(settings, "hybrid"), Member("net", 0), initial or weights.read_bytes()
        )

    keys = [
        key(), key(training={"views": 4}), key(training={"views": 0}), key(training={"trained_stages": 1}),
        key(augmentation={"shift": 0.1}), key(initial=b"other"),
    ]  # fmt: skip
    assert len(set(keys)) == len(keys) and key() == keys[0]


def test_views_of_something_else_are_refused(cache, make_cache, frozen, weights, tmp_path):
    with pytest.raises(StudyError, match=r"models\.net\.training\.views is 3, but no views were given"):
        train(cache, frozen, weights, tmp_path / "0")
    with pytest.raises(StudyError, match=r"views\.json' are not there.*cache_views makes it anew"):
        train(cache, frozen, weights, tmp_path / "1", tmp_path / "views.json")
    _, record = make(cache, frozen, weights, tmp_path / "views")
    other = make_cache(tmp_path / "other", 40, 96, seed=5)
    with pytest.raises(StudyError, match="are of other films, settings, weights or code"):
        train(other, frozen, weights, tmp_path / "2", record)
    array = next(record.parent.glob("*.npy"))
    array.write_bytes(array.read_bytes()[:-500])
    with pytest.raises(StudyError, match="can't be read.*cache_views makes it anew"):
        train(cache, frozen, weights, tmp_path / "3", record)
    frozen["init"] = "random"
    with pytest.raises(StudyError, match=r"models\.net\.init is 'random', so there are no views"):
        make(cache, frozen, None, tmp_path / "4")
    frozen["training"]["views"] = 0
    with pytest.raises(StudyError, match=r"models\.net\.training\.views is 0"):
        make(cache, frozen, weights, tmp_path / "5")


def test_a_small_disk_and_numbers_beyond_float16_are_refused(cache, frozen, weights, tmp_path, monkeypatch):
    state = torch.load(weights)
    huge = tmp_path / "huge.pth"
    torch.save({n: v * (1e6 if n == "layer4.1.bn2.weight" else 1) for n, v in state.items()}, huge)
    with pytest.raises(StudyError, match="beyond 65504, the largest of float16"):
        make(cache, frozen, huge, tmp_path / "views")
    usage = view_cache.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(view_cache.shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(
        StudyError, match=r"take 0\.0 GB, and the disk of .*lower 'models\.net\.training\.views'"
    ):
        make(cache, frozen, weights, tmp_path / "views")
    assert not list((tmp_path / "views").glob("*.npy*"))


def test_changes_of_a_view_follow_seed_film_and_number_alone(cache, frozen):
    read, stack = settings_of(frozen, "hybrid"), FilmStack(cache, 96)
    film = stack.films[5]
    one = view_cache.view_of(stack, film, 2, read)
    seed = view_cache.sub_seed(7, "view", "image005", 2)
    assert torch.equal(one, augment(stack.batch([5]), seed, read.augmentation))
