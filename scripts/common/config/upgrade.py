"""Keys of version 0.1.0 and where they stand now."""

from __future__ import annotations

from typing import Any

_OF_THE_MACHINE = (
    "device",
    "gpus_per_fold",
    "cpu_threads",
    "checkpoint_minutes",
    "scoring",
    "gradcam",
    "masks",
)
_OF_THE_NETWORK = ("init", "architecture", "training", "augmentation")

MOVED = {
    **{("deep", key): f"networks.{key}" for key in _OF_THE_MACHINE},
    **{("deep", key): f"models.deep.{key}" for key in _OF_THE_NETWORK},
}
"""Old places and new ones."""

BOOSTED = "models.clinical and models.combined (kind trees)"


def moved_keys(raw: dict[str, Any]) -> list[tuple[tuple[str, ...], str]]:
    """Place and sentence of each key that version 0.1.0 had elsewhere."""
    faults = []
    for section in ("deep", "boosting"):
        given = raw.get(section)
        if section not in raw:
            continue
        keys = list(given) if isinstance(given, dict) and given else [None]
        for key in keys:
            place = (section,) if key is None else (section, str(key))
            if section == "boosting":
                new = BOOSTED if key is None else f"'{key}' under {BOOSTED}"
            else:
                new = MOVED.get(place, "networks (the machine) and models.deep (the network)")
            faults.append(
                (
                    place,
                    f"{'.'.join(place)}: this key of version 0.1.0 has moved; write {new}"
                    " (docs/upgrading.md).",
                )
            )
    return faults
