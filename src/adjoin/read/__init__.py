"""Files, folders and tables to chunks of text, each with where it came from.

The reader of each format is imported when a file of that format is read.
"""

from adjoin.read.docstrings import docstrings_fingerprint as docstrings_fingerprint
from adjoin.read.docstrings import read_docstrings as read_docstrings
from adjoin.read.formats import read_file as read_file
from adjoin.read.hashed import content_hash as content_hash
from adjoin.read.settings import READER_VERSION as READER_VERSION
from adjoin.read.settings import FoundFile as FoundFile
from adjoin.read.settings import Media as Media
from adjoin.read.settings import ReadSettings as ReadSettings
from adjoin.read.settings import Skipped as Skipped
from adjoin.read.walk import walk as walk
from adjoin.read.watching import watch as watch
