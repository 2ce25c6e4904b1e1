"""CPU time, memory and load of processes, from /proc."""

import os
from collections.abc import Iterable
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """Return user and system time of a process with all of its threads, in seconds; 0 when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICK


def total_cpu(pids: Iterable[int]) -> float:
    return sum(cpu_seconds(pid) for pid in pids)


def peak_mib(pid: int) -> float:
    """Return the peak resident memory of a process in MiB; 0 when it is gone."""
    return _memory_mib(pid, "VmHWM")


def resident_mib(pid: int) -> float:
    """Return the resident memory of a process now, in MiB; 0 when it is gone."""
    return _memory_mib(pid, "VmRSS")


def _memory_mib(pid: int, name: str) -> float:
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    return 0.0


def processor() -> str:
    """Return how many cores of which kind this machine has."""
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if "model name" in line
    ]
    return f"{os.cpu_count()} cores of {names[0] if names else 'unknown kind'}"


def load() -> float:
    """Return the machine's load of the last minute."""
    return os.getloadavg()[0]


def busy_share(seconds: float) -> float:
    """Return the share of all cores that was busy over the next `seconds`: a quicker witness than the load average."""
    import time  # noqa: PLC0415

    def read() -> tuple[int, int]:
        values = [int(v) for v in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
        return sum(values), values[3] + values[4]

    total, idle = read()
    time.sleep(seconds)
    later, later_idle = read()
    return 1 - (later_idle - idle) / max(1, later - total)
