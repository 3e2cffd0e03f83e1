"""Named sub-seeds of the study's one seed."""

from __future__ import annotations

import hashlib


def sub_seed(seed: int, *names: object) -> int:
    """A 63-bit seed that depends on ``seed`` and on ``names`` only, e.g.

    ``sub_seed(7, "train", fold, epoch)``.
    """
    text = "/".join([str(int(seed)), *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
