"""A run on saved answers with hostile text, and its page as a browser reads it."""

import json
from html.parser import HTMLParser

from opsproof.postgres.connection import Result
from opsproof.round.gathering import Recording, write
from opsproof.transport.shell import Answer

HOSTILE = {
    "script": "<script>alert(1)</script>",
    "end": "</script></pre><img src=x onerror=alert(2)>",
    "attribute": "\"><img src=x onerror='alert(3)'>",
    "template": "{{ 7 * 7 }}{% raw %}${7*7}",
    "entity": "&lt;b&gt;&#34;&amp;",
    "direction": "\u202eevil\u2066 \u200b\u3164",
    "control": "\x1b[31mred\x1b[0m\x00\x08\ufffe",
}
API = "meta-chat-api"


def inventory():
    processes = "".join(
        f"{json.dumps(text)} = {{}}\n" for name, text in HOSTILE.items() if name not in ("control", "direction")
    )
    return f"""
[limits]
disk_used = {{ must = "< 80%", should = "< 70%", source = {json.dumps(HOSTILE["script"])} }}
inodes_used = {{ must = "< 80%" }}
process_status = {{ must = ["online"] }}
log_errors = {{ must = "< 10", over = "24h" }}
log_unread = {{ must = "< 1%" }}
log_growth = {{ must = "< 5MB" }}
[hosts.vps]
transport = "ssh://no-such-host.invalid"
mounts."/data" = {{}}
logs.api = {{ path = "/logs/api.log", format = "pm2-json" }}
databases.db = {{ dsn = "host=db" }}
[hosts.vps.pm2]
home = "/home/deploy/.pm2"
[hosts.vps.processes]
{processes}
"""


def process(name):
    entry = {"name": name, "status": name, "pid": 1, "memory_bytes": 1, "restarts": 0, "started_ms": 0, "module": False}
    return entry | {"script": name, "folder": name, "arguments": name, "mode": "fork_mode"}


def answers():
    processes = [process(text) for text in HOSTILE.values()]
    pm2 = {"daemon": {"version": "7", "started_ms": 0, "processes": processes}, "saved": [], "tool_version": "7"}
    commonest = [{"level": "ERROR", "message": text, "count": 3} for text in HOSTILE.values()]
    log = {"lines": 9, "recognized": 9, "errors": 50, "client_errors": 0, "fatals": 0, "commonest": commonest}
    log |= {"now": 100, "oldest": 0, "newest": 90, "modified": 90, "since": 0, "rotations": []}
    log |= {"ignored": 0, "leveled": 0, "unread": [], "growth": 0, "disordered": 0, "unplaced": 0}
    df = "Mounted on Used Avail Inodes IUsed\n/data 831 169 100 10\n"
    said = {"processes": json.dumps(pm2), "log_reports api": json.dumps(log), "disks /data": df}
    return {label: Answer(0, text, now=100.0) for label, text in said.items()}


def run(prove, folder):
    """The outcome of a run that judges hostile answers of a host."""
    (folder / "inventory.toml").write_text(inventory(), encoding="utf-8")
    refused = Result(refusal=HOSTILE["end"])
    write(folder / "facts.json", {"vps": Recording(answers(), {"database_pings db": refused})})
    checks = ["checks/processes", "checks/logs", "checks/disks", "checks/databases"]
    words = ["-k", "online or saved or log_errors or disk or inodes or accepts", f"--facts={folder}/facts.json"]
    return prove(folder / "inventory.toml", *checks, *words)


class Page(HTMLParser):
    """The parsed page: elements, and text outside of scripts and styles."""

    def __init__(self, text):
        super().__init__()
        self.elements = []
        self.texts = []
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self._inside = tag

    def handle_endtag(self, tag):
        if tag == self._inside:
            self._inside = ""

    def handle_data(self, data):
        if not self._inside:
            self.texts.append(data)
