"""adjoin: things into vectors, kept, and their neighbours found."""

from adjoin._version import __version__ as __version__
