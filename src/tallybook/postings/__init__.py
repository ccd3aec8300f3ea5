"""The posting journal: what we were about to write into the books, and what came of it."""
