"""One PostgreSQL server for the run, and a fresh database schema for each test."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from tests.support.postgres import Server, running_server

_numbers = itertools.count()


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    try:
        running = running_server()
        started = running.__enter__()
    except (ImportError, RuntimeError, OSError) as exc:
        pytest.skip(f"no PostgreSQL to test with: {exc}")
    try:
        started.run("CREATE EXTENSION vector")
        started.run("CREATE EXTENSION amcheck")
        yield started
    finally:
        running.__exit__(None, None, None)


@pytest.fixture
def url(server: Server) -> Iterator[str]:
    """Of a schema that nothing is in yet."""
    schema = f"test_{next(_numbers)}"
    yield f"{server.url()}?schema={schema}"
    server.run(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
