"""The URL: what of it is for the driver, what for us, and what may be shown."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from adjoin.errors import InvalidOption

EXACT_BELOW = 10_000
_SECRET = ("password", "sslpassword", "passfile", "sslkey")


@dataclass(frozen=True, slots=True)
class Address:
    """driver: the URL that libpq takes. shown: the whole URL, but for its passwords.
    schema: where our tables are. exact_below: up to so many matching rows are compared one by one."""

    driver: str
    shown: str
    schema: str = "adjoin"
    exact_below: int = EXACT_BELOW

    @classmethod
    def of(cls, url: str) -> Address:
        """Raises InvalidOption for an option of ours that cannot be."""
        try:
            parts = urlsplit(url)
            options = parse_qsl(parts.query, keep_blank_values=True)
        except ValueError as exc:
            raise InvalidOption(f"this is no URL that PostgreSQL takes: {exc}.") from None
        ours = {name: value for name, value in options if name in ("schema", "exact_below")}
        theirs = [(name, value) for name, value in options if name not in ours]
        user, at, host = parts.netloc.rpartition("@")
        hidden = parts._replace(
            scheme="postgresql",
            netloc=user.split(":", 1)[0] + at + host,
            query=_query([(name, value) for name, value in options if name not in _SECRET]),
        )
        return cls(
            urlunsplit(parts._replace(scheme="postgresql", query=_query(theirs))),
            urlunsplit(hidden),
            _schema(ours.get("schema", "adjoin")),
            _count(ours.get("exact_below", str(EXACT_BELOW))),
        )


def _query(options: list[tuple[str, str]]) -> str:
    return urlencode(options, quote_via=quote)


def _schema(name: str) -> str:
    if not re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", name) or name.startswith("pg_"):
        raise InvalidOption(f"schema={name!r} is no name for a schema: small letters, digits and _, at most 63.")
    return name


def _count(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise InvalidOption(f"exact_below={text!r} is no number of rows.")
    return int(text)
