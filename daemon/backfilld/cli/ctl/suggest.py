"""One suggestion for a typo, never a list."""

from collections.abc import Iterable


def closest(typed: str, known: Iterable[str]) -> str | None:
    """The known word that is nearest to what was typed, if any is near."""
    from difflib import get_close_matches  # late: only a typo needs it

    return next(iter(get_close_matches(typed, list(known), n=1)), None)


def meant(typed: str, known: Iterable[str]) -> str:
    """The end of a sentence: `; did you mean X?`, or nothing."""
    found = closest(typed, known)
    return "" if found is None else f"; did you mean {found}?"
