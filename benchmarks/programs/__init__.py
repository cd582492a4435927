"""One module a benchmark.

`ABOUT` says what it measures; `run(*, quick: bool) -> (lines, notes)` measures it. A benchmark
that needs something this project does not bring (the real Tap) raises Needs with a sentence that
says how to give it.
"""


class Needs(Exception):
    """What is missing, and how to give it."""
