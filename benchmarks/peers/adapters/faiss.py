"""FAISS HNSW: a library. Texts are a list beside it; a filter is a selector of ids that the search is handed."""

from __future__ import annotations

import faiss
import numpy as np

from adapters._beside import keep, kept

INSTALL = ("faiss-cpu==1.15.1", "numpy==2.4.6")
NAME = "FAISS HNSW"
KIND = "library"
EFFORTS = [10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 1024, 2048]
NOTE = "IndexHNSWFlat M 16, efConstruction 200; filter by `IDSelectorBitmap`; texts in a Python list; the dial is `efSearch`"


def version() -> str:
    return faiss.__version__


class Peer:
    def create(self, folder, dim, metric):
        self.folder, self.metric = folder, metric
        kind = {"cosine": faiss.METRIC_INNER_PRODUCT, "l2": faiss.METRIC_L2}[metric]
        self.index = faiss.IndexHNSWFlat(dim, 16, kind)
        self.index.hnsw.efConstruction = 200

    def insert(self, vectors, ids, texts, metadata):
        self.index.add(_unit(vectors) if self.metric == "cosine" else vectors)
        keep(self.folder, texts, metadata)

    def build(self):
        faiss.write_index(self.index, f"{self.folder}/rows.faiss")

    def close(self):
        pass

    def open(self, folder, dim, metric):
        self.metric = metric
        faiss.omp_set_num_threads(1)  # one query is one thread's work; the pool only costs
        self.index = faiss.read_index(f"{folder}/rows.faiss")
        self.texts, self.numbers = kept(folder)

    def search(self, vector, k, effort, bounds):
        settings = faiss.SearchParametersHNSW(efSearch=effort)
        if bounds is not None:
            wanted = np.packbits((self.numbers >= bounds[0]) & (self.numbers < bounds[1]), bitorder="little")
            settings.sel = selector = faiss.IDSelectorBitmap(wanted)
        vector = vector / np.linalg.norm(vector) if self.metric == "cosine" else vector
        _, found = self.index.search(vector[None], k, params=settings)
        if bounds is not None:
            del selector
        rows = [row for row in found[0].tolist() if row >= 0]
        return rows, [self.texts[row] for row in rows]


def _unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
