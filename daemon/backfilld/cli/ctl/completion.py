"""backfillctl completion: the script by which a shell completes our words."""

import click
from click.shell_completion import get_completion_class

from .. import say
from .frame import Ctl
from .names import PROGRAM, VARIABLE
from .verbs import verb


@verb(
    "completion",
    ('eval "$(backfillctl completion bash)"', "in ~/.bashrc"),
    ('eval "$(backfillctl completion zsh)"', "in ~/.zshrc"),
    ("backfillctl completion fish | source", "in config.fish"),
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(ctl: Ctl, shell: str) -> int:
    """Print a script for shell completion."""
    kind = get_completion_class(shell)
    root = click.get_current_context().find_root().command
    if kind is not None:
        say.out(kind(root, {}, PROGRAM, VARIABLE).source())
    return say.OK
