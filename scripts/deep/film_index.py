"""The index of a set's cached films."""

from __future__ import annotations

INDEX = ("row", "image_id", "patient_id", "label", "fold", "mean", "sd", "sha256")
"""Columns of ``index.csv``; ``mean`` and ``sd`` in grey values (0 to 65535), ``fold`` empty outside train."""
