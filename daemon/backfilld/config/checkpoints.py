"""What the types cannot refuse of log.checkpoint_file.

The one rule: it is a file of its own, that we may append to, and not where the log is: whoever
restores or changes the log there changes it too.
"""

import os
from pathlib import Path

from .keys import Config


def checkpoint_fault(config: Config) -> tuple[str, str] | None:
    """Why checkpoints cannot be kept there: (key, what is so and what to do)."""
    if not (name := config.log.checkpoint_file):
        return None
    try:
        what = _fault(Path(name), Path(config.data_dir))
    except OSError as error:
        what = f"cannot be reached: {error.strerror}"
    return None if what is None else ("log.checkpoint_file", f"{name} {what}")


def _fault(path: Path, data_dir: Path) -> str | None:
    if not path.is_absolute() or "\0" in str(path):
        return "is no whole path; write one, such as /var/log/backfilld/checkpoints"
    if not path.parent.is_dir():
        return f"cannot be made: there is no folder {path.parent}; make it"
    if path.is_symlink():
        return "is a symbolic link; name the file itself"
    if path.resolve().is_relative_to(data_dir.resolve()):
        return (
            "is in data_dir: whoever restores or changes the log there changes it too; name a file "
            "elsewhere, such as /var/log/backfilld/checkpoints"
        )
    if path.exists() and not path.is_file():
        return "is no file"
    is_ours = os.access(path.parent, os.W_OK | os.X_OK)
    if path.exists():
        is_ours = os.access(path, os.R_OK | os.W_OK)
    if not is_ours:
        return f"cannot be written by us (uid {os.geteuid()}); see to its owner and mode"
    return None
