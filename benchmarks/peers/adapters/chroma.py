"""Chroma, embedded. Its metadata lie in SQLite with an index that it makes itself."""

from __future__ import annotations

import chromadb
from chromadb.config import Settings

INSTALL = ("chromadb==1.5.9", "numpy==2.4.6")
NAME = "Chroma"
KIND = "database"
EFFORTS = [10, 20, 40, 80, 120, 160, 240, 320, 480, 640, 1280]
NOTE = "HNSW with its defaults (m 16, ef_construction 100); the dial is `ef_search`, changed by `modify()`"


def version() -> str:
    return chromadb.__version__


class Peer:
    effort = None

    def create(self, folder, dim, metric):
        self.client = _client(folder)
        self.rows = self.client.create_collection(
            "rows", configuration={"hnsw": {"space": metric}}, embedding_function=None
        )

    def insert(self, vectors, ids, texts, metadata):
        most = self.client.get_max_batch_size()
        for start in range(0, len(ids), most):
            part = slice(start, start + most)
            self.rows.add(
                ids=[str(row) for row in ids[part]],
                documents=texts[part],
                metadatas=metadata[part],
                embeddings=vectors[part],
            )

    def build(self):
        pass  # the graph grows with every add

    def close(self):
        del self.rows
        self.client.close()

    def open(self, folder, dim, metric):
        self.folder = folder
        self.client = _client(folder)
        self.rows = self.client.get_collection("rows", embedding_function=None)

    def dial(self, effort):
        """Turn the dial, untimed: it is part of the collection, and read when the index is loaded."""
        if effort != self.effort:
            self.rows.modify(configuration={"hnsw": {"ef_search": effort}})
            self.close()
            chromadb.api.client.SharedSystemClient.clear_system_cache()
            self.open(self.folder, None, None)
            self.effort = effort

    def search(self, vector, k, effort, bounds):
        where = None
        if bounds is not None:
            where = {"$and": [{"number": {"$gte": bounds[0]}}, {"number": {"$lt": bounds[1]}}]}
        found = self.rows.query(query_embeddings=[vector], n_results=k, where=where, include=["documents"])
        return [int(row) for row in found["ids"][0]], found["documents"][0]


def _client(folder):
    return chromadb.PersistentClient(folder, settings=Settings(anonymized_telemetry=False))
