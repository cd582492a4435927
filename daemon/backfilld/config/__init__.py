"""The configuration: one TOML file, every key with a default, every error with its place.

The one rule: a value that is not right stops the start, and says file, line, key, what was
expected and what to do. Environment variables (BACKFILLD_TAP__URL) come over the file.
"""

from .keys import RELOADABLE, Config, changed, flat
from .notify import secret_in
from .reading import ENVIRONMENT_PREFIX, BadConfig, load, password
from .units import Duration, Secret, Size
from .written import written

__all__ = [
    "ENVIRONMENT_PREFIX",
    "RELOADABLE",
    "BadConfig",
    "Config",
    "Duration",
    "Secret",
    "Size",
    "changed",
    "flat",
    "load",
    "password",
    "secret_in",
    "written",
]
