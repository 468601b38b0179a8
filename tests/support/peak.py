"""The most memory that a process has held: for scripts that measure themselves in a process of their own.

`ru_maxrss` will not do there: on Linux it begins with what the parent held, which hides any growth below that.
"""

from __future__ import annotations

from pathlib import Path

import pytest

PEAK_KB = """
def peak_kb():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
"""
"""Source text that defines `peak_kb`."""

needs_peak = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="this system does not tell a process its peak memory"
)
