"""Shortening texts: of a long one the sentences that are nearest to a query stand for it."""

from __future__ import annotations

from ..graph.memories import Memory
from ..graph.sessions import Turn
from .embedding import Embedder
from .sheet import one_line
from .summary import Sentence, summary
from .tokens import Tokenizer

_MOST_LONG = 16
"""So many long texts are looked through; of more the beginning is taken."""


class Shortener:
    """Gives memories' texts in at most `most` tokens each."""

    def __init__(self, embedder: Embedder, tokenizer: Tokenizer, query: str, most: int) -> None:
        self._embedder = embedder
        self._tokenizer = tokenizer
        self._query = query
        self._most = most
        self._known: dict[str, str] = {}
        self._patience = _MOST_LONG

    async def short(self, memory: Memory | Turn) -> str:
        """The memory's text, or what stands for it."""
        if memory.id not in self._known:
            self._known[memory.id] = await self._shortened(one_line(memory.text or ""))
        return self._known[memory.id]

    async def _shortened(self, text: str) -> str:
        if self._tokenizer.count(text) <= self._most:
            return text
        self._patience -= 1
        chosen = await self._extract(text) if self._patience >= 0 else ""
        return chosen or self._cut(text)

    async def _extract(self, text: str) -> str:
        left = self._most

        def fits(sentence: Sentence) -> bool:
            nonlocal left
            cost = self._tokenizer.count(f"{sentence.text} … ")
            if cost > left:
                return False
            left -= cost
            return True

        return " … ".join(sentence.text for sentence in await summary(self._embedder, [text], fits, self._query))

    def _cut(self, text: str) -> str:
        length = min(len(text), 8 * self._most)
        while length and self._tokenizer.count(f"{text[:length]} …") > self._most:
            length = length * 4 // 5
        return f"{text[:length].rpartition(' ')[0] or text[:length]} …"
