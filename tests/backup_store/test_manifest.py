"""Manifests are read whole, or refused with the reason."""

import json

import pytest

from opsproof.backup_store.manifest import ManifestError, ManifestFile, read
from tests.backup_store.manifests import SERVER, content, sealed

NAME = "metachat_20261125T021500Z"
SAID = content(NAME)


def test_manifest_is_parsed():
    said = read(sealed(SAID))
    assert said.dump == ManifestFile(f"{NAME}.dump", 123, "0" * 64)
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


def without(table, key):
    return {name: value for name, value in table.items() if name != key}


FILES = SAID["files"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"format": 2}, "format: Input should be 1"),
        ({"tables": None}, "tables: Input should be a valid array"),
        ({"tables": [["public", "t", -1]]}, "tables.0.2: Input should be greater than or equal to 0"),
        ({"tables": [["public", "t", "1"]]}, "tables.0.2: Input should be a valid integer"),
        ({"tables": [["public", "t"]]}, "tables.0.2: Field required"),
        ({"files": without(FILES, "dump")}, "files.dump: Field required"),
        ({"files": {**FILES, "dump": []}}, "files.dump: Input should be an object"),
        ({"files": {**FILES, "dump": {**FILES["dump"], "sha256": "0"}}}, "files.dump.sha256: String should match"),
        ({"files": {**FILES, "dump": {**FILES["dump"], "bytes": 2**63}}}, "files.dump.bytes: Input should be less"),
        ({"files": {**FILES, "dump": {**FILES["dump"], "name": "/etc/passwd"}}}, "names '/etc/passwd' as its dump"),
        ({"files": {**FILES, "globals": FILES["dump"]}}, f"names '{NAME}.dump' as its globals file"),
        ({"name": "../metachat_20261125T021500Z"}, "name: String should match pattern"),
        ({"server": []}, "server: Input should be an object"),
        ({"server": without(SERVER, "bytes")}, "server.bytes: Field required"),
        ({"server": {**SERVER, "bytes": 1.5}}, "server.bytes: Input should be a valid integer"),
        ({"server": {**SERVER, "version_num": "x"}}, "server.version_num: Input should be a valid integer"),
        ({"server": {**SERVER, "owner": None}}, "server.owner: Input should be a valid string"),
        ({"tools": {}}, "tools.compression: Field required"),
        ({"began": None}, "began: Input should be a valid number"),
        ({"began": float("nan")}, "began: Input should be "),
    ],
)
def test_invalid_manifest_is_rejected_with_the_reason(change, why):
    with pytest.raises(ManifestError) as refused:
        read(sealed({**SAID, **change}))
    assert why in str(refused.value)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("1e999", "server.bytes: Input should be a valid integer"),
        ("[" * 5000 + "]" * 5000, "recursion limit exceeded"),
        ("9" * 6000, "cannot be read: "),
        ("-" * 10, "Invalid JSON"),
    ],
    ids=["infinite", "nested", "long number", "no JSON"],
)
def test_text_that_overwhelms_a_parser_is_rejected_with_the_reason(value, why):
    text = json.dumps(SAID).replace('"bytes": 363000000', f'"bytes": {value}')
    with pytest.raises(ManifestError) as refused:
        read(sealed(text))
    assert why in str(refused.value)


def test_manifest_of_postgresql_14_has_no_locale_provider():
    assert read(sealed(content(NAME, server={**SERVER, "provider": None}))).server["provider"] is None


def test_unknown_keys_of_a_later_release_are_kept():
    assert read(sealed({**SAID, "more": 1, "server": {**SERVER, "more": 2}})).server == {**SERVER, "more": 2}
