"""Doubles that this project's tests and its users' tests share: real objects, small and the same on every machine."""

from adjoin.testing.embedders import TinyEmbedder as TinyEmbedder
