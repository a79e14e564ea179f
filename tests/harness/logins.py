"""A real ssh server for a new login of few rights; users, sudoers and missing programs exist only in its mounts."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab import ports
from lab.waiting import wait_until
from tests.harness import sshd

USERS = ("ops", "deploy")
_START = """\
set -eu
mount -t tmpfs opsproof /run
mkdir -m 0755 /run/sshd /run/etc /run/bin /run/work /run/work2 /run/home
mount -t overlay opsproof -o lowerdir=/etc,upperdir=/run/etc,workdir=/run/work /etc
for user in {users}; do useradd --create-home --base-dir /run/home --shell /bin/sh --password '*' "$user"; done
{{ echo "Defaults !mail_no_user, !mail_badpass"; cat; }} > /etc/sudoers.d/opsproof
chmod 0440 /etc/sudoers.d/opsproof
for program in {missing}; do mknod "/run/bin/$program" c 0 0; done
mount -t overlay opsproof -o lowerdir=/usr/bin,upperdir=/run/bin,workdir=/run/work2 /usr/bin
{setup}
exec /usr/sbin/sshd -D -e -f {folder}/sshd_config -p {port} -o ListenAddress=127.0.0.1
"""


@dataclass(frozen=True)
class Login:
    """The server of the login ops: the folder with its keys, and its port."""

    folder: Path
    port: int

    def spec(self, key: str = "user_key", user: str = "ops") -> str:
        """A testinfra host specification with one of the keys in the folder."""
        options = f"ssh_config={self.folder}/ssh_config&ssh_identity_file={self.folder}/{key}"
        return f"ssh://{user}@127.0.0.1:{self.port}?{options}"

    def forget_host_key(self) -> None:
        """The known key of the host becomes another one."""
        other = (self.folder / "other_key.pub").read_text(encoding="utf-8")
        (self.folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {other}", encoding="utf-8")


@contextmanager
def running(sudoers: str = "", missing: str = "", setup: str = "", settings: str = "") -> Iterator[Login]:
    """The server from its start to its end; needs root.

    `setup` are lines of shell, run by root before its start, and `settings` are lines of sshd_config.
    """
    with tempfile.TemporaryDirectory(prefix="login-") as folder:
        Path(folder).chmod(0o755)
        login = Login(Path(folder), ports.free())
        sshd._configure(sshd.Sshd(login.folder, login.port, "ops"), "")
        config = login.folder / "sshd_config"
        config.write_text(settings + config.read_text(encoding="utf-8"), encoding="utf-8")  # the first value counts
        script = _START.format(users=" ".join(USERS), missing=missing, setup=setup, folder=folder, port=login.port)
        words = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", script]
        log = (login.folder / "log").open("wb")
        with log, subprocess.Popen(words, stdin=subprocess.PIPE, stdout=log, stderr=log) as process:
            process.stdin.write(sudoers.encode())
            process.stdin.close()
            try:
                wait_until(lambda: sshd._listens(login.port), "sshd listens", 10, process=process)
                yield login
            finally:
                sshd.Sshd(login.folder, login.port, "ops").close_connections()
                process.kill()  # unshare ignores SIGTERM
                process.wait(timeout=10)
