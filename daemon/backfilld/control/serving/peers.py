"""The kernel's word on who is at the other end of the socket, and the groups that we ask about."""

import grp
import os
import socket
import struct
from typing import Any

from ...config.keys import ControlConfig
from ..who import Peer, Rules

_SO_PEERGROUPS = 59  # Linux; Python has no name for it
_GROUPS_BYTES = 1024  # 256 groups: Python asks for no more


def peer_of(sock: Any) -> Peer:
    """Who is at the other end of a Unix socket, with their groups, as of their connect()."""
    form = struct.Struct("3i")
    ids = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, form.size)
    pid, uid, gid = form.unpack(ids)
    try:
        packed = sock.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _GROUPS_BYTES)
    except OSError:  # a kernel without it, or a user of more groups: the first must do
        packed = b""
    return Peer(pid, uid, gid, frozenset(struct.unpack(f"{len(packed) // 4}I", packed)))


def rules_of(control: ControlConfig) -> Rules:
    """Whom the socket knows, by the configuration; a name that is there was checked."""
    act, look = control.socket_group, control.read_group
    return Rules(
        uid=os.getuid(),
        act=grp.getgrnam(act).gr_gid if act else os.getgid(),
        look=grp.getgrnam(look).gr_gid if look else None,
    )
