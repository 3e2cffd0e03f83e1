"""What the network's jobs say: their words, and when a training says them.

A leaf (``code_hash.LEAVES``): nothing here decides a number, so a reworded line trains nothing again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from scripts.common.log import Log, duration


class FoldProgress:
    """Says how a fold's training goes: how long it will take after the first steps, a line at an epoch's end,
    one now and then within a long one, and a live one on a terminal.

    Parameters
    ----------
    member : which training of which network
    first, total : steps made before, and in all
    per_epoch : steps of an epoch
    device : cpu or cuda
    """

    SELDOM = 300
    """Seconds between two lines within an epoch."""

    LONG = 3600
    """Seconds of a training on a CPU that are worth a hint."""

    def __init__(self, log: Log, member: object, first: int, total: int, per_epoch: int, device: str) -> None:
        self._log, self._member, self._first = log, member, first
        self._total, self._per_epoch, self._device = total, per_epoch, device
        self._began = self._spoken = time.monotonic()
        self._timed_since: float | None = None
        self._told = False

    def _tell_time(self, step: int, wait: Callable[[], object]) -> None:
        """Say how long the training will take, once, from the first steps but the very first; ``wait`` waits
        for a GPU.
        """
        made = step - self._first - 1
        if made == 0:
            wait()
            self._timed_since = time.monotonic()
        elif made >= 20 or time.monotonic() - self._timed_since >= 5:
            wait()
            each = (time.monotonic() - self._timed_since) / made
            left, self._told = each * (self._total - step), True
            hint = (
                ". Where that is too long: config/real_cpu.yaml has a network for a CPU"
                if self._device == "cpu" and left > self.LONG
                else ""
            )
            self._log.say(
                f"{self._member}: about {duration(left)} to go: {self._total - step} steps of {each:.2g} s,"
                f" by the first {made}; the scoring at each epoch's end comes on top{hint}"
            )

    def after_step(
        self,
        step: int,
        history: Sequence[Sequence[float]],
        loss: Callable[[], float],
        films_per_s: Callable[[], float],
    ) -> None:
        """Say what is due after step ``step``.

        ``history`` holds the rows of ``history.csv``. ``loss`` and ``films_per_s`` give the mean so far of
        the epoch; they wait for a GPU and are called only where they are shown.
        """
        if not self._told:
            self._tell_time(step, loss)
        now, epochs = time.monotonic(), self._total // self._per_epoch
        left = (now - self._began) / (step - self._first) * (self._total - step)
        epoch, done = (step - 1) // self._per_epoch + 1, (step - 1) % self._per_epoch + 1

        def within() -> str:
            return (
                f"{self._member}: epoch {epoch}/{epochs}, step {done}/{self._per_epoch}, loss"
                f" {loss():.3f}, {films_per_s():.1f} films/s, {duration(left)} left"
            )

        if done == self._per_epoch:
            _, mean, of_film, of_blocks, area, _, speed, wait = history[-1]
            self._log.say(
                f"{self._member}: epoch {epoch}/{epochs}, loss {mean:.3f} (global {of_film:.3f}, local"
                f" {of_blocks:.3f}), held-out AUC {area:.3f}, {speed:.1f} films/s, {wait:.1%} of the time"
                f" waiting for films, {duration(left)} left"
            )
            self._spoken = now
        elif now - self._spoken > self.SELDOM:
            self._log.say(within())
            self._spoken = now
        else:
            self._log.live(within)


def begun(member: object, training: int, held_out: int, device: str) -> str:
    """How many films a fold trains on and holds out."""
    return f"{member}: {training} training and {held_out} held-out films on {device}"


def film_array(size: int, on_device: bool) -> str:
    """Where the films of ``size`` bytes lie while a GPU trains."""
    return f"films: {gigabytes(size)}, {'in GPU memory' if on_device else 'read from the disk'}"


def views_begun(films: int, views: int, size: int, device: str, done: int) -> str:
    """What frozen stages give is computed; of ``done`` films it is there."""
    there = f"; those of {done} films are there" if done else ""
    return f"{1 + views} views of each of {films} films, {gigabytes(size)} on the disk, on {device}{there}"


def views_kept(films: int, views: int, size: int) -> str:
    """The views are there."""
    return f"views kept: {1 + views} of each of {films} films, {gigabytes(size)}"


def optimiser_steps(steps: int) -> str:
    """Steps made now; 0 for a fold out of the store."""
    return f"optimiser steps: {steps}"


def from_store(member: object) -> str:
    """A finished fold is taken."""
    return f"{member}: nothing changed since it was trained; its files are taken from the store"


def adopted() -> str:
    """A finished fold is from an earlier release."""
    return "an earlier release trained this fold, with the same result; its files are taken over"


def fold_damaged(folder: object) -> str:
    """A finished fold can't be taken."""
    return f"the stored fold {folder} is damaged; it is ignored and the fold is trained again"


def stopped(member: object) -> str:
    """A signal ended the training."""
    return f"{member}: stopped by a signal; the state is saved. Run the same command again to go on."


def state_ignored(path: object) -> str:
    """A saved state can't be used."""
    return f"the saved state {path} is cut or of another training; it is ignored and the fold starts anew"


def state_of_another_version(saved: str, here: str) -> str:
    """A saved state was made by another PyTorch."""
    return f"the saved state was made by PyTorch {saved}, this is {here}: last digits may differ"


def resuming(step: int) -> str:
    """A saved state is taken."""
    return f"resuming from step {step}"


def another_process() -> str:
    """Another process holds the fold's lock."""
    return (
        "another process trains this fold, perhaps one that a killed run left over ('python -m"
        " scripts.networks.orphans' names it); waiting for it to end"
    )


def hardly_learns(learning_rate: float, key: Callable[[str], str]) -> str:
    """Random weights meet the rate of pretrained ones; ``key`` gives a setting's key of the config."""
    return (
        f"WARNING: random weights and a learning rate of {learning_rate:g}: the network will hardly learn."
        f" Set '{key('init')}: imagenet' or raise '{key('training.learning_rate')}' (0.01 works for random"
        " weights)."
    )


def begins_again(member: object, loss: float, spread: float) -> str:
    """A training has learned nothing and begins once more."""
    return f"{member}: {_nothing(loss, spread)}; it begins once more with other random numbers"


def learned_nothing(member: object, loss: float, spread: float, key: Callable[[str], str]) -> str:
    """All attempts at a training have learned nothing; the figures are those of the one that is kept."""
    return (
        f"WARNING: {member}: in every attempt {_nothing(loss, spread)}; the attempt with the lower loss is"
        f" kept. Look at history.csv; start from other weights ('{key('init')}'), train longer"
        f" ('{key('training.epochs')}') or change '{key('training.learning_rate')}'."
    )


def _nothing(loss: float, spread: float) -> str:
    return f"it has learned nothing (global loss {loss:.3f}, SD of the training films' logits {spread:.3f})"


def gigabytes(size: int) -> str:
    """Bytes in GB of 10^9."""
    return f"{size / 1e9:.1f} GB"


def place(device: str) -> str:
    """``the CPU`` or ``the GPU``."""
    return "the CPU" if device == "cpu" else "the GPU"


def memory(likely: int, device: str, free: int, short: str) -> str:
    """Memory needed and free, in bytes; ``short`` says what to do where it isn't enough."""
    line = f"memory: about {gigabytes(likely)} needed on {place(device)}, {gigabytes(free)} free"
    if not short:
        return line
    return f"WARNING: {line}: the training may be ended for lack of memory. {short}."


def memory_advice(
    batch_size: int, fits: int, fits_in_bf16: int, side_key: str, key: Callable[[str], str]
) -> str:
    """What to do where a training of ``batch_size`` films is short of memory: the largest batches that fit, 0
    where none does or the precision is bf16 already.

    ``side_key`` is the setting of the films' side; ``key`` gives a setting's key of the config.
    """
    ways = []
    if fits:
        ways.append(f"lower '{key('training.batch_size')}' (now {batch_size}; {fits} would fit)")
    if fits_in_bf16:
        smaller = "" if fits_in_bf16 == batch_size else f" with a batch_size of {fits_in_bf16}"
        ways.append(f"set '{key('training.precision')}: bf16'{smaller}")
    ways.append("take a machine with more memory" if ways else f"lower '{key(side_key)}'")
    text = ", or ".join(ways)
    return text[0].upper() + text[1:]


def slow_bf16(key: str) -> str:
    """A CPU without bf16; ``key`` is the config's key of the precision."""
    return (
        "WARNING: this processor has no bf16 arithmetic; imitated it is about ten times slower than fp32. Set"
        f" '{key}: fp32', or use a GPU."
    )


def too_many_threads(threads: int, cores: int) -> str:
    """More threads than cores."""
    return (
        f"WARNING: 'networks.cpu_threads' is {threads}, but this job may use {cores} core(s) only, which"
        f" makes it many times slower. Set 'networks.cpu_threads: {cores}'."
    )


def gpu_of_slurm() -> str:
    """The scheduler gave a GPU."""
    return "device: the GPU given by SLURM"


def gpu(name: str, card: str) -> str:
    """A GPU is taken; ``name`` is what this machine calls it."""
    return f"device: GPU {name} ({card})"


def gpus_taken(count: int) -> str:
    """Every GPU is another job's."""
    return f"all {count} GPU(s) are taken by other jobs; waiting for one"


def scoring(films: int, networks: int, precision: str, at_once: int, device: str) -> str:
    """How a set is scored."""
    return f"{films} films, {networks} networks, {precision}, {at_once} film(s) at once on {device}"


def embedding(films: int, trunk: str, grid: int, device: str) -> str:
    """A set's films are embedded."""
    return f"{films} films through {trunk}, means of {grid} x {grid} cells, on {device}"


def downloading(name: str) -> str:
    """A weights file is fetched."""
    return f"fetching {name}"


def downloaded(path: object, size: int, digest: str) -> str:
    """A weights file has come."""
    return f"{path} is there ({size / 2**20:.0f} MiB), SHA-256 {digest}"
