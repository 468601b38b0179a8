"""Text as a vector space model: counts, TF-IDF and LSA."""

from adjoin.embed.vectorspace.lsa import LSA as LSA
from adjoin.embed.vectorspace.lsa import load_lsa as load_lsa
from adjoin.embed.vectorspace.lsa import lsa as lsa
from adjoin.embed.vectorspace.options import Options as Options
from adjoin.embed.vectorspace.space import Term as Term
from adjoin.embed.vectorspace.space import VectorSpace as VectorSpace
from adjoin.embed.vectorspace.space import counts as counts
from adjoin.embed.vectorspace.space import load_space as load_space
from adjoin.embed.vectorspace.space import tfidf as tfidf
