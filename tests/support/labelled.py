"""Real labelled items that come with packages: digits of scikit-learn (UCI, CC BY 4.0), and tones made here."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


def digits(count: int) -> tuple[list[Array], list[int]]:
    """The first handwritten digits, (8, 8) of uint8, and what they are. Scikit-learn has 1,797."""
    from sklearn.datasets import load_digits

    found = load_digits()
    return list((found.images[:count] / 16 * 255).astype(np.uint8)), found.target[:count].tolist()


def tones(count: int, seed: int = 0) -> tuple[list[tuple[Array, int]], list[str]]:
    """Clips of half a second with noise: rising, falling and steady tones from anywhere between 300 and 900 Hz."""
    random = np.random.default_rng(seed)
    clips, labels = [], []
    for n in range(count):
        label = ("rising", "falling", "steady")[n % 3]
        rate = (8_000, 16_000)[n % 2]
        moments = np.arange(rate // 2) / rate
        slope = {"rising": 1_200, "falling": -1_200, "steady": 0}[label]
        low = random.uniform(300, 900) + (600 if label == "falling" else 0)
        wave = np.sin(2 * np.pi * (low + slope * moments / 2) * moments) + 0.1 * random.standard_normal(len(moments))
        clips.append((wave.astype(np.float32) * 0.5, rate))
        labels.append(label)
    return clips, labels
