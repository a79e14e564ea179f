"""Mounts private to a test session: they end with the session; /etc and /run are read-only, /dev/shm is empty."""

import ctypes
import os
import subprocess
from functools import cache

READ_ONLY = ("/etc", "/run")
SHARED_MEMORY = "/dev/shm"
"""Private too: killed servers leave segments and killed tests leave folders there."""
_CLONE_NEWNS = 0x20000


@cache
def possible() -> bool:
    """Whether the process can create a mount namespace: root can, except in most containers."""
    command = ["unshare", "--mount", "mount", "--make-rprivate", "/"]
    return os.geteuid() == 0 and subprocess.run(command, capture_output=True, check=False).returncode == 0


def isolate() -> None:
    """Moves the process and later children into a private mount namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), "unshare")
    _mount("--make-rprivate", "/")
    _mount("--make-rshared", "/")  # nested namespaces, like sshd's, see later mounts
    for folder in filter(os.path.isdir, READ_ONLY):
        _mount("--rbind", folder, folder)
        _mount("--options", "remount,bind,ro", folder)
    _mount("-t", "tmpfs", "-o", "mode=1777,nosuid,nodev", "opsproof", SHARED_MEMORY)


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True)
