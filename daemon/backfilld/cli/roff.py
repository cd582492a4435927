"""Text as a manual page: man(7), safe for any text. Pure."""

from collections.abc import Iterable


def escaped(text: str) -> str:
    """Text as text: nothing in it is a request to the formatter."""
    out = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga")
    out = out.replace("^", "\\(ha").replace("~", "\\(ti")
    out = "".join(char if ord(char) < 128 else f"\\[u{ord(char):04X}]" for char in out)
    return "\\&" + out if out.startswith(".") else out


def bold(text: str) -> str:
    """In bold."""
    return f"\\fB{escaped(text)}\\fR"


def title(name: str, section: int, version: str) -> str:
    """The first line of a page."""
    return f'.TH {name.upper()} {section} "" "backfilld {version}" "backfilld"'


def section(name: str) -> str:
    """A heading."""
    return f'.SH "{escaped(name.upper())}"'


def subsection(name: str) -> str:
    """A heading below."""
    return f'.SS "{escaped(name)}"'


def paragraphs(text: str, *, after_items: bool = False) -> Iterable[str]:
    """Paragraphs, parted by blank lines; `after_items` when no heading stands before them."""
    for number, paragraph in enumerate(text.split("\n\n")):
        if number or after_items:
            yield ".PP"
        yield escaped(" ".join(paragraph.split()))


def item(tag: str, about: str) -> Iterable[str]:
    """A tag, which is roff already, with what it means."""
    yield ".TP"
    yield tag
    yield escaped(" ".join(about.split())) or "\\&"


def example(command: str, about: str) -> Iterable[str]:
    """A command line, with what it does."""
    yield from item(bold(command), about)
