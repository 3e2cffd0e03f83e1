"""A real SLURM of one node on this machine, for tests: two GPUs that are none, a partition for jobs, one that
preempts it.

    python -m tests.slurm.cluster start     # prints where it lies; needs root, slurm-wlm and munge
    python -m tests.slurm.cluster stop      # ends what it started, and nothing else

Everything that it writes lies in one temporary folder, but for links in ``/etc/slurm``: SLURM's commands
within a job know no other place to read their configuration from. Where SLURM is set up already, where there
is no root, or where a daemon doesn't come up, it refuses with the reason and leaves nothing behind. Ports and
sockets are its own, also munge's.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SYSTEM = Path("/etc/slurm")
"""Where SLURM's commands look for their configuration."""

LINKED = ("slurm.conf", "gres.conf")
GPUS = ("/dev/null", "/dev/zero")
"""Devices that stand for GPUs: SLURM counts and hands them out, and nothing computes on them."""

NAME = "osteocxr-test"
CONFIG = """\
ClusterName={name}
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser=root
AuthType=auth/munge
# A requeued job waits until its old credential has expired.
AuthInfo=socket={folder}/munge.socket,cred_expire=20
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmctldDebug=verbose
SlurmdDebug=verbose
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
# A job over its memory is killed.
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,bf_interval=2,sched_interval=2,sched_min_interval=0,requeue_setup_env_fail
GresTypes=gpu
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
ReturnToService=2
MinJobAge=600
KillWait={kill_wait}
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory_mb} Gres=gpu:{gpus} State=UNKNOWN
PartitionName=cpu Nodes={host} Default=YES MaxTime=INFINITE State=UP PriorityTier=1
PartitionName=gpu Nodes={host} MaxTime=INFINITE State=UP PriorityTier=1
PartitionName=urgent Nodes={host} MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
"""


class NoCluster(Exception):
    """Why no SLURM can be started here."""


@dataclass
class Cluster:
    """A running test cluster. ``folder`` holds its configuration, state and logs."""

    folder: Path
    processes: Sequence[int]

    def run(self, *command: str) -> str:
        """What a SLURM command prints."""
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout

    def jobs(self, *states: str) -> dict[str, tuple[str, str]]:
        """SLURM's number of each job in one of ``states`` (all, if none is named): its state and comment
        (rule and wildcards).
        """
        lines = self.run("squeue", "--noheader", "--states=all", "--format=%i|%T|%k").splitlines()
        found = {
            number: (state, comment) for number, state, comment in (line.split("|", 2) for line in lines)
        }
        return {number: job for number, job in found.items() if not states or job[0] in states}

    def facts(self, number: str) -> dict[str, str]:
        """What SLURM knows of a job."""
        words = self.run("scontrol", "--details", "show", "job", number).split()
        return dict(word.split("=", 1) for word in words if "=" in word)


def reason_against() -> str | None:
    """Why no test cluster can be started on this machine; None where nothing speaks against it."""
    missing = [
        name
        for name in ("munged", "slurmctld", "slurmd", "squeue")
        if shutil.which(name, path=_path()) is None
    ]
    if missing:
        return (
            f"{', '.join(missing)} not found (Debian's slurm-wlm and munge; `make test-tools` installs them)"
        )
    if os.geteuid() != 0:
        return "SLURM's daemons need root"
    for name in LINKED:
        link = SYSTEM / name
        if os.path.lexists(link) and not (link.is_symlink() and _is_abandoned(link)):
            return f"SLURM is set up here already ({link})"
    return None


def _path() -> str:
    return f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def _is_abandoned(link: Path) -> bool:
    """Whether a link of an earlier test cluster is all that is left of it."""
    target = link.readlink()
    if not target.parent.name.startswith("osteocxr-slurm-"):
        return False
    return not any(_alive(number) for number in _numbers(target.parent))


def _numbers(folder: Path) -> list[int]:
    file = folder / "processes"
    return [int(line) for line in file.read_text().split()] if file.is_file() else []


def _alive(process: int) -> bool:
    status = Path(f"/proc/{process}/cmdline")
    return status.is_file() and any(
        name in status.read_bytes() for name in (b"munged", b"slurmctld", b"slurmd")
    )


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _wait(what: str, seconds: float, ready) -> None:
    ends = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > ends:
            raise NoCluster(f"{what} did not come up in {seconds:g} s")
        time.sleep(0.1)


def _answers(*command: str) -> str | None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    return done.stdout if done.returncode == 0 else None


def start(cpus: int = 4, kill_wait: int = 30) -> Cluster:
    """Start the cluster; ``NoCluster`` with the reason where that can't be.

    ``cpus`` is what SLURM believes to be there; ``kill_wait`` the seconds between SIGTERM and SIGKILL (30 is
    SLURM's default): a fold must come to the end of its step in them, also on a loaded machine.
    """
    reason = reason_against()
    if reason:
        raise NoCluster(reason)
    folder = Path(tempfile.mkdtemp(prefix="osteocxr-slurm-"))
    # Jobs of the test run as root; others have no business here.
    folder.chmod(0o700)
    for name in ("state", "spool"):
        (folder / name).mkdir()
    host = socket.gethostname().split(".")[0]
    controller_port, node_port = _free_ports(2)
    memory = next(
        line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal")
    )
    (folder / "slurm.conf").write_text(
        CONFIG.format(
            name=NAME,
            host=host, controller_port=controller_port, node_port=node_port, folder=folder, cpus=cpus,
            gpus=len(GPUS),
            memory_mb=int(memory.split()[1]) // 1024, kill_wait=kill_wait,
        )
    )  # fmt: skip
    (folder / "gres.conf").write_text("".join(f"NodeName={host} Name=gpu File={device}\n" for device in GPUS))
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o400)
    SYSTEM.mkdir(exist_ok=True)
    try:
        for name in LINKED:
            if os.path.lexists(SYSTEM / name):
                (SYSTEM / name).unlink()
            (SYSTEM / name).symlink_to(folder / name)
        processes = _start_daemons(folder)
    except BaseException as error:
        said = "".join(f"\n{p.name}: {p.read_text()[-800:]}" for p in sorted(folder.glob("*.log")))
        stop(folder)
        if isinstance(error, NoCluster):
            raise NoCluster(f"{error}{said}") from None
        raise
    return Cluster(folder, processes)


def _start_daemons(folder: Path) -> list[int]:
    munge = [
        "munged", "--foreground", "--force", (
            f"--socket={folder}/munge.socke"
            f"t"
), f"--key-file={folder}/munge.key",
        f"--pid-file={folder}/munge.pid", f"--log-file={folder}/munge.log", (
            f"--seed-file={folder}/munge.see"
            f"d"
),
    ]  # fmt: skip
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith(("SLURM", "SBATCH"))},
        "PATH": _path(),
    }
    numbers: list[int] = []

    def launch(command: list[str]) -> None:
        with (folder / f"{command[0]}.said").open("wb") as said:
            process = subprocess.Popen(
                command,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
                env=environment,
            )
        numbers.append(process.pid)
        (folder / "processes").write_text("\n".join(map(str, numbers)))

    launch(munge)
    _wait("munge", 10, lambda: (folder / "munge.socket").exists())
    launch(["slurmctld", "-D", "-c"])
    _wait("slurmctld", 20, lambda: "UP" in (_answers("scontrol", "ping") or ""))
    launch(["slurmd", "-D"])
    _wait("slurmd", 20, lambda: "idle" in (_answers("sinfo", "--noheader", "--format=%T") or ""))
    return numbers


def _lost_processes() -> list[int]:
    """Processes of this cluster's jobs. ``proctrack/linuxproc`` loses those whose parent has ended."""
    found = []
    for place in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if place.name.isdigit() and f"SLURM_CLUSTER_NAME={NAME}".encode() in (
                place / "environ"
            ).read_bytes().split(b"\0"):
                found.append(int(place.name))
    return found


def stop(folder: Path) -> None:
    """End what was started from ``folder`` (jobs first), and remove it and the links to it."""
    numbers = _numbers(folder)
    if any(_alive(n) for n in numbers) and _answers("scontrol", "ping"):
        with contextlib.suppress(subprocess.SubprocessError):
            listed = (_answers("squeue", "--noheader", "--format=%i") or "").split()
            if listed:
                subprocess.run(
                    ["scancel", "--signal=KILL", "--full", *listed], capture_output=True, timeout=30
                )
                subprocess.run(["scancel", *listed], capture_output=True, timeout=30)
                ends = time.monotonic() + 20
                while _answers("squeue", "--noheader", "--format=%i") and time.monotonic() < ends:
                    time.sleep(0.2)
    for number in _lost_processes():
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
    for kind in (signal.SIGTERM, signal.SIGKILL):
        for number in reversed(numbers):
            if _alive(number):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(number, kind)
        ends = time.monotonic() + 10
        while any(_alive(n) for n in numbers) and time.monotonic() < ends:
            for number in numbers:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(number, os.WNOHANG)
            time.sleep(0.1)
    for name in LINKED:
        link = SYSTEM / name
        if link.is_symlink() and link.readlink().parent == folder:
            link.unlink()
    shutil.rmtree(folder, ignore_errors=True)


def main(arguments: Sequence[str]) -> int:
    """``start`` or ``stop`` by hand."""
    if list(arguments) == ["start"]:
        try:
            cluster = start()
        except NoCluster as reason:
            print(f"No test cluster: {reason}")
            return 1
        print(f"SLURM runs from {cluster.folder}; 'python -m tests.slurm.cluster stop' ends it.")
        return 0
    if list(arguments) == ["stop"]:
        link = SYSTEM / LINKED[0]
        if not link.is_symlink() or not link.readlink().parent.name.startswith("osteocxr-slurm-"):
            print("No test cluster runs here.")
            return 1
        stop(link.readlink().parent)
        return 0
    print(__doc__)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
