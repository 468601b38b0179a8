"""Items → vectors: the embedders, their names, and the identity that a collection keeps."""

from __future__ import annotations

from adjoin.embed.base import Embedder as Embedder
from adjoin.embed.base import Refused as Refused
from adjoin.embed.base import embed_all as embed_all
from adjoin.embed.compose import concat as concat
from adjoin.embed.compose import weighted as weighted
from adjoin.embed.identity import Identity as Identity
from adjoin.embed.identity import check_identity as check_identity
from adjoin.embed.identity import verify_canaries as verify_canaries
from adjoin.embed.identity import with_canaries as with_canaries
from adjoin.embed.own_function import function as function
from adjoin.embed.reduction import ReducedEmbedder as ReducedEmbedder
from adjoin.embed.reduction import reduce as reduce
from adjoin.embed.registry import embedder as embedder
from adjoin.embed.registry import is_name as is_name
from adjoin.embed.towers import joint as joint
