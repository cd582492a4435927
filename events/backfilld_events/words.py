"""Words that sentences about events are made of. Pure."""


def counted(n: int, one: str, many: str) -> str:
    """A number with the words that fit it."""
    return f"{n:,} {one if n == 1 else many}"
