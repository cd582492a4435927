"""Lexicon documents that somebody uploads: read with care, checked whole, kept as they came. Pure.

The one rule: a document is accepted whole or refused with one fault that says where it is, what
must hold there and what to do. Unknown extra members are no fault: the language may grow, so the
bytes are kept. What follows from a document (revisions, a job) is `backfill.decide`'s business.
"""

from .document import Document, parse
from .fault import LexiconFault
from .reading import DOCUMENT_BYTES_MAX

__all__ = ["DOCUMENT_BYTES_MAX", "Document", "LexiconFault", "parse"]
