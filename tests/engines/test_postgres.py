"""The PostgreSQL engine keeps the contract, and what it promises beside it."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import adjoin
from adjoin.engine import Batch, Engine, SearchRequest
from adjoin.engines.postgres import PostgresEngine, nearby
from adjoin.engines.postgres.address import Address
from adjoin.engines.postgres.searching import Searcher
from adjoin.engines.postgres.statements import run
from adjoin.errors import (
    DuplicateId,
    InvalidInput,
    InvalidOption,
    NewerFormat,
    NotAStore,
    NotFound,
    StoreCorrupted,
    StoreError,
    StoreLocked,
    Unsupported,
)
from adjoin.testing import EngineContract
from adjoin.testing.contract.data import (
    NAME,
    batch,
    clustered,
    filled,
    find,
    held,
    ids_of,
    make,
    points,
    put,
    share_found,
    true_distances,
)
from tests.support.postgres import Server
from tests.support.stores import python, start


class TestContract(EngineContract):
    @pytest.fixture
    def engine(self, url: str) -> Iterator[Engine]:
        opened = PostgresEngine(url)
        yield opened
        opened.close()


@pytest.fixture
def engine(url: str) -> Iterator[PostgresEngine]:
    opened = PostgresEngine(url)
    yield opened
    opened.close()


# Through the public face


def test_a_url_opens_collections_with_the_default_embedder(url: str) -> None:
    with adjoin.open(url) as db:
        notes = db.collection("쪽지")
        notes.add(
            ["서울은 한국의 수도이다.", "Bananas are yellow.", "비가 온다."], ids=["a", "b", 3], metadata={"n": 1}
        )
        assert notes.search("한국의 수도는?", k=1, where={"n": 1}).ids == ["a"]
        assert notes.stats()["documents"] == 3
    with adjoin.open(url.replace("postgresql://", "postgres://")) as db:
        assert db.collections() == ["쪽지"]
        notes = db.collection("쪽지")
        assert notes.search("a yellow fruit", k=1).ids == ["b"]
        assert notes.upsert(["비가 온다."], ids=[3], metadata={"n": 1}) == [3]
        assert [document.id for document in notes.scan()] == ["a", "b", 3]
        assert notes.search(adjoin.Like("a"), k=2).ids != []
        with pytest.raises(InvalidOption, match="hnsw"):
            db.collection("other", index="lsh")
        assert db.collection("other", embedder=None, index="hnsw").stats()["index"] == "hnsw"


# Many who write


ADDING = """
import sys
from adjoin.engines.postgres import PostgresEngine
from adjoin.errors import DuplicateId
from adjoin.testing.contract.data import put
engine = PostgresEngine(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
won = []
for n in range(40):
    try:
        put(engine, [f"same {n}", f"{sys.argv[2]} {n}"])
        won.append(n)
    except DuplicateId:
        pass
print(*won)
"""


def test_processes_that_add_the_same_ids_at_once_share_them_out(engine: PostgresEngine, url: str) -> None:
    make(engine, dim=8)
    writers = [start(ADDING, url, who) for who in ("one", "two")]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    won = [set(map(int, writer.communicate("go\n", timeout=60)[0].split())) for writer in writers]
    assert won[0] | won[1] == set(range(40))
    assert not won[0] & won[1]
    own = {f"{who} {n}" for who, numbers in zip(("one", "two"), won, strict=True) for n in numbers}
    assert set(held(engine)) == own | {f"same {n}" for n in range(40)}


def test_writers_of_the_same_rows_in_other_orders_do_not_lock_each_other_out(engine: PostgresEngine) -> None:
    make(engine, dim=8)
    ids = list(range(60))
    put(engine, ids)
    errors: list[BaseException] = []

    def work(seed: int) -> None:
        order = [int(n) for n in np.random.default_rng(seed).permutation(60)]
        try:
            for turn in range(8):
                put(engine, order, points(60, seed=seed * 100 + turn), mode="upsert")
                engine.update(NAME, [(n, {"by": seed}) for n in reversed(order)], replace=False)
                engine.delete(NAME, ids=order[:5])
        except BaseException as exc:
            errors.append(exc)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    # An update may come upon a row that another has just deleted: that is told, and is no lock.
    assert all(isinstance(error, NotFound) for error in errors), errors
    assert engine.count(NAME) == len(held(engine))
    assert engine.doctor().healthy


KILLED = """
import sys
from adjoin.engines.postgres import PostgresEngine
from adjoin.testing.contract.data import batch
engine = PostgresEngine(sys.argv[1])
def batches():
    yield batch(["a"], delete=["kept"], notes={"n": "new"})
    yield batch(["b"])
    print("midway", flush=True)
    sys.stdin.readline()
engine.write("rows", batches(), mode="add")
"""


def test_a_writer_killed_midway_leaves_nothing_and_holds_nothing(engine: PostgresEngine, url: str) -> None:
    make(engine)
    put(engine, ["kept"], notes={"n": "old"})
    writer = start(KILLED, url)
    assert writer.stdout is not None
    assert writer.stdout.readline() == "midway\n"
    writer.send_signal(signal.SIGKILL)
    writer.communicate(timeout=30)
    assert (list(held(engine)), engine.notes(NAME)) == (["kept"], {"n": "old"})
    assert put(engine, ["a", "b"], delete=["kept"]).deleted == 1
    engine.drop(NAME)


def test_a_stream_holds_no_lock_that_others_wait_for(engine: PostgresEngine, url: str) -> None:
    make(engine)
    put(engine, ["a"])
    other = PostgresEngine(url, write_timeout_s=2)

    def stream() -> Iterator[Batch]:
        yield batch(["b"])
        put(other, ["a"], points(1, seed=3), mode="upsert")
        assert other.known_vectors(NAME, []) == {}
        assert put(other, ["c"]).added == 1
        yield batch(["d"])

    assert engine.write(NAME, stream(), mode="add").added == 2
    assert list(held(engine)) == ["a", "c", "b", "d"]
    other.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_fork_has_connections_of_its_own(engine: PostgresEngine) -> None:
    make(engine)
    put(engine, ["a"])
    scan = engine.scan(NAME)
    next(scan)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            put(engine, ["by the child"])
            status = 0 if engine.count(NAME) == 2 else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert list(scan) == []
    put(engine, ["by the parent"])
    assert set(held(engine)) == {"a", "by the child", "by the parent"}


# Indexes and recall


@pytest.fixture
def small(url: str) -> Iterator[PostgresEngine]:
    """An engine that asks its index from 300 rows on."""
    opened = PostgresEngine(f"{url}&exact_below=300")
    yield opened
    opened.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("index", "metric", "storage"),
    [("hnsw", "cosine", "float32"), ("ivf", "euclidean", "float32"), ("auto", "manhattan", "float16")],
)
def test_the_index_gives_the_recall_that_was_asked_for(
    small: PostgresEngine, index: str, metric: Any, storage: str
) -> None:
    """Even for queries that are unlike the rows: live ones are measured first."""
    matrix = clustered(2000)
    if storage == "float16":
        matrix = matrix.astype(np.float16).astype(np.float32)
    make(small, metric=metric, index=index, storage=storage)
    put(small, range(2000), matrix, metadata=[{"half": n % 2, "n": n} for n in range(2000)])
    hint = find(small, points(1, 32), recall=0.9)[0].plan
    assert hint.strategy == "exact"
    assert index == "flat" or "optimize()" in "".join(hint.notes)
    small.optimize(NAME)
    queries = clustered(160, seed=5)
    found = [one for start in range(0, 160, 20) for one in find(small, queries[start : start + 20], 10, recall=0.9)]
    given: list[dict[Any, float]] = [
        dict(enumerate(true_distances(matrix, query, metric).tolist())) for query in queries
    ]
    shares = np.array([share_found(one, near, 10) for one, near in zip(found, given, strict=True)])
    by_index = np.array([one.plan.strategy != "exact" for one in found])
    assert by_index.sum() > 10
    assert shares.mean() >= 0.9
    assert shares[by_index].mean() >= 0.87  # a bound at 99 %, over some dozens of queries
    assert shares[~by_index].min() == 1
    told = next(one.plan for one in found if one.plan.strategy != "exact")
    assert "live queries" in told.reason
    assert 0.9 <= told.recall_promised < 1
    live = [line for line in small.stats(NAME)["measured"] if line["live"] and not line["filtered"]]
    assert live[0]["queries"] >= 20
    report = small.recall(NAME, k=10, budget_s=2)
    assert report.recall is not None
    assert report.recall >= 0.88


def test_what_was_measured_is_known_to_the_next_process(small: PostgresEngine, url: str) -> None:
    filled(small, clustered(1500), "cosine", metadata=None)
    small.optimize(NAME)
    for start_ in range(0, 120, 40):
        find(small, clustered(40, seed=start_ + 3), recall=0.8)
    other = PostgresEngine(f"{url}&exact_below=300")
    strategies = {found.plan.strategy for found in find(other, clustered(10, seed=1), recall=0.8)}
    assert "hnsw" in strategies
    other.close()


@pytest.mark.parametrize("scanned", [40_000, 50])
def test_a_filtered_search_is_never_short_though_the_index_is(
    small: PostgresEngine, monkeypatch: pytest.MonkeyPatch, scanned: int
) -> None:
    """pgvector gives up after so many rows of its index; then every row is compared."""
    monkeypatch.setattr(nearby, "_SCANNED", scanned)
    matrix = clustered(2000)
    query = clustered(1, seed=8)[0]
    order = np.argsort(-true_distances(matrix, query, "cosine"))
    place = np.empty(2000, np.int64)
    place[order] = np.arange(2000)
    filled(small, matrix, "cosine", metadata=[{"far": int(n) < 600} for n in place])
    small.optimize(NAME)
    plans = []
    for _ in range(40):
        (found,) = find(small, query, 10, where={"far": True}, recall=0.5)
        assert len(found.neighbours) == 10
        assert {place[n] < 600 for n in ids_of(found)} == {True}  # type: ignore[index]
        plans.append(found.plan)
    if scanned < 100:
        assert any("the index brought" in plan.reason for plan in plans)
    else:
        assert any(plan.strategy == "hnsw" for plan in plans)
    assert all(plan.matching == 600 for plan in plans if plan.strategy == "exact")


def test_the_index_is_asked_for_less_and_never_for_exact_search(small: PostgresEngine) -> None:
    filled(small, clustered(1000), "cosine", metadata=[{"n": n} for n in range(1000)])
    small.optimize(NAME)
    with small._connections.read() as connection:
        searcher = Searcher(connection, small_held(small), None, 0)
        run(connection, *nearby.settings_of(nearby.Dial("hnsw", 40), 10))
        text = "[" + ",".join(["0.5"] * 32) + "]"
        near = f"EXPLAIN SELECT seq FROM {searcher.held.table} ORDER BY (vector <=> '{text}'::vector(32)) LIMIT 10"
        assert "_near" in "".join(line for (line,) in run(connection, near))
        run(connection, *nearby.settings_of(None, 0))
        exact = near.replace("::vector(32))", "::vector(32)) - 0.0::float8")
        assert "_near" not in "".join(line for (line,) in run(connection, exact))


def small_held(engine: PostgresEngine) -> Any:
    from adjoin.engines.postgres import catalogue

    with engine._connections.read() as connection:
        return catalogue.load(connection, NAME, engine.location)


@pytest.mark.parametrize(("dim", "kind"), [(2000, "vector_l2_ops"), (2001, "halfvec_l2_ops"), (4001, None)])
def test_long_vectors_are_indexed_by_halves_or_compared_one_by_one(url: str, dim: int, kind: str | None) -> None:
    engine = PostgresEngine(f"{url}&exact_below=5")
    make(engine, index="hnsw", dim=dim)
    matrix = points(60, dim)
    put(engine, range(60), matrix)
    engine.optimize(NAME)
    with engine._connections.read() as connection:
        found = run(
            connection,
            "SELECT indexdef::text FROM pg_indexes WHERE indexname LIKE '%%near' AND schemaname = current_schema()",
        )
        made = "".join(line for (line,) in found)
    assert (kind in made) if kind else not made
    for n in range(0, 60, 7):
        (one,) = find(engine, matrix[n], 3, recall=0.9, with_vectors=True)
        assert ids_of(one)[0] == n
        assert np.array_equal(one.neighbours[0].document.vector, matrix[n])  # type: ignore[arg-type]
    engine.close()


def test_an_index_that_has_lost_much_is_built_anew_and_one_that_has_not_is_left(small: PostgresEngine) -> None:
    filled(small, clustered(1200), "cosine")
    small.optimize(NAME)
    first = index_file(small)
    small.optimize(NAME)
    assert index_file(small) == first
    small.delete(NAME, ids=list(range(400)))
    small.optimize(NAME)
    assert index_file(small) != first
    small.delete(NAME, where={})
    small.optimize(NAME)
    assert index_file(small) is None


def test_a_build_that_is_kept_waiting_ends_and_is_begun_anew(url: str) -> None:
    """CREATE INDEX CONCURRENTLY waits for all who read, and leaves half an index when it gives up."""
    engine = PostgresEngine(f"{url}&exact_below=100", write_timeout_s=0.3)
    filled(engine, clustered(1000), "cosine")
    scan = engine.scan(NAME)
    next(scan)
    put(engine, ["later"], clustered(1))
    with pytest.raises(StoreLocked):
        engine.optimize(NAME)
    assert find(engine, clustered(1), 3)[0].plan.strategy == "exact"
    assert len(list(scan)) == 999
    assert "was not built to its end" in str(engine.doctor())
    assert engine.doctor(repair=True).healthy
    assert engine.doctor().healthy
    engine.optimize(NAME)
    assert index_file(engine) is not None
    engine.close()


def index_file(engine: PostgresEngine) -> Any:
    with engine._connections.read() as connection:
        return run(connection, "SELECT pg_relation_filenode(to_regclass('rows_1_near'))").fetchone()[0]  # type: ignore[index]


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"index": "lsh"}, "auto, flat, hnsw, ivf"), ({"index": "hnsw", "params": {"M": 8}}, "m, ef_construction"),
        ({"index": "hnsw", "params": {"m": 1}}, "2 to 100"), ({"index": "ivf", "metric": "manhattan"}, "cosine, euclidean, dot"),
        ({"index": "hnsw", "metric": "chebyshev"}, "flat"), ({"storage": "int8"}, "float32, float16"), ({"dim": 16_001}, "16,000"),
        ({"params": {"lists": 3}}, "takes none"), ({"index": "hnsw", "params": {"m": 40, "ef_construction": 64}}, "twice"),
    ],
)  # fmt: skip
def test_what_pgvector_cannot_do_is_refused_with_what_it_can(
    engine: PostgresEngine, spec: dict[str, Any], words: str
) -> None:
    with pytest.raises(InvalidOption, match=words):
        make(engine, **spec)
    assert engine.collections() == []


# Errors


def test_the_location_does_not_show_a_password() -> None:
    address = Address.of(
        "postgres://user:s3cret@host:5432,other/db?schema=mine&exact_below=7&password=s3cret&sslmode=require"
    )
    assert address.shown == "postgresql://user@host:5432,other/db?schema=mine&exact_below=7&sslmode=require"
    assert address.driver == "postgresql://user:s3cret@host:5432,other/db?password=s3cret&sslmode=require"
    assert (address.schema, address.exact_below) == ("mine", 7)


@pytest.mark.parametrize(
    "options", ["schema=A", "schema=a;b", "schema=pg_x", "schema=", "exact_below=x", "exact_below=-1"]
)
def test_an_option_that_cannot_be_is_refused(server: Server, options: str) -> None:
    with pytest.raises(InvalidOption, match=options.split("=")[0]):
        adjoin.open(f"{server.url()}?{options}")


def test_no_server_no_database_and_no_user_are_told_apart(server: Server) -> None:
    for url, words in (
        ("postgresql://u:s3cret@127.0.0.1:1/db", "Is the server running"),
        (server.url("nowhere"), "nowhere.*Create it"),
        (server.url(user="nobody_here"), "nobody_here.*Create it"),
    ):
        with pytest.raises(StoreError, match=f"(?s){words}") as raised:
            adjoin.open(url)
        assert raised.value.__cause__ is not None
        assert "s3cret" not in str(raised.value)


def test_a_wrong_password_is_told(server: Server) -> None:
    server.run("CREATE ROLE guarded LOGIN PASSWORD 'right'")
    rules = server.data / "pg_hba.conf"
    old = rules.read_text()
    rules.write_text("host all guarded 127.0.0.1/32 scram-sha-256\n" + old)
    server.run("SELECT pg_reload_conf()")
    try:
        with pytest.raises(StoreError, match="Is the password right") as raised:
            adjoin.open(server.url(user="guarded:wr0ng"))
        assert "wr0ng" not in str(raised.value)
        with pytest.raises(StoreError, match=r"(?s)permission denied.*GRANT"):
            adjoin.open(server.url(user="guarded:right") + "?schema=forbidden")
    finally:
        rules.write_text(old)
        server.run("SELECT pg_reload_conf()")


def test_a_database_without_pgvector_is_told_what_to_do(server: Server) -> None:
    server.run("CREATE DATABASE bare")
    with pytest.raises(Unsupported, match="CREATE EXTENSION vector"):
        adjoin.open(server.url("bare"))


def test_a_schema_that_is_not_ours_is_left_alone(server: Server, url: str) -> None:
    schema = url.split("schema=")[1]
    server.run(f"CREATE SCHEMA {schema}; CREATE TABLE {schema}.theirs (a int)")
    with pytest.raises(NotAStore, match="something else"):
        adjoin.open(url)
    assert server.run(f"SELECT tablename::text FROM pg_tables WHERE schemaname = '{schema}'") == [("theirs",)]


def test_a_newer_format_is_left_alone(engine: PostgresEngine, server: Server, url: str) -> None:
    server.run(f"UPDATE {url.split('schema=')[1]}.meta SET value = '99'")
    with pytest.raises(NewerFormat, match="99"):
        adjoin.open(url)


def test_a_database_that_may_only_be_read_is_told(server: Server, url: str) -> None:
    PostgresEngine(url).close()
    reading = PostgresEngine(f"{url}&options=-c%20default_transaction_read_only%3Don")
    assert reading.collections() == []
    with pytest.raises(StoreError, match="may only be read"):
        make(reading)
    reading.close()


def test_waiting_for_a_lock_ends(server: Server, url: str) -> None:
    import psycopg

    engine = PostgresEngine(url, write_timeout_s=0.2)
    make(engine, dim=8)
    with psycopg.connect(server.url()) as other:
        other.execute(f"LOCK {url.split('schema=')[1]}.rows_1".encode())
        with pytest.raises(StoreLocked, match=r"0\.2 s.*write_timeout_s") as raised:
            put(engine, ["a"])
        assert isinstance(raised.value.__cause__, psycopg.Error)
    assert put(engine, ["a"]).added == 1
    engine.close()


def test_a_server_that_was_started_anew_is_found_again(engine: PostgresEngine, server: Server) -> None:
    make(engine)
    put(engine, ["a"])
    scan = engine.scan(NAME)
    next(scan)
    server.stop()
    with pytest.raises(StoreError):
        engine.count(NAME)
    server.start(fsync="off")
    assert engine.count(NAME) == 1
    with pytest.raises(StoreError):
        list(scan)
    assert put(engine, ["b"]).added == 1


def test_what_pgvector_cannot_keep_is_refused_whole(engine: PostgresEngine) -> None:
    make(engine)
    with pytest.raises(InvalidInput, match="16,000"):
        put(engine, ["a"], np.ones((1, 16_001), np.float32))
    bad = points(2)
    bad[1, 3] = np.nan  # which no caller of ours lets through
    with pytest.raises(InvalidInput, match=r"(?i)nan"):
        put(engine, ["a", "b"], bad)
    assert held(engine) == {}


def test_without_the_driver_the_extra_is_named() -> None:
    code = """
import sys
sys.modules["psycopg"] = None
import adjoin
try:
    adjoin.open("postgresql://localhost/x")
except adjoin.AdjoinError as exc:
    print(type(exc).__name__, exc)
"""
    assert "pip install 'adjoin[postgres]'" in python(code)


# Damage


def test_doctor_finds_damage_and_repairs_what_follows_from_the_rows(
    engine: PostgresEngine, server: Server, url: str
) -> None:
    schema = url.split("schema=")[1]
    make(engine)
    put(engine, range(20), metadata=[{"n": n} for n in range(20)])
    assert engine.doctor().healthy
    server.run(
        f"UPDATE {schema}.rows_1 SET tokens = '{{}}' WHERE id_int = 3; INSERT INTO {schema}.counts VALUES (1, 5)"
    )
    assert engine.count(NAME, {"n": 3}) == 0
    diagnosis = engine.doctor()
    assert not diagnosis.healthy
    assert [finding.repairable for finding in diagnosis.findings if finding.level == "damage"] == [True, True]
    assert engine.doctor(repair=True).healthy
    assert (engine.count(NAME), engine.count(NAME, {"n": 3})) == (20, 1)
    assert engine.doctor().healthy
    server.run(f"UPDATE {schema}.rows_1 SET content = 'other' WHERE id_int = 4")
    diagnosis = engine.doctor(repair=True)
    assert not diagnosis.healthy
    with pytest.raises(StoreCorrupted, match="doctor"):
        engine.get(NAME, [4])
    assert len(engine.get(NAME, [5])) == 1


def test_a_collection_dropped_by_another_is_told(engine: PostgresEngine, url: str) -> None:
    make(engine)
    put(engine, ["a"])
    other = PostgresEngine(url)
    other.drop(NAME)
    with pytest.raises(NotFound, match=NAME):
        put(engine, ["b"])
    make(engine, dim=3)
    assert other.spec(NAME).dim == 3  # type: ignore[union-attr]
    with pytest.raises(DuplicateId):
        put(other, ["a", "a"], points(2, 3))
    other.close()


def test_a_search_for_more_than_is_measured_is_exact(small: PostgresEngine) -> None:
    matrix = clustered(800)
    filled(small, matrix, "cosine")
    small.optimize(NAME)
    (found,) = small.search(NAME, SearchRequest(matrix[:1], 500))
    assert (len(found.neighbours), found.plan.strategy) == (500, "exact")
