"""Sounds as vectors: `decode` reads clips in blocks, `mel` makes spectrograms, `statistics` and `network` vectors.

`windows` cuts a long clip into pieces that know where they are; `spectrogram` is the picture of a clip.
"""

from __future__ import annotations

from adjoin.embed.sound.base import SoundEmbedder
from adjoin.embed.sound.mel import mfcc, spectrogram
from adjoin.embed.sound.windows import windows

__all__ = ["SoundEmbedder", "mfcc", "spectrogram", "windows"]
