"""Texts: normalised, split into sentences, cut without harm, and shown in excerpt."""

from adjoin.text.excerpt import Excerpt as Excerpt
from adjoin.text.excerpt import excerpt as excerpt
from adjoin.text.normalise import normalise as normalise
from adjoin.text.normalise import one_line as one_line
from adjoin.text.sentences import Span as Span
from adjoin.text.sentences import sentences as sentences
