"""Progress: live in one line of a terminal, sparse in a log file."""

import os
import pty
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CODE = """
import sys, time
from scripts.common.log import Log
log = Log(sys.argv[1], "a_rule")
log.say("begun")
for n in range(3):
    log.live(lambda: f"step {n} " + "x" * 300, every=0)
for _ in log.progress(range(5), 5, "films"):
    time.sleep(0.15)
log.say("done")
log.close()
"""


def run_on_terminal(path, term):
    """The program's output on a terminal of its own."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", CODE, path], cwd=ROOT, stderr=slave, env={**os.environ, "TERM": term}
    )
    os.close(slave)
    shown = b""
    while True:
        try:
            piece = os.read(master, 4096)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        shown += piece
    os.close(master)
    assert process.wait(timeout=60) == 0
    return shown.decode().replace("\r\n", "\n")


def test_a_terminal_shows_a_line_that_is_replaced_and_the_file_stays_short(tmp_path):
    shown = run_on_terminal(tmp_path / "log.txt", "xterm")
    for n in range(3):
        assert f"\x1b[2K[a_rule] step {n} xxx" in shown
    assert max(len(line) for line in shown.replace("\x1b[2K", "\n").replace("\r", "\n").split("\n")) < 80
    assert "/5 films," in shown and "left\r" in shown
    assert "\x1b[2K[a_rule] 5 films in" in shown, "a live line is wiped before the next lasting one"
    lines = (tmp_path / "log.txt").read_text().splitlines()
    assert [line.split(" ", 1)[1].split(" in ")[0] for line in lines] == ["begun", "5 films", "done"]


def test_no_terminal_or_a_dumb_one_gets_no_live_line(tmp_path):
    assert "step" not in run_on_terminal(tmp_path / "log.txt", "dumb")
    done = subprocess.run(
        [sys.executable, "-c", CODE, tmp_path / "log.txt"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "TERM": "xterm"},
    )
    assert "step" not in done.stderr and "\x1b" not in done.stderr and "[a_rule] done" in done.stderr
