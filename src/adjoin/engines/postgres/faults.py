"""The driver's errors as ours, each with what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adjoin.errors import (
    AdjoinError,
    InvalidInput,
    InvalidVector,
    MissingExtra,
    NotFound,
    StoreClosed,
    StoreCorrupted,
    StoreError,
    StoreFull,
    StoreLocked,
    Unsupported,
)

if TYPE_CHECKING:
    import psycopg


def no_driver() -> MissingExtra:
    return MissingExtra.of("psycopg", "postgres", "postgresql://")


def closed(location: str) -> StoreClosed:
    return StoreClosed(f"{location} was closed. Open it again with adjoin.open().")


def not_connected(exc: psycopg.Error, location: str) -> AdjoinError:
    """libpq gives no code when it cannot connect, only the server's words."""
    said = str(exc).strip().splitlines()[0] if str(exc).strip() else type(exc).__name__
    if "password authentication failed" in said or "no password supplied" in said:
        remedy = "Is the password right? Give it in the URL, in PGPASSWORD or in ~/.pgpass."
    elif "does not exist" in said:
        remedy = "Create it (createdb, createuser), or correct the URL."
    elif "too many" in said or "remaining connection slots" in said:
        remedy = "Close some connections, or raise max_connections."
    else:
        remedy = "Is the server running, and are host and port right?"
    return StoreError(f"cannot connect to {location}: {said}. {remedy}")


def no_extension(location: str, *, on_server: bool) -> Unsupported:
    first = "" if on_server else "install the package pgvector on the server, then "
    return Unsupported(
        f"the database {location} has no extension 'vector'. As its owner, {first}run: CREATE EXTENSION vector"
    )


def translated(exc: psycopg.Error, location: str, timeout_s: float) -> AdjoinError:
    """The error that says the same to a user."""
    state = exc.sqlstate or ""
    said = exc.diag.message_primary or str(exc).strip() or type(exc).__name__
    nothing = "Nothing of this call was stored."
    if state in ("55P03", "40P01", "57014", "40001"):  # lock not available, deadlock, cancelled, serialisation
        why = f"others kept what it needs for more than {timeout_s:g} s" if state == "55P03" else said
        return StoreLocked(f"{location}: {why}. {nothing} Try again, or raise write_timeout_s.")
    if state in ("53100", "53200"):
        return StoreFull(f"{location} has no room left: {said}. {nothing} Make room on the server.")
    if state.startswith("53"):
        return StoreError(f"{location} has too much to do: {said}. {nothing} Try again later.")
    if state in ("XX001", "XX002"):
        return StoreCorrupted(f"{location} is damaged: {said}. Run `adjoin doctor`, and restore what it names.")
    if state in ("42P01", "3F000"):
        return NotFound(f"{location}: {said}: it was dropped meanwhile.")
    if state == "25006":
        return StoreError(f"{location} may only be read: {said}. Is it a standby? Write to the primary.")
    if state == "42501":
        return StoreError(f"{location}: {said}. Let its owner GRANT what is missing.")
    if state in ("22003", "22000", "22P02", "54000"):
        return InvalidVector(f"PostgreSQL cannot keep a vector of this call: {said}. {nothing}")
    if _is_data_error(exc):
        return InvalidInput(f"PostgreSQL cannot keep something of this call: {said}. {nothing}")
    if not state or state.startswith(("08", "57P")):
        return StoreError(
            f"the connection to {location} was lost: {said}. "
            "A write that was under way may or may not be stored: look before you repeat it."
        )
    return StoreError(f"{location}: {said} ({state}).")


def _is_data_error(exc: psycopg.Error) -> bool:
    import psycopg

    return isinstance(exc, psycopg.DataError)
