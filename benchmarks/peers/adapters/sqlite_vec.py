"""sqlite-vec: exact search in a virtual table whose metadata columns it filters by while it scans."""

from __future__ import annotations

import apsw
import sqlite_vec

INSTALL = ("sqlite-vec==0.1.9", "apsw==3.54.1.0", "numpy==2.4.6")
NAME = "sqlite-vec"
KIND = "database"
EFFORTS = [None]
NOTE = "exact: it has no other search; `number` is a metadata column, the text an auxiliary one"


def version() -> str:
    return sqlite_vec.__version__


class Peer:
    def create(self, folder, dim, metric):
        self.connection = _connect(folder)
        self.connection.execute(
            f"create virtual table rows using vec0(embedding float[{dim}] distance_metric={_metric(metric)}, "
            "number integer, category text, weight float, +text text)"
        )

    def insert(self, vectors, ids, texts, metadata):
        with self.connection:
            self.connection.executemany(
                "insert into rows(rowid, embedding, number, category, weight, text) values (?, ?, ?, ?, ?, ?)",
                (
                    (
                        ids[n],
                        vectors[n],
                        metadata[n]["number"],
                        metadata[n]["category"],
                        metadata[n]["weight"],
                        texts[n],
                    )
                    for n in range(len(ids))
                ),
            )

    def build(self):
        pass

    def close(self):
        self.connection.close()

    def open(self, folder, dim, metric):
        self.connection = _connect(folder)

    def search(self, vector, k, effort, bounds):
        wanted = "" if bounds is None else "and number >= ? and number < ?"
        found = self.connection.execute(
            f"select rowid, text from rows where embedding match ? and k = ? {wanted} order by distance",
            (vector, k, *(bounds or ())),
        ).fetchall()
        return [row for row, _ in found], [text for _, text in found]


def _connect(folder):
    connection = apsw.Connection(f"{folder}/rows.db")  # Python's own sqlite3 may be built without extensions
    connection.enable_load_extension(True)
    connection.load_extension(sqlite_vec.loadable_path())
    connection.enable_load_extension(False)
    return connection


def _metric(metric):
    return {"cosine": "cosine", "l2": "L2"}[metric]
