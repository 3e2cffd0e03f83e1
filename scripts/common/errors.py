"""The one family of errors whose message is written for a person."""

from __future__ import annotations


class StudyError(Exception):
    """Something the user can fix: says what is wrong, where (file, row or key), and how to fix it.

    The message is one plain sentence or two. It never holds a patient's identifier, a source file's name
    or a cell's content: those stay in ``private/``.
    """


class StudyErrors(StudyError):
    """Several things that the user can fix, found in one look; ``sentences`` holds one for each."""

    def __init__(self, sentences: list[str]) -> None:
        self.sentences = sentences
        super().__init__(
            sentences[0] if len(sentences) == 1 else "\n  - ".join(["Several things:", *sentences])
        )


def sentences_of(error: StudyError) -> list[str]:
    """The sentences of an error, one for each thing to fix."""
    return error.sentences if isinstance(error, StudyErrors) else [str(error)]
