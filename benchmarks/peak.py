"""The most memory that this process has held."""

from __future__ import annotations

from pathlib import Path


def peak_mb() -> float:
    """Of Linux, in units of 10^6 bytes; `ru_maxrss` begins there with what the parent held."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024 / 1e6
