"""usearch: a library. Its Python index takes no filter, so that what matches is picked from a longer answer."""

from __future__ import annotations

import numpy as np
import usearch
from usearch.index import Index

from adapters._beside import keep, kept

INSTALL = ("usearch==2.26.6", "numpy==2.4.6")
NAME = "usearch"
KIND = "library"
EFFORTS = [16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 1024, 2048]
NOTE = (
    "f32, connectivity 16, expansion_add 200; no filter in Python: 2 k over its share are fetched and sorted out; texts in "
    "a Python list; the dial is `expansion_search`"
)


def version() -> str:
    return usearch.__version__


class Peer:
    def create(self, folder, dim, metric):
        self.folder = folder
        self.index = Index(ndim=dim, metric=_metric(metric), dtype="f32", connectivity=16, expansion_add=200)

    def insert(self, vectors, ids, texts, metadata):
        self.index.add(np.asarray(ids), vectors)
        keep(self.folder, texts, metadata)

    def build(self):
        self.index.save(f"{self.folder}/rows.usearch")

    def close(self):
        pass

    def open(self, folder, dim, metric):
        self.index = Index.restore(f"{folder}/rows.usearch")
        self.texts, self.numbers = kept(folder)

    def search(self, vector, k, effort, bounds):
        self.index.expansion_search = effort
        if bounds is None:
            rows = self.index.search(vector, k, threads=1).keys
        else:
            share = (bounds[1] - bounds[0]) / len(self.texts)
            rows = self.index.search(vector, min(int(2 * k / share), len(self.texts)), threads=1).keys
            numbers = self.numbers[rows]
            rows = rows[(numbers >= bounds[0]) & (numbers < bounds[1])][:k]
        rows = rows.tolist()
        return rows, [self.texts[row] for row in rows]


def _metric(metric):
    return {"cosine": "cos", "l2": "l2sq"}[metric]
