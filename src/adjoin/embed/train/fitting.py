"""The training of a network: batches of labels, early stop, and a checkpoint after each epoch.

What chance decides in an epoch is drawn from the seed and the epoch's number alone, so that a training that was killed
goes on from its last epoch as if nothing had happened.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import time
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from adjoin.embed.train import networks
from adjoin.embed.train.history import Epoch, History
from adjoin.embed.train.report import judge
from adjoin.errors import InvalidOption, UnreadableFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from adjoin.embed.train.items import Pixels
    from adjoin.embed.train.labels import Places, Split
    from adjoin.types import Floats

FILE: Final = "checkpoint.npz"
OF_ONE_LABEL: Final = 8
"""Items of one label in a batch, where it has as many."""
AT_ONCE: Final = 128
GALLERY: Final = 2_000
"""Items learned from among which those watched are searched for after each epoch."""
WEIGHT_DECAY: Final = 1e-4


@dataclass(frozen=True, slots=True)
class Settings:
    """What decides a training, with its data. The names are those of the embedder's options."""

    net: str
    dim: int
    loss: str
    size: int
    width: int
    epochs: int
    batch: int
    rate: float
    margin: float
    temperature: float
    patience: int
    augment: Mapping[str, float]
    held_out: float
    seed: int


@dataclass(slots=True)
class _State:
    """Where a training stands: all that a checkpoint holds."""

    epochs: list[Epoch]
    best: int
    best_weights: dict[str, NDArray[Any]]


def train(
    settings: Settings, pixels: Pixels, codes: Places, parts: Split, *,
    checkpoint: Path | None, threads: int | None, progress: Callable[[int, int | None], None] | None,
) -> tuple[Any, Any, History]:  # fmt: skip
    """The network before training and the best one after it, and the history.

    pixels: (items, side, side, channels) of bytes. codes: (items,). Goes on from the checkpoint in that folder where it is of
    the same data and settings. Raises InvalidOption for a checkpoint of another training.
    """
    with _own_threads(threads):
        run = _Run(settings, pixels, codes, parts)
        run.settle()
        untrained = run.copy()
        state = _State([], 0, {})
        if checkpoint is not None:
            checkpoint.mkdir(parents=True, exist_ok=True)
            run.load(checkpoint / FILE, state)
        steps = run.batches_an_epoch
        while len(state.epochs) < settings.epochs and len(state.epochs) - state.best < settings.patience:
            number = len(state.epochs) + 1
            done = (number - 1) * steps

            def tell(step: int, done: int = done) -> None:
                if progress:
                    progress(done + step, settings.epochs * steps)

            epoch = run.epoch(number, tell)
            if state.best == 0 or _standing(epoch) > _standing(state.epochs[state.best - 1]):
                state.best, state.best_weights = number, run.weights()
            state.epochs.append(epoch)
            if checkpoint is not None:
                run.save(checkpoint / FILE, state)
        run.set_weights(state.best_weights)
        if progress:
            progress(settings.epochs * steps, settings.epochs * steps)
        return untrained, run.network.eval(), History(tuple(state.epochs), state.best, settings.loss)


def vectors_of(network: Any, pixels: Pixels) -> Floats:
    """Vectors of pictures (n, side, side, channels), by torch."""
    import torch

    network.eval()
    with torch.no_grad():
        parts = [
            network(as_tensor(pixels[start : start + AT_ONCE])).numpy() for start in range(0, len(pixels), AT_ONCE)
        ]
    return np.concatenate(parts)


def as_tensor(pixels: Pixels) -> Any:
    import torch

    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))).float()


def _standing(epoch: Epoch) -> tuple[float, float]:
    """By which an epoch is better than another: what it finds, and how far labels are apart where that is equal."""
    return epoch.recall, epoch.different - epoch.same


@contextmanager
def _own_threads(threads: int | None) -> Iterator[None]:
    """torch's threads and random state as they were, afterwards."""
    import torch

    before = torch.get_num_threads()
    with torch.random.fork_rng(devices=[]):
        try:
            if threads is not None:
                torch.set_num_threads(threads)
            yield
        finally:
            torch.set_num_threads(before)


class _Run:
    def __init__(self, settings: Settings, pixels: Pixels, codes: Places, parts: Split) -> None:
        import torch

        self.settings, self.pixels, self.codes, self.parts = settings, pixels, codes, parts
        torch.manual_seed(settings.seed)
        learned = pixels[parts.learned]
        self._statistics = (
            learned.mean(axis=(0, 1, 2), dtype=np.float64),
            np.maximum(learned.std(axis=(0, 1, 2), dtype=np.float64), 1.0),
        )
        self.network = self._new()
        self.optimizer = torch.optim.AdamW(self.network.parameters(), settings.rate, weight_decay=WEIGHT_DECAY)
        counts = np.bincount(codes[parts.learned])
        self._of_one = int(np.clip(np.median(counts[counts > 0]), 2, OF_ONE_LABEL))
        self.batches_an_epoch = len(self._batches(np.random.default_rng(0)))

    def _new(self) -> Any:
        mean, deviation = self._statistics
        return networks.build(
            self.settings.net, channels=self.pixels.shape[3], width=self.settings.width, dim=self.settings.dim,
            mean=mean, deviation=deviation,
        )  # fmt: skip

    def copy(self) -> Any:
        """The network as it is now."""
        import torch

        state = torch.random.get_rng_state()
        copy = self._new()
        torch.random.set_rng_state(state)
        copy.load_state_dict(self.network.state_dict())
        return copy.eval()

    def weights(self) -> dict[str, NDArray[Any]]:
        return {name: tensor.detach().numpy().copy() for name, tensor in self.network.state_dict().items()}

    def set_weights(self, weights: Mapping[str, NDArray[Any]]) -> None:
        import torch

        self.network.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in weights.items()})

    def epoch(self, number: int, tell: Callable[[int], object]) -> Epoch:
        import torch

        began = time.perf_counter()
        settings = self.settings
        chance = np.random.default_rng([settings.seed, number])
        generator = torch.Generator().manual_seed(int(chance.integers(2**62)))
        total = settings.epochs * self.batches_an_epoch
        self.network.train()
        losses = []
        batches = self._batches(chance)
        for step, batch in enumerate(batches, start=1):
            at = (number - 1) * self.batches_an_epoch + step
            # A tenth of the way up, so that the hardest of a batch do not pull all into one point; then down in a cosine.
            rise = min(1.0, at / max(1, total // 10))
            for group in self.optimizer.param_groups:
                group["lr"] = settings.rate * rise * (0.02 + 0.98 * 0.5 * (1 + np.cos(np.pi * at / total)))
            pictures = networks.augmented(as_tensor(self.pixels[batch]), settings.augment, generator)
            loss = self._loss(self.network(pictures), torch.from_numpy(self.codes[batch]))
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            losses.append(float(loss.detach()))
            tell(step)
        self.settle()
        recall, same, different = self._watched()
        return Epoch(number, float(np.mean(losses)), recall, same, different, time.perf_counter() - began)

    def _loss(self, vectors: Any, labels: Any) -> Any:
        if self.settings.loss == "triplet":
            return networks.triplet(vectors, labels, margin=self.settings.margin)
        return networks.supcon(vectors, labels, temperature=self.settings.temperature)

    def _batches(self, chance: np.random.Generator) -> list[Places]:
        """Each item about once, several of one label together, so that there are partners in a batch."""
        groups = []
        learned = self.parts.learned
        for code in np.unique(self.codes[learned]):
            places = chance.permutation(learned[self.codes[learned] == code])
            short = -len(places) % self._of_one
            places = np.concatenate([places, chance.choice(places, short)])
            groups += list(places.reshape(-1, self._of_one))
        order = chance.permutation(len(groups))
        a_batch = max(2, self.settings.batch // self._of_one)
        found = [
            np.concatenate([groups[n] for n in order[start : start + a_batch]])
            for start in range(0, len(order), a_batch)
        ]
        # A last batch of one group has no strangers.
        return found[:-1] if len(found) > 1 and len(found[-1]) == self._of_one else found

    def settle(self) -> None:
        """Measure the means and deviations that the network normalises by anew, over items learned from.

        The running ones trail behind, by whole epochs where there are few batches.
        Source: Wu and Johnson, "Rethinking 'Batch' in BatchNorm", 2021.
        """
        import torch

        norms = [
            part for part in self.network.modules() if isinstance(part, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d)
        ]
        usual = [part.momentum for part in norms]
        chosen = self._gallery()
        self.network.train()
        with torch.no_grad():
            for part in norms:
                part.reset_running_stats()
                part.momentum = None  # a plain mean of what follows
            for places in np.array_split(chosen, max(1, len(chosen) // AT_ONCE)):
                self.network(as_tensor(self.pixels[places]))
        for part, momentum in zip(norms, usual, strict=True):
            part.momentum = momentum

    def _gallery(self) -> Places:
        """Some of the items learned from, evenly spaced."""
        return self.parts.learned[:: -(-len(self.parts.learned) // GALLERY)]

    def _watched(self) -> tuple[float, float, float]:
        """recall@1, and mean distances to the same label and to others, of the items watched."""
        gallery = self._gallery()
        judged = judge(
            vectors_of(self.network, self.pixels[gallery]), self.codes[gallery],
            vectors_of(self.network, self.pixels[self.parts.watched]), self.codes[self.parts.watched],
        )  # fmt: skip
        return judged.recall[1], judged.same, judged.different

    def _fingerprint(self) -> str:
        """Of all that decides the training. The number of epochs is of it, since the learning rate falls over them."""
        digest = hashlib.sha256(json.dumps(asdict(self.settings), sort_keys=True).encode())
        for array in (
            self.pixels,
            self.codes,
            *(getattr(self.parts, name) for name in ("learned", "watched", "reported")),
        ):
            digest.update(f"{array.dtype.str}{array.shape}".encode() + np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def save(self, path: Path, state: _State) -> None:
        """The file appears whole or not at all."""
        about = {
            "fingerprint": self._fingerprint(), "best": state.best, "epochs": [asdict(epoch) for epoch in state.epochs],
        }  # fmt: skip
        arrays = {"about": np.frombuffer(json.dumps(about).encode(), np.uint8)}
        arrays |= {f"weights:{name}": array for name, array in self.weights().items()}
        arrays |= {f"best:{name}": array for name, array in state.best_weights.items()}
        for number, moments in self.optimizer.state_dict()["state"].items():
            arrays |= {f"adam:{number}:{name}": tensor.numpy() for name, tensor in moments.items()}
        content = io.BytesIO()
        np.savez(content, **arrays)  # type: ignore[arg-type]  # never pickled: all are plain numbers
        draft = path.with_suffix(".part")
        with draft.open("wb") as file:
            file.write(content.getbuffer())
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)

    def load(self, path: Path, state: _State) -> None:
        """Go on from the file, where there is one."""
        import torch

        if not path.exists():
            return
        try:
            with np.load(path, allow_pickle=False) as content:
                arrays = dict(content)
            about = json.loads(arrays.pop("about").tobytes())
        except Exception as exc:  # a damaged file makes NumPy raise nearly anything
            raise UnreadableFile(f"{path} is no checkpoint: {exc}. Remove it to train from the start.") from exc
        if about["fingerprint"] != self._fingerprint():
            raise InvalidOption(
                f"{path} is of a training with other items, labels or options. Give another folder, or remove it."
            )
        state.epochs = [Epoch(**epoch) for epoch in about["epochs"]]
        state.best = about["best"]
        state.best_weights = _of(arrays, "best:")
        self.set_weights(_of(arrays, "weights:"))
        moments: dict[int, dict[str, Any]] = {}
        for name, array in _of(arrays, "adam:").items():
            number, _, part = name.partition(":")
            moments.setdefault(int(number), {})[part] = torch.from_numpy(array.copy())
        plain = self.optimizer.state_dict()
        self.optimizer.load_state_dict({"state": moments, "param_groups": plain["param_groups"]})


def _of(arrays: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
