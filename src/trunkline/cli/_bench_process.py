"""A program under measurement: a process of its own, alone on one core where that can be had, and what it costs."""

import contextlib
import os
import resource
import select
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Final

import trunkline
from trunkline.errors import ConfigError

START_S: Final = 30.0
"""How long a program may take until it says its address."""
STOP_S: Final = 20.0
"""How long a program may take to stop before it is ended."""

_PROC: Final = Path("/proc")


class Cores:
    """Which core is whose: ``server`` for what is measured, ``phones`` for this process. None: not pinned."""

    def __init__(self) -> None:
        mine = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        self._all = set(mine)
        self.server: int | None = mine[-1] if len(mine) > 1 else None
        self.phones: int | None = mine[0] if len(mine) > 1 else None

    @contextlib.contextmanager
    def for_child(self) -> Iterator[None]:
        """A process started in this context inherits the server's core; this one goes to the phones' afterwards."""
        if self.server is None or self.phones is None:
            yield
            return
        os.sched_setaffinity(0, {self.server})
        try:
            yield
        finally:
            os.sched_setaffinity(0, {self.phones})

    def release(self) -> None:
        """Let this process run anywhere again."""
        if self._all:
            os.sched_setaffinity(0, self._all)


class Program:
    """A running server. ``base`` is the address it said."""

    def __init__(self, process: subprocess.Popen[str], base: str) -> None:
        self.base = base
        self._process = process
        self._proc = _PROC / str(process.pid)

    @property
    def socket_url(self) -> str:
        """Where phones open their media sockets."""
        return f"ws{self.base.removeprefix('http')}/media/twilio"

    def cpu_s(self) -> float:
        """Processor time so far, of all threads, user and system (``proc(5)``, fields 14 and 15 of ``stat``)."""
        fields = (self._proc / "stat").read_text().rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_kib(self) -> int:
        """Memory that is this process's alone, plus its share of what it shares (``Pss``). Sockets' buffers are the
        kernel's and not in it."""
        for line in (self._proc / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
        raise ConfigError("this kernel does not tell a process's memory (Pss)")


def busy_s(core: int | None) -> float:
    """Time ``core`` was not idle since the machine started, time stolen from it by a neighbour included."""
    for line in (_PROC / "stat").read_text().splitlines():
        name, *fields = line.split()
        if name == f"cpu{core}":
            user, nice, system, _idle, _wait, irq, softirq, steal, *_ = map(int, fields)
            return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
    return 0.0


def check() -> None:
    """Raises ``ConfigError`` where nothing can be measured; allows as many sockets as the system lets us."""
    if not (_PROC / "self" / "smaps_rollup").exists():
        raise ConfigError("bench calls reads /proc and works on Linux only")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # the programs inherit it


@contextlib.contextmanager
def program(*arguments: str, cores: Cores, settings: Mapping[str, str]) -> Iterator[Program]:
    """``python -m <arguments>`` on the server's core, in an empty folder and with no settings but these: what the
    user has configured is not what is measured. It is stopped when the context is left."""
    ours = str(Path(trunkline.__file__).parents[1])
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("TRUNKLINE_", "TWILIO_"))}
    clean["PYTHONPATH"] = os.pathsep.join(filter(None, [ours, clean.get("PYTHONPATH", "")]))
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("w+") as log:
        with cores.for_child():
            process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own words
                [sys.executable, "-m", *arguments],
                cwd=folder,
                env=clean | dict(settings),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        try:
            yield Program(process, _address(process, log))
        finally:
            process.terminate()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()


def _address(process: subprocess.Popen[str], log: IO[str]) -> str:
    """The last word of the first line it prints."""
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    told, _, _ = select.select([process.stdout], [], [], START_S)
    line = process.stdout.readline() if told else ""
    if "http://" not in line:
        log.seek(0)
        raise ConfigError(f"the program to be measured did not start: {log.read()[-500:].strip()}")
    return line.split()[-1]
