"""Trainings that an earlier release finished: taken over where the same bytes would come out again, else not
trained again unasked.

Version 0.1.0 knew one network, the hybrid, and one training per fold. Its results lay in ``results/<model>``,
its finished folds in ``state/store``, as today, under keys of its own code.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.common.contracts.networks import HELD_OUT
from scripts.common.errors import StudyError
from scripts.networks import progress
from scripts.networks.csv_tables import csv_text
from scripts.networks.kinds.registry import HYBRID
from scripts.networks.member import Member
from scripts.networks.settings import Settings
from scripts.networks.training_store import PRODUCTS, Store, key_of

SAME_BYTES = {HYBRID: ("450b82b3958e7412",)}
"""By kind, the code hashes of releases whose training gives the bytes that today's gives: 0.1.0.

So it is with the settings that it didn't know at the defaults of ``HybridArchitecture`` and ``Training``, the
norm on the blocks' features off; but one that had learned nothing would begin once more today. Where a change
of the loop or of the kind changes the weights, its row goes.
"""


def keys(data: str, settings: Settings, member: Member, initial: bytes | None) -> list[str]:
    """The keys that a training has in the store of earlier releases; arguments as for ``fold_key``."""
    if member.seed:
        return []
    codes = SAME_BYTES.get(settings.kind, ())
    return [key_of(data, settings, initial, code, fold=member.fold) for code in codes]


def adopt(folder: Path, key: str, earlier: Sequence[str], say: Callable[[str], None]) -> bool:
    """Store the training under ``key`` where the store in ``folder`` holds it whole under one of ``earlier``;
    whether it does.

    The weights stay byte for byte; in the table of scores a column has another name today.
    """
    for old in earlier:
        found = Store(folder, old).get(say)
        if found is None:
            continue
        record = json.loads((folder / old / "record.json").read_text(encoding="utf-8"))
        products = {name: found[name] for name in PRODUCTS}
        _, _, rows = products["held_out.csv"].partition(b"\n")
        products["held_out.csv"] = csv_text(HELD_OUT, []).encode() + rows
        Store(folder, key).put(products, {**record, "kind": HYBRID, "adopted": old})
        say(progress.adopted())
        return True
    return False


def refuse_to_train_again(
    folder: Path, earlier: Sequence[str], settings: Settings, member: Member, output: Path
) -> None:
    """Raise ``StudyError`` where version 0.1.0 trained this fold, its results still stand there, and nothing
    of its store in ``folder`` was taken over; the message says what changed.

    ``earlier`` are the keys under which it would have been, ``output`` is the folder of the training. A study
    without results of 0.1.0 is never stopped, nor one whose stored files are damaged.
    """
    results = Path(os.path.normpath(output / "../../.." / member.model))
    if member.seed or not (results / f"fold_{member.fold}" / "weights.pt").is_file():
        return
    records = dict(_records(folder))
    theirs = {k: r for k, r in records.items() if "kind" not in r and r.get("fold") == member.fold}
    used = {*earlier, *(record.get("adopted") for record in records.values())}
    if not theirs or used & set(theirs):
        return
    changed = min((_changed(record["settings"], settings, member) for record in theirs.values()), key=len)
    why = ", ".join(changed) or (
        "its films, labels or folds or the weights that it starts from are others, or it was trained by"
        " changed code"
    )
    back = "Put the config back" if changed else "Put back what changed"
    raise StudyError(
        f"{member}: version 0.1.0 trained this fold, and it would be trained again, since {why}. {back}, or"
        f" move '{results}' away to train again."
    )


def _records(store: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Key and record of each finished training; damaged ones are left out."""
    for path in store.glob("*/record.json"):
        try:
            yield path.parent.name, json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue


def _changed(before: Mapping[str, Any], settings: Settings, member: Member) -> list[str]:
    """Key of the config and both values of each setting that differs."""
    places = {"seed": "study.seed", "cpu_threads": "networks.cpu_threads"}
    then, now = _flat(before), _flat(json.loads(json.dumps(settings.plain())))
    return [
        f"'{places.get(name, member.key(name))}' is {now.get(name)!r} "
        + (f"and was {then[name]!r}" if name in then else "and was not known then")
        for name in sorted({*then, *now})
        if (name in then, then.get(name)) != (name in now, now.get(name))
    ]


def _flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by their place in the config, such as ``training.epochs``."""
    flat = {}
    for name, value in settings.items():
        inner = value if isinstance(value, dict) else {"": value}
        flat |= {f"{name}.{key}".rstrip("."): each for key, each in inner.items()}
    return flat
