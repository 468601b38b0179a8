"""Any object with identity, dim and embed is an embedder. Run: python examples/own_embedder.py"""

import tempfile

import numpy as np

import adjoin


class Letters:
    """Counts letters: two words are near when they are made of the same ones."""

    identity = "letters-1"  # change it whenever the vectors change: collections refuse another identity
    dim = 26

    def embed(self, items, kind="document"):
        vectors = np.full((len(items), self.dim), 1e-3, np.float32)
        for row, word in enumerate(items):
            for letter in word.lower():
                if "a" <= letter <= "z":
                    vectors[row, ord(letter) - ord("a")] += 1
        return vectors


with tempfile.TemporaryDirectory() as folder:
    with adjoin.open(f"{folder}/words.adjoin") as db:
        words = db.collection("words", embedder=Letters())
        words.add(["listen", "enlist", "granite", "tasting", "below"])
        print(words.search("silent", k=2))

    Letters.identity = "letters-2"
    with adjoin.open(f"{folder}/words.adjoin") as db:
        try:
            db.collection("words", embedder=Letters())
        except adjoin.AdjoinError as error:
            print(f"{type(error).__name__}: {error}")
