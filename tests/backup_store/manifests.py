"""Whole manifests, for tests to damage."""

import hashlib
import json

SERVER = {
    "version": "17.5",
    "version_num": 170005,
    "database": "metachat",
    "owner": "metachat",
    "bytes": 363000000,
    "encoding": "UTF8",
    "collate": "C",
    "ctype": "C",
    "provider": "c",
    "locale": None,
}


def content(name, **changes):
    """The content of a manifest of the set `name`, without its checksum."""
    return {
        "format": 1,
        "name": name,
        "began": 1795572900,
        "duration_s": 4.1,
        "tools": {"pg_dump": "pg_dump (PostgreSQL) 17.5", "compression": "zstd"},
        "files": {
            "dump": {"name": f"{name}.dump", "bytes": 123, "sha256": "0" * 64},
            "globals": {"name": f"{name}.globals.sql", "bytes": 7, "sha256": "1" * 64},
        },
        "server": SERVER,
        "tables": [["public", "chunks", 20000]],
        **changes,
    }


def set_of_files(named, **changes):
    """The content of a manifest of files of the set `named`, without its checksum."""
    return {
        "format": 1,
        "name": named,
        "began": 1795572900,
        "duration_s": 4.1,
        "tools": {"tar": "tar (GNU tar) 1.34", "compression": "zstd"},
        "files": {
            "archive": {"name": f"{named}.tar.zst", "bytes": 123, "sha256": "0" * 64},
            "contents": {"name": f"{named}.contents", "bytes": 7, "sha256": "1" * 64},
        },
        "entries": 3,
        "bytes": 400,
        "paths": ["/app/storage", "/app/.env"],
        "lacking": [],
        "skipped": [],
        **changes,
    }


def sealed(said):
    """The text of a manifest, with its checksum; `said` is a JSON object, or its text."""
    body = (said if isinstance(said, str) else json.dumps(said)).removesuffix("}")
    return f'{body},\n"checksum": "{hashlib.sha256(body.encode()).hexdigest()}"}}\n'
