"""The memory of a language model: what many users said in their sessions, strictly apart, recalled when it matters."""

from adjoin.llm.memory.folding import Fact as Fact
from adjoin.llm.memory.memory import Answered as Answered
from adjoin.llm.memory.memory import Explained as Explained
from adjoin.llm.memory.memory import Memory as Memory
from adjoin.llm.memory.memory import Remembered as Remembered
from adjoin.llm.memory.memory import Session as Session
from adjoin.llm.memory.memory import Tidied as Tidied
from adjoin.llm.memory.memory import Undone as Undone
from adjoin.llm.memory.policy import Policy as Policy
from adjoin.llm.memory.recalling import Memorised as Memorised
from adjoin.llm.memory.recalling import Recalled as Recalled
from adjoin.llm.memory.record import Record as Record
from adjoin.llm.memory.scoring import Score as Score
from adjoin.llm.memory.scoring import Weights as Weights
