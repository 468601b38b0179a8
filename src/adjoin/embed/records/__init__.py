"""Records into vectors: one block a field, with its own scale, missing values and weight."""

from __future__ import annotations

from adjoin.embed.records.embedder import RecordsEmbedder as RecordsEmbedder
from adjoin.embed.records.explain import Explanation as Explanation
from adjoin.embed.records.schema import Schema as Schema
