"""A rule's log and its progress lines: sparse in a log file, live on a terminal."""

from __future__ import annotations

import contextlib
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TextIO, TypeVar

from scripts.common.errors import StudyError

Item = TypeVar("Item")


class Log:
    """Writes lines with a time of day to a file and, where asked, to the terminal as well."""

    def __init__(self, path: str | Path | None, name: str, echo: bool = True) -> None:
        self.name = name
        self.echo = echo
        self._file: TextIO | None = None
        self._live_shown = 0.0
        self._live_line = False
        if path is not None:
            try:
                Path(path).parent.mkdir(parents=True, exist_ok=True)
                self._file = Path(path).open("w", encoding="utf-8", buffering=1)  # noqa: SIM115
            except OSError:
                self._give_up()

    def say(self, text: str) -> None:
        """Write one line to the log and to standard error."""
        stamp = time.strftime("%H:%M:%S")
        self._append(f"{stamp} {text}\n")
        if self.echo:
            self._clear_live()
            with contextlib.suppress(OSError):
                sys.stderr.write(f"[{self.name}] {text}\n")
                sys.stderr.flush()

    def live(self, text: Callable[[], str], every: float = 0.5) -> None:
        """Show ``text()`` on a terminal in place of the last such line, at most once in ``every`` seconds.

        It goes to no file; where standard error is no terminal ``text`` is not called. The cursor stays at
        the line's start, so that what other programs print replaces it.
        """
        now = time.monotonic()
        if not self.echo or now - self._live_shown < every or os.environ.get("TERM", "dumb") == "dumb":
            return
        with contextlib.suppress(OSError, ValueError):  # standard error is closed, or no terminal
            if not sys.stderr.isatty():
                return
            width = os.get_terminal_size(sys.stderr.fileno()).columns or 80
            sys.stderr.write(f"\x1b[2K{f'[{self.name}] {text()}'[: width - 1]}\r")
            sys.stderr.flush()
            self._live_shown, self._live_line = now, True

    def _clear_live(self) -> None:
        if self._live_line:
            self._live_line = False
            with contextlib.suppress(OSError, ValueError):
                sys.stderr.write("\x1b[2K")
                sys.stderr.flush()

    def only_file(self, text: str) -> None:
        """Write to the log file and not to the terminal."""
        self._append(text.rstrip("\n") + "\n")

    def _append(self, lines: str) -> None:
        if self._file is not None:
            try:
                self._file.write(lines)
            except OSError:
                self._give_up()

    def _give_up(self) -> None:
        """Go on without the file: a full disk must be told by the error of the results, not hidden by that of
        the log.
        """
        self.close()
        self.echo = True

    def progress(
        self, items: Iterable[Item], total: int, unit: str = "images", every: float = 15.0
    ) -> Iterator[Item]:
        """Yield ``items`` and say, at most once in ``every`` seconds, how many are done, the rate and the
        time left.

        A terminal shows the same all the time, in one line.
        """
        start = shown = time.monotonic()
        done = 0
        for item in items:
            yield item
            done += 1
            now = time.monotonic()
            rate = done / max(now - start, 1e-9)
            line = (
                f"{done}/{total} {unit}, {rate:.1f} {unit}/s, {duration((total - done) / max(rate, 1e-9))}"
                " left"
            )
            if now - shown >= every:
                shown = now
                self.say(line)
            else:
                self.live(lambda: line)  # noqa: B023 - called at once
        seconds = time.monotonic() - start
        if done:
            self.say(f"{done} {unit} in {duration(seconds)} ({done / max(seconds, 1e-9):.1f} {unit}/s)")

    def close(self) -> None:
        self._clear_live()
        if self._file is not None:
            file, self._file = self._file, None
            with contextlib.suppress(OSError):
                file.close()


def duration(seconds: float) -> str:
    """Seconds in words: 40 s, 5 min 03 s, 2 h 10 min."""
    seconds = int(round(seconds))
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60:02d} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60:02d} min"


@contextlib.contextmanager
def rule_log(path: str | Path | None, name: str, echo: bool = True) -> Iterator[Log]:
    """Open a rule's log. A ``StudyError`` ends the process with its message and no traceback.

    Any other error is a defect of the software: its traceback goes to the log, stripped of the exception's
    own message, since that may quote a cell or a file name of the source.
    """
    log = Log(path, name, echo)
    try:
        yield log
    except StudyError as error:
        log.echo = True
        log.say(f"ERROR: {error}")
        sys.exit(1)
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        log.echo = True
        log.say(f"ERROR: unexpected {type(error).__name__} in {name}; this is a defect of the software.")
        log.say("The message is withheld because it may quote source data; the lines of code were:")
        for frame in frames:
            log.say(f"  {Path(frame.filename).name}:{frame.lineno} in {frame.name}: {frame.line}")
        sys.exit(1)
    finally:
        log.close()
