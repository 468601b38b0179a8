"""hnswlib: a library. Texts are a list beside it; a filter is a Python function that it calls for every candidate."""

from __future__ import annotations

from importlib.metadata import version as _version

import hnswlib

from adapters._beside import keep, kept

INSTALL = ("hnswlib==0.8.0", "numpy==2.4.6")
NAME = "hnswlib"
KIND = "library"
EFFORTS = [10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 1024, 2048]
NOTE = "M 16, ef_construction 200; filter by its callback; texts in a Python list; the dial is `ef`"


def version() -> str:
    return _version("hnswlib")


class Peer:
    def create(self, folder, dim, metric):
        self.folder = folder
        self.index = hnswlib.Index(space=metric, dim=dim)

    def insert(self, vectors, ids, texts, metadata):
        self.index.init_index(len(ids), M=16, ef_construction=200, random_seed=1)
        self.index.add_items(vectors, ids)
        keep(self.folder, texts, metadata)

    def build(self):
        self.index.save_index(f"{self.folder}/rows.hnsw")

    def close(self):
        pass

    def open(self, folder, dim, metric):
        self.index = hnswlib.Index(space=metric, dim=dim)
        self.index.load_index(f"{folder}/rows.hnsw")
        self.index.set_num_threads(1)
        self.texts, self.numbers = kept(folder)

    def search(self, vector, k, effort, bounds):
        self.index.set_ef(effort)
        wanted = None
        if bounds is not None:
            match = (self.numbers >= bounds[0]) & (self.numbers < bounds[1])
            wanted = match.tobytes().__getitem__  # 1 or 0: quicker than an array's own
            k = min(k, int(match.sum()))
        try:
            found, _ = self.index.knn_query(vector, k, num_threads=1, filter=wanted)
        except RuntimeError:  # fewer than k found: it returns none at all
            return [], []
        rows = found[0].tolist()
        return rows, [self.texts[row] for row in rows]
