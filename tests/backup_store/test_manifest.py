import hashlib
import json

import pytest

from opsproof.backup_store.manifest import ManifestError, ManifestFile, read

SAID = {
    "format": 1,
    "name": "metachat_20261125T021500Z",
    "began": 1795572900,
    "duration_s": 4.1,
    "tools": {"pg_dump": "pg_dump (PostgreSQL) 17.5", "compression": "zstd"},
    "files": {
        "dump": {"name": "a.dump", "bytes": 123, "sha256": "0" * 64},
        "globals": {"name": "a.globals.sql", "bytes": 7, "sha256": "1" * 64},
    },
    "server": {"version": "17.5", "database": "metachat"},
    "tables": [["public", "chunks", 20000]],
}


def sealed(said):
    body = json.dumps(said).removesuffix("}")
    return f'{body},\n"checksum": "{hashlib.sha256(body.encode()).hexdigest()}"}}\n'


def test_manifest_is_parsed():
    said = read(sealed(SAID))
    assert said.dump == ManifestFile("a.dump", 123, "0" * 64)
    assert (said.size_bytes, said.wrapped) == (130, False)
    assert said.tables == {("public", "chunks"): 20000}
    assert read(sealed({**SAID, "tools": {"compression": "wrapped"}})).wrapped


@pytest.mark.parametrize("cut", [0, 1, 10, 100, 400])
def test_truncated_manifest_is_rejected(cut):
    with pytest.raises(ManifestError, match="cut short or was not written by opsproof"):
        read(sealed(SAID)[:cut])


def test_any_changed_byte_is_detected():
    text = sealed(SAID)
    for place in range(0, text.index("checksum"), 7):
        other = chr(ord(text[place]) ^ 1)
        with pytest.raises(ManifestError):
            read(text[:place] + other + text[place + 1 :])


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"format": 2}, "has format 2, not 1"),
        ({"tables": None}, "cannot be read: TypeError"),
        ({"files": {"dump": {}}}, "cannot be read: KeyError"),
    ],
)
def test_invalid_manifest_is_rejected_with_the_reason(change, why):
    with pytest.raises(ManifestError, match=why):
        read(sealed({**SAID, **change}))
