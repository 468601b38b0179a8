"""txtai with its default index (Faiss IVF) and content in SQLite; without torch, since the vectors are given.

It asks the index first and SQL afterwards, so a filter is handed 2 k over its share as candidates.
"""

from __future__ import annotations

from importlib.metadata import version as _version

from txtai import Embeddings

INSTALL = ("txtai-minimal==9.14.0", "faiss-cpu==1.15.1", "msgpack==1.2.4", "pyyaml==6.0.4", "numpy==2.4.6")
NAME = "txtai"
KIND = "database"
EFFORTS = [2, 4, 6, 10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 400, 2000]
NOTE = (
    "its default Faiss index and SQLite content, without torch (vectors are given); a filter is handed 2 k over its share "
    "as candidates; the dial is `nprobe`"
)


def version() -> str:
    return _version("txtai-minimal")


class Peer:
    def create(self, folder, dim, metric):
        if metric != "cosine":
            raise NotImplementedError("txtai compares by cosine only")
        self.folder = folder
        self.rows = Embeddings(method="external", transform=lambda data: self._next(data), content=True, dimensions=dim)

    def _next(self, data):
        start, self.start = self.start, self.start + len(data)
        return self.vectors[start : self.start]

    def insert(self, vectors, ids, texts, metadata):
        self.vectors, self.start = vectors, 0
        self.rows.index((ids[n], {"text": texts[n], **metadata[n]}, None) for n in range(len(ids)))
        assert self.start == len(ids)
        del self.rows.config["transform"], self.vectors

    def build(self):
        self.rows.save(f"{self.folder}/rows")

    def close(self):
        self.rows.close()

    def open(self, folder, dim, metric):
        self.rows = Embeddings()
        self.rows.load(f"{folder}/rows")

    def search(self, vector, k, effort, bounds):
        self.rows.ann.config["faiss"] = {"nprobe": effort}
        wanted, candidates = "", k
        if bounds is not None:
            wanted = f" and number >= {bounds[0]} and number < {bounds[1]}"
            candidates = int(2 * k * self.rows.count() / (bounds[1] - bounds[0]))
        found = self.rows.search(
            f"select id, text from txtai where similar(:v, {candidates}){wanted}", k, parameters={"v": vector}
        )
        return [int(one["id"]) for one in found], [one["text"] for one in found]
