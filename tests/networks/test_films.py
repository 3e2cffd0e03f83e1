"""Films on their way to the network: read ahead by one thread, the same bits as read at once, the waiting
measured.
"""

import threading
import time

import numpy as np
import pytest
import torch

from scripts.common.errors import StudyError
from scripts.common.log import Log
from scripts.networks.csv_tables import read_csv
from scripts.networks.films import Film, FilmStack, split_fold
from scripts.networks.fold_training import train_fold
from scripts.networks.member import Member
from scripts.networks.settings import Augmentation, settings_of
from scripts.networks.step_clock import StepClock

BATCHES = [[5, 3, 38], [0, 1, 2], [39, 4, 17], [6, 7, 8], [9, 10, 11]]


def train(cache, settings, folder):
    train_fold(
        cache,
        Member("net", 0),
        settings_of(settings, "hybrid"),
        None,
        folder / "out",
        folder / "state",
        "cpu",
        5,
        Log(None, "test", echo=False),
    )
    history = [
        {k: v for k, v in r.items() if k not in ("films_per_s", "data_wait")}
        for r in read_csv(folder / "out/history.csv", ())
    ]
    wait = [float(r["data_wait"]) for r in read_csv(folder / "out/history.csv", ())]
    return ((folder / "out/weights.pt").read_bytes(), history), wait


def test_films_read_ahead_are_those_of_the_file_bit_for_bit(cache):
    stack, held = FilmStack(cache, 96), FilmStack(cache, 96)
    held.load_to_device()
    pixels = np.load(cache / "films.npy")
    for rows, bits, same in zip(BATCHES, stack.stream(BATCHES), held.stream(BATCHES), strict=True):
        np.testing.assert_array_equal(bits.numpy().view(np.uint16), pixels[rows])
        assert torch.equal(bits, same)
        expected = torch.from_numpy(pixels[rows].astype(np.float32))
        for n, row in enumerate(rows):
            expected[n] = (expected[n] - np.float32(stack.films[row].mean)) / np.float32(stack.films[row].sd)
        assert torch.equal(stack.standardize(bits, rows)[:, 0], expected) and torch.equal(
            stack.batch(rows)[:, 0], expected
        )


def test_one_thread_reads_two_batches_ahead_and_ends_with_the_stream(cache, monkeypatch):
    stack, threads = FilmStack(cache, 96), set()
    read = FilmStack._from_file

    def watched(self, rows, pinned=False):
        threads.add(threading.current_thread().name)
        done.append(list(rows))
        return read(self, rows, pinned)

    done = []
    monkeypatch.setattr(FilmStack, "_from_file", watched)
    stream = stack.stream(BATCHES)
    next(stream)
    for _ in range(200):
        if len(done) == 3:
            break
        time.sleep(0.01)
    time.sleep(0.05)
    assert done == BATCHES[:3], "two ahead of the first, and no more"
    stream.close()
    assert len(threads) == 1 and threads != {threading.main_thread().name}
    assert not [t for t in threading.enumerate() if t.name in threads]


def test_weights_are_the_same_with_and_without_reading_ahead(cache, settings, tmp_path, monkeypatch):
    ahead, _ = train(cache, settings, tmp_path / "ahead")
    monkeypatch.setattr(
        FilmStack, "stream", lambda self, batches: (self._from_file(rows) for rows in batches)
    )
    at_once, _ = train(cache, settings, tmp_path / "at_once")
    held = FilmStack.__init__

    def in_memory(self, *given):
        held(self, *given)
        self.load_to_device()

    monkeypatch.undo()
    monkeypatch.setattr(FilmStack, "__init__", in_memory)
    in_device, _ = train(cache, settings, tmp_path / "device")
    assert ahead == at_once == in_device


def test_the_share_of_waiting_is_what_a_slow_disk_costs(cache, settings, tmp_path, monkeypatch):
    read = FilmStack._from_file

    def slow(self, rows, pinned=False):
        time.sleep(0.25 if len(rows) == 8 else 0)
        return read(self, rows, pinned)

    monkeypatch.setattr(FilmStack, "_from_file", slow)
    _, wait = train(cache, settings, tmp_path / "slow")
    assert min(wait) > 0.3, "a step takes a tenth of what a batch's reading takes here"
    step = FilmStack.standardize

    def long_step(self, bits, rows):
        time.sleep(0.3 if len(rows) == 8 else 0)
        return step(self, bits, rows)

    monkeypatch.setattr(FilmStack, "standardize", long_step)
    _, wait = train(cache, settings, tmp_path / "long_step")
    assert wait[0] < 0.35 and wait[0] > 0.02, (
        "only the first batch of an epoch is waited for: reading goes on beside the step"
    )


def test_waiting_is_summed_and_goes_on_from_a_saved_sum():
    clock = StepClock(torch.device("cpu"))
    clock.start(3.0, 2.0)
    with clock.waiting():
        time.sleep(0.05)
    clock.lap()
    assert 2.05 <= clock.waited() < 2.5 and 3.05 <= clock.spent < 3.5
    clock.start()
    assert clock.waited() == clock.spent == 0


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_a_gpu_gets_the_same_bits_and_counts_its_idle_time(cache):
    plain, stack = FilmStack(cache, 96), FilmStack(cache, 96, "cuda", needed=10**15)
    assert not stack.on_device and FilmStack(cache, 96, "cuda", needed=0).on_device
    clock = StepClock(torch.device("cuda"))
    for rows, bits in zip(BATCHES, stack.stream(BATCHES), strict=True):
        assert torch.equal(bits.cpu(), plain._from_file(rows))
    with clock.waiting():
        time.sleep(0.2)
    assert 0.15 < clock.waited() < 0.5


def test_a_file_that_is_cut_while_it_is_read_is_one_sentence(make_cache, tmp_path):
    cache = make_cache(tmp_path / "cache", 10, 96)
    stack = FilmStack(cache, 96)
    with (cache / "films.npy").open("r+b") as file:
        file.truncate(5 * 2 * 96 * 96)
    with pytest.raises(StudyError, match="was cut while it was read. Delete the folder"):
        list(stack.stream([[0, 1], [8, 9]]))


def test_the_same_step_draws_the_same_changes_for_every_device(settings):
    """They are drawn on the CPU by a generator of their own; a device gets numbers, no generator's state."""
    from scripts.networks.augmentation import augment, draw_changes

    torch.manual_seed(1)
    first = draw_changes(4, 11, Augmentation(**settings["augmentation"]))
    torch.manual_seed(2)
    again = draw_changes(4, 11, Augmentation(**settings["augmentation"]))
    assert all(t.device.type == "cpu" and torch.equal(t, u) for t, u in zip(first, again))
    elsewhere = augment(
        torch.empty(4, 1, 96, 96, device="meta"), 11, Augmentation(**settings["augmentation"])
    )
    assert elsewhere.device.type == "meta" and elsewhere.shape == (4, 1, 96, 96)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_augmentation_is_the_same_on_a_gpu(cache, settings):
    from scripts.networks.augmentation import augment

    films = FilmStack(cache, 96).batch(range(8))
    here, there = (
        augment(films, 5, Augmentation(**settings["augmentation"])),
        augment(films.cuda(), 5, Augmentation(**settings["augmentation"])),
    )
    torch.testing.assert_close(there.cpu(), here, atol=2e-3, rtol=1e-3)


def test_a_patients_further_films_train_and_are_never_held_out():
    films = [
        Film(n, f"i{n}", f"p{n % 4}", n % 2, n % 4, 1.0, 1.0, "", further=n >= 4)
        for n in (7, 0, 5, 2, 1, 6, 3, 4)
    ]
    training, held_out = split_fold(films, 1)
    assert [film.image_id for film in held_out] == ["i1"], "not i5 of the same patient"
    assert [film.image_id for film in training] == ["i0", "i2", "i3", "i4", "i6", "i7"]
