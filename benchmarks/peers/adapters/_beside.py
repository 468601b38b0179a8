"""What a bare library lacks: the texts and the numbers to filter by, in files beside its index."""

from __future__ import annotations

import json

import numpy as np


def keep(folder, texts, metadata):
    with open(f"{folder}/texts.json", "w", encoding="utf-8") as file:
        json.dump(texts, file, ensure_ascii=False)
    np.save(f"{folder}/numbers.npy", np.array([one["number"] for one in metadata]))


def kept(folder):
    with open(f"{folder}/texts.json", encoding="utf-8") as file:
        return json.load(file), np.load(f"{folder}/numbers.npy")
