"""The one family of errors whose message is written for a person."""

from __future__ import annotations


class StudyError(Exception):
    """Something the user can fix: says what is wrong, where (file, row or key), and how to fix it.

    The message is one plain sentence or two. It never holds a patient's identifier, a source file's name
    or a cell's content: those stay in ``private/``.
    """
