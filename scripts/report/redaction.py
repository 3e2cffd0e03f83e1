"""The config as it may be shared: how the study was set up, without a path, a hospital's name or a hospital's
own words.
"""

from __future__ import annotations

from typing import Any

from scripts.common.config import Config
from scripts.common.vocabulary import REDACTED

_CENTER_KEPT = ("name", "role", "simulate", "batches")
"""What is kept of a centre.

Everything else that is given is redacted, so that a new key is redacted until it stands here.
"""

_IDS_KEPT = ("strip", "leading_zeros", "upper", "separators")
"""What is kept of how a centre's ids are made alike."""

_TABLE_KEPT = ("height_unit", "encoding", "date_format")
"""What is kept of a centre's table: neither its path and sheet, nor its column names, nor the words in its
cells.
"""


def _redact(value: Any) -> Any:
    """``value`` with the same shape: texts become ``[redacted]``; None, numbers and switches stay."""
    if isinstance(value, dict):
        return {key: _redact(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return REDACTED if value else []
    return REDACTED if isinstance(value, str) else value


def _center(entry: dict[str, Any]) -> dict[str, Any]:
    out = {key: value if key in _CENTER_KEPT else _redact(value) for key, value in entry.items()}
    for kind, kept in (
        *((table, _TABLE_KEPT) for table in ("patients", "dxa", "images")),
        ("ids", _IDS_KEPT),
    ):
        if entry.get(kind):
            out[kind] = {k: v if k in kept else _redact(v) for k, v in entry[kind].items()}
    return out


def redacted_config(config: Config) -> dict[str, Any]:
    """The config as resolved (defaults filled in), as plain values that may leave the hospital.

    Of a centre the allow-listed keys are kept: its short name, role, simulation, id rules and batches. The
    enrolment period is redacted, since with it shifted dates tell part of the shift. Paths, labels, sheets,
    column names and codings, the key file's path, the paths of models' weights and embeddings and the name of
    whoever signed off are replaced by ``[redacted]``; a key that is not given stays None. Names and labels of
    models stay.
    """
    plain = config.model_dump(mode="json", by_alias=True)
    plain["centers"] = [_center(entry) for entry in plain["centers"]]
    plain["study"]["key_file"] = _redact(plain["study"]["key_file"])
    plain["report"]["signed_off_by"] = _redact(plain["report"]["signed_off_by"])
    for model in plain["models"].values():
        if model.get("init", "random") not in ("imagenet", "random"):
            model["init"] = REDACTED
        if model.get("embeddings"):
            model["embeddings"] = REDACTED
    return plain
