"""Words as vectors: trained here or loaded, and sentences made of them."""

from adjoin.embed.words.base import Neighbour as Neighbour
from adjoin.embed.words.base import WordEmbedder as WordEmbedder
from adjoin.embed.words.make import fasttext as fasttext
from adjoin.embed.words.make import glove as glove
from adjoin.embed.words.make import load_words as load_words
from adjoin.embed.words.make import word2vec as word2vec
