"""A fake PM2 daemon: speaks the AMP protocol over a socket, like pm2-axon."""

import json
import socket
import struct
import threading

SECRETS = {"JWT_SECRET": "hunter2-jwt", "SMTP_PASS": "hunter2-smtp", "DATABASE_URL": "postgresql://u:hunter2-db@h/d"}


def frame(*texts):
    """A protocol message."""
    parts = [text.encode() for text in texts]
    return bytes([(1 << 4) | len(parts)]) + b"".join(struct.pack(">I", len(part)) + part for part in parts)


def entry(name="meta-chat-api", **changes):
    """A process in the daemon's list."""
    env = {
        "status": "online", "restart_time": 3, "pm_uptime": 1795472243178, "pm_exec_path": "/srv/api.js",
        "pm_cwd": "/srv", "exec_mode": "fork_mode", "args": ["--token", "hunter2-argument"], "name": name,
        "env": SECRETS, **SECRETS, **changes,
    }  # fmt: skip
    return {"name": name, "pid": 4711, "pm2_env": env, "monit": {"memory": 64_000_000, "cpu": 1}}


class Daemon:
    """Answers each method called by pm2_list.pl, like the PM2 daemon."""

    def __init__(self, path, answers):
        self._answers = answers
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        self._socket.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                request = connection.recv(65536)
                method = json.loads(request[5 : 5 + struct.unpack(">I", request[1:5])[0]][2:])["method"]
                for part in self._answers[method]:
                    connection.sendall(part)

    def close(self):
        """Stops the daemon."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


def daemon_answer(value):
    """A daemon's answer in two parts, like long answers arrive."""
    whole = frame("j:" + json.dumps({"args": [value]}), "s:1:0")
    return [whole[:20], whole[20:]]
