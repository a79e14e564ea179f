"""Mounts private to a test session: they end with the session; /etc and /run are read-only, /dev/shm is empty."""

import ctypes
import os
import subprocess
from functools import cache

READ_ONLY = ("/etc", "/run")
SHARED_MEMORY = "/dev/shm"
"""Private too: killed servers leave segments there, and killed tests folders."""
_CLONE_NEWNS = 0x20000


@cache
def possible() -> bool:
    """Whether this process may create a mount namespace: root may, except in most containers."""
    command = ["unshare", "--mount", "mount", "--make-rprivate", "/"]
    return os.geteuid() == 0 and subprocess.run(command, capture_output=True, check=False).returncode == 0


def isolate() -> None:
    """Moves this process and its later children into a private mount namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), "unshare")
    _mount("--make-rprivate", "/")
    _mount("--make-rshared", "/")  # a nested namespace, such as that of sshd, sees later mounts
    for folder in filter(os.path.isdir, READ_ONLY):
        _mount("--rbind", folder, folder)
        _mount("--options", "remount,bind,ro", folder)
    _mount("-t", "tmpfs", "-o", "mode=1777,nosuid,nodev", "opsproof", SHARED_MEMORY)


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True)
