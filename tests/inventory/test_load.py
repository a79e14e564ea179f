"""Loading of inventories, and messages about mistakes."""

import json
import os
import tomllib
from typing import get_args

import pytest

from opsproof.core.errors import InventoryError
from opsproof.inventory.hosts import RESOURCES
from opsproof.inventory.load import load, schema
from opsproof.inventory.logs import FormatName

HOST = '[hosts.vps]\ntransport = "local://"\n'
DATABASE = HOST + "[hosts.vps.databases.db]\n"
NAMES = get_args(FormatName)
EXPONENTIAL = "the pattern repeats a group with a variable part: the time would be exponential"
LOG = HOST + '[hosts.vps.logs.api]\npath = "api.log"\nformat = {}\n{}'
VECTORS = (
    DATABASE + 'dsn = "host=db"\n[hosts.vps.vector_indexes.v]\n{}\ntable = "a.b"\ncolumn = "c"\noperator = "<=>"\n{}'
)
FILES = HOST + '[hosts.vps.backups.f]\nfolder = "/b"\n'
BACKUP = DATABASE + 'dsn = "host=db"\n[hosts.vps.backups.db]\ndatabase = "db"\n'
PASSWORD_ELSEWHERE = "use password_env, password_file or a passfile in the dsn"


@pytest.fixture
def write(tmp_path):
    """Writes an inventory file."""

    def write(text, name="inventory.toml"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("transprot = 1\n" + HOST, "top level: unknown key 'transprot': did you mean 'transport' of hosts.NAME?"),
        ("[service]\n" + HOST, "top level: unknown key 'service': it is a key of hosts.NAME.clock"),
        ('[limits]\nextends = "a"\n' + HOST, "limits: unknown key 'extends': it is a key of the top level"),
        ('[hosts.vps]\ntransport = "vps-00"',
         "hosts.vps: transport: 'vps-00' is no host specification: write local://, ssh://user@host or docker://name"),
        ('[hosts.vps]\ntransport = "shh://vps"',
         "hosts.vps: transport: 'shh://vps' is no host specification: write local://, ssh://user@host or docker://name"),
        ('[limits]\ndisk_used = { must = "< 80%", should = "< 90%" }\n' + HOST,
         "limits: disk_used: should (< 90%) is looser than must (< 80%): correct one"),
        ('[limits]\nmemory_available = { must = "> 10%", should = "> 5%" }\n' + HOST,
         "limits: memory_available: should (> 5%) is looser than must (> 10%): correct one"),
        (HOST + 'mounts."/" = { limits.disk_used = { must = "< ' + "9" * 400 + '%" } }',
         "hosts.vps.mounts./.limits: disk_used: '" + "9" * 20 + "'… is too large"),
        ("a = " + "[" * 5000 + "]" * 5000, "not TOML: nested too deeply"),
        ("a = " + "9" * 6000, "not TOML: Exceeds the limit (4300 digits) for integer string conversion"),
        (HOST + 'run_as = "a\\u0000b"', "'hosts.vps.run_as' contains a NUL character"),
        ('extends = "a\\u0000b"\n' + HOST, "'extends' contains a NUL character"),
        (HOST + '[hosts.vps.mounts]\n"/a\\u0000" = {}', "'hosts.vps.mounts./a\\x00' contains a NUL character"),
        ('[hosts.vps]\ntransprot = "local://"\ntransport = "local://"',
         "hosts.vps: unknown key 'transprot': did you mean 'transport'?"),
        (HOST + '[hosts.vps.limits]\ndisk_usd = { must = "< 80%" }',
         "hosts.vps.limits: unknown key 'disk_usd': did you mean 'disk_used'?"),
        (HOST + "xyzzy = 1", "hosts.vps: unknown key 'xyzzy': remove it"),
        ("[hosts.vps]", "hosts.vps: transport is missing: add it"),
        ("", "top level: hosts is missing: add it"),
        ("[hosts]", "top level: hosts: is empty: declare at least one"),
        ("hosts = 5", "top level: hosts: must be a table, as in { key = value }"),
        ('[limits]\ndisk_used = { must = "< 80" }\n' + HOST,
         "limits: disk_used: '80' is not a percentage like '80%'"),
        ('[limits]\ndisk_used = { must = "80%" }\n' + HOST,
         "limits: disk_used: '80%' does not start with <, <=, > or >="),
        ('[limits]\nprocess_memory = { should = "< 5min" }\n' + HOST,
         "limits: process_memory: '5min' is not a size like '10MB' or '512MiB'"),
        ('[limits]\nrestarts = { must = "< 5", over = "soon" }\n' + HOST,
         "limits.restarts: over: 'soon' is not a duration like '30s', '26h' or '7d'"),
        ('[limits]\ndisk_used = { source = "runbook" }\n' + HOST,
         "limits: disk_used: a limit needs must, should or both"),
        (DATABASE + 'dsn = "host=db"\ntimeout = "5"',
         "hosts.vps.databases.db: timeout: '5' is not a duration like '30s', '26h' or '7d'"),
        (DATABASE + 'dsn = "host=db"\ntimeout = "0s"',
         "hosts.vps.databases.db: timeout: must be greater than 0"),
        (HOST + 'unknown_for = "0d"', "hosts.vps: unknown_for: must be greater than 0"),
        ("unknown_for = 7\n" + HOST, "top level: unknown_for: '7' is not a duration like '30s', '26h' or '7d'"),
        (DATABASE + 'dsn = "host=db password=hunter2"',
         "hosts.vps.databases: db: the dsn contains a password: " + PASSWORD_ELSEWHERE),
        (DATABASE + 'dsn = "host=db password = hunter2"',
         "hosts.vps.databases: db: the dsn contains a password: " + PASSWORD_ELSEWHERE),
        (DATABASE + 'dsn = "postgresql://u:hunter2@db/metachat"',
         "hosts.vps.databases: db: the dsn contains a password: " + PASSWORD_ELSEWHERE),
        (DATABASE + 'dsn = "postgresql://db/metachat?user=u&password=hunter2"',
         "hosts.vps.databases: db: the dsn contains a password: " + PASSWORD_ELSEWHERE),
        (DATABASE + 'dsn = "host=db password\\t=\\thunter2"',
         "hosts.vps.databases: db: the dsn contains a password: " + PASSWORD_ELSEWHERE),
        (DATABASE + 'dsn = "host=db\\npassword\\u000b=hunter2"',
         "hosts.vps.databases: db: the dsn contains a password: " + PASSWORD_ELSEWHERE),
        (DATABASE + 'dsn = "postgresql://db/metachat?%70assw%6Frd=hunter2"',
         "hosts.vps.databases: db: the dsn contains a password: " + PASSWORD_ELSEWHERE),
        (DATABASE + 'dsn = "host=db sslpassword=hunter2"',
         "hosts.vps.databases: db: the dsn contains a password: " + PASSWORD_ELSEWHERE),
        (HOST + "processes.api = {}",
         "hosts: vps: processes are declared without pm2: add a pm2 table, or `command` for a plain process"),
        (DATABASE + 'dsn = "host=db"\npassword_env = "X"\npassword_file = "/x"',
         "hosts.vps.databases: db: password_env and password_file exclude each other: remove one"),
        (DATABASE + 'dsn = "host=db"\ncontainer = "postgres"\n[hosts.vps.containers]\nredis = {}',
         "hosts: vps: databases.db: container 'postgres' is not declared: add it to containers"),
        (BACKUP + 'user = "u"', "hosts.vps.backups: db: engine pg_dump requires `folder`: add it"),
        (BACKUP + 'folder = "/f"', "hosts.vps.backups: db: engine pg_dump requires `user`: add it"),
        (BACKUP + 'folder = "/f"\nuser = "u"\nstanza = "s"',
         "hosts.vps.backups: db: `stanza` is not valid for engine pg_dump: remove it"),
        (FILES + 'paths = ["/a"]\n', 'hosts.vps.backups: f: `paths` needs engine = "files": add it'),
        (FILES + 'engine = "files"\n', "hosts.vps.backups: f: engine files requires `paths`: add it"),
        (FILES + 'engine = "files"\npaths = ["/a", "/a/b"]',
         "hosts.vps.backups.f: paths: /a/b is inside /a: remove it"),
        (FILES + 'engine = "files"\npaths = ["/.."]', "hosts.vps.backups.f.paths: 0: '/..' is no file or folder"),
        (FILES + 'engine = "files"\npaths = ["/a"]\ndatabase = "db"',
         "hosts.vps.backups: f: `database` is not valid for engine files: remove it"),
        (BACKUP + 'engine = "pgbackrest"', "hosts.vps.backups: db: engine pgbackrest requires `stanza`: add it"),
        (BACKUP + 'engine = "pgbackrest"\nstanza = "s"\nkeep = "3d"',
         "hosts.vps.backups: db: `keep` is not valid for engine pgbackrest: remove it"),
        (BACKUP + 'engine = "pgbackrest"\nstanza = "s"\ndata = "/a path"',
         "hosts.vps.backups.db: data: must be an absolute path of letters, digits and . _ + -"),
        (BACKUP.replace('"host=db"', '"host=db"\ncontainer = "c"') + 'engine = "pgbackrest"\nstanza = "s"\n'
         "[hosts.vps.containers]\nc = {}",
         "hosts: vps: backups.db: pgBackRest runs on the host, but database 'db' is in a container"),
        (HOST + '[hosts.vps.queues]\ninbound = { pattern = "*" }',
         "hosts: vps: queues are declared without a broker: add a broker table"),
        (HOST + '[hosts.vps.broker]\nnetrc = "/n"\nurl = "http://u:hunter2@127.0.0.1:15672"',
         "hosts.vps: broker: the url contains credentials: use a netrc file on the host"),
        (HOST + '[hosts.vps.broker]\nnetrc = "/n"\nurl = "http://u@127.0.0.1"',
         "hosts.vps: broker: the url contains credentials: use a netrc file on the host"),
        (HOST + '[hosts.vps.broker]\nurl = "http://127.0.0.1"', "hosts.vps.broker: netrc is missing: add it"),
        (HOST + '[hosts.vps.broker]\nnetrc = "/n"\n[hosts.vps.queues]\nq = { pattern = "" }',
         "hosts.vps.queues.q: pattern: is empty: write a value"),
        (VECTORS.format('database = "none"', 'method = "ivfflat"'),
         "hosts: vps: vector_indexes.v: database 'none' is not declared: add it to databases"),
        (VECTORS.format('database = "db"', 'method = "hnsw"\nprobes = 4'),
         "hosts.vps.vector_indexes: v: probes is valid only for ivfflat, ef_search only for hnsw"),
        (VECTORS.format('database = "db"', 'method = "ivfflat"\nef_search = 4'),
         "hosts.vps.vector_indexes: v: probes is valid only for ivfflat, ef_search only for hnsw"),
        (VECTORS.format('database = "db"', 'method = "ivfflat"\nbudget = "5s"'),
         "hosts: vps: vector_indexes.v: budget must be less than the timeout of its database"),
        (VECTORS.format('database = "db"', 'method = "ivfflat"\nsample = 79'),
         "hosts.vps.vector_indexes.v: sample: must be greater than or equal to 80"),
        (HOST + "[hosts.vps.caches]\nredis = { port = 65536 }",
         "hosts.vps.caches.redis: port: must be less than 65536"),
        (HOST + '[hosts.vps.endpoints.api]\nurl = "ftp://db"',
         "hosts.vps.endpoints.api: url: must start with http:// or https://"),
        (HOST + '[hosts.vps.logs.api]\npath = "api.log"\nformat = "xml"',
         f"hosts.vps.logs.api.format.0: name: must be {', '.join(map(repr, NAMES[:-1]))} or 'pattern'"),
        (LOG.format('"text"', "client = [{ pattern = '(a+)+', reason = 'r' }]"),
         "hosts.vps.logs.api.client.0: pattern: " + EXPONENTIAL),
        (LOG.format('"text"', "ignore = [{ pattern = 'a', reason = '' }]"),
         "hosts.vps.logs.api.ignore.0: reason: is empty: write a value"),
        (LOG.format('{ name = "pattern" }', ""),
         "hosts.vps.logs.api.format: 0: format pattern requires `pattern` with a group (?P<level>…) or (?P<status>…)"),
        (LOG.format('{ name = "python", prefix = "%m" }', ""),
         "hosts.vps.logs.api.format: 0: `prefix` is not valid for format python"),
        (LOG.format('{ name = "postgresql", prefix = "%p" }', ""),
         "hosts.vps.logs.api.format: 0: the log_line_prefix has no time: it needs %m, %t or %n"),
        (LOG.format('{ name = "python", zone = "Mars/Base" }', ""),
         "hosts.vps.logs.api.format.0: zone: unknown time zone 'Mars/Base': write +01:00, UTC or Europe/Zagreb"),
        (LOG.format('[{ name = "python", zone = "UTC" }, { name = "syslog", zone = "+01:00" }]', ""),
         "hosts.vps.logs: api: the formats of a log have several zones"),
        (LOG.format('"text"', "since = 2026-11-30"),
         "hosts.vps.logs.api: since: must be a time with a zone, like 2026-11-30T12:00:00Z"),
        ('[[waivers]]\ncheck = "c"\non = "vps"\nowner = ""\nreason = "r"\nexpires = 2027-01-31\n' + HOST,
         "waivers.0: owner: is empty: write a value"),
        ('[[waivers]]\ncheck = "c"\non = "vps"\nowner = "o"\nreason = "r"\nexpires = "soon"\n' + HOST,
         "waivers.0: expires: must be a date like 2026-12-31"),
        ("[hosts", "not TOML: Expected ']' at the end of a table declaration (at end of document)"),
    ],
)  # fmt: skip
def test_mistake_is_one_line_with_file_table_and_key(write, text, complaint):
    path = write(text)
    with pytest.raises(InventoryError) as caught:
        load(path)
    assert str(caught.value) == f"{path}: {complaint}"


@pytest.mark.parametrize("text", ['[limits]\ndisk_used = "< 80%"\n', "[limits]\ndisk_used = { must = 5 }\n"])
def test_limit_of_wrong_type_is_named(write, text):
    with pytest.raises(InventoryError, match=r"limits(: |\.)disk_used"):
        load(write(text + HOST))


def test_all_unknown_keys_are_reported_at_once(write):
    with pytest.raises(InventoryError) as caught:
        load(write(HOST + "xyzzy = 1\nplugh = 2\n"))
    assert [line.rpartition("key ")[2] for line in str(caught.value).splitlines()] == [
        "'xyzzy': remove it",
        "'plugh': remove it",
    ]


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("missing.toml", "no such file or directory: give --inventory=FILE"),
        (".", "is a directory: give --inventory=FILE"),
    ],
)
def test_unreadable_file_is_one_line(tmp_path, name, complaint):
    path = tmp_path / name
    with pytest.raises(InventoryError) as caught:
        load(path)
    assert str(caught.value) == f"{path}: {complaint}"


@pytest.mark.parametrize("text", ['extends = "fifo"\n' + HOST, None], ids=["extended", "given"])
def test_fifo_is_refused_and_not_read(write, tmp_path, text):
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(InventoryError) as caught:
        load(write(text) if text else tmp_path / "fifo")
    assert str(caught.value) == f"{tmp_path}/fifo: is no file: give --inventory=FILE"


def test_binary_file_is_not_toml(tmp_path):
    path = tmp_path / "inventory.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InventoryError, match=r"inventory.toml: not TOML: 'utf-8' codec"):
        load(path)


def test_missing_base_inventory_is_named(write, tmp_path):
    with pytest.raises(InventoryError) as caught:
        load(write('extends = "base.toml"\n' + HOST))
    assert str(caught.value) == f"{tmp_path}/base.toml: no such file or directory: give --inventory=FILE"


def test_mistake_in_a_base_inventory_names_the_base(write, tmp_path):
    write(HOST + "xyzzy = 1", "base.toml")
    with pytest.raises(InventoryError, match=rf"^{tmp_path}/base\.toml: hosts\.vps: unknown key 'xyzzy': remove it$"):
        load(write('extends = "base.toml"\n' + HOST))


@pytest.mark.parametrize("there", ["inventory.toml", "../{folder}/inventory.toml"])
@pytest.mark.parametrize("back", ["base.toml", "../{folder}/base.toml"])
def test_circular_extends_raises(write, tmp_path, there, back):
    write(f'extends = "{there.format(folder=tmp_path.name)}"\n' + HOST, "base.toml")
    with pytest.raises(InventoryError, match="circular reference"):
        load(write(f'extends = "{back.format(folder=tmp_path.name)}"\n' + HOST))


MOUNT_LIMIT = '[hosts.vps.mounts]\n"/" = { limits.disk_used = { must = "< 10%" } }\n'
HOST_LIMIT = '[hosts.vps.limits]\ndisk_used = { must = "< 20%" }\n'
FILE_LIMIT = '[limits]\ndisk_used = { must = "< 30%" }\n'
PLAIN_MOUNT = '[hosts.vps.mounts]\n"/" = {}\n'


@pytest.mark.parametrize(
    ("text", "text_of_limit"),
    [
        (FILE_LIMIT + HOST + HOST_LIMIT + MOUNT_LIMIT, "< 10 %"),
        (FILE_LIMIT + HOST + HOST_LIMIT + PLAIN_MOUNT, "< 20 %"),
        (FILE_LIMIT + HOST + PLAIN_MOUNT, "< 30 %"),
        (HOST + PLAIN_MOUNT, "< 40 %"),
    ],
    ids=["resource", "host", "file", "extended"],
)
def test_closest_limit_applies(write, text, text_of_limit):
    write('[limits]\ndisk_used = { must = "< 40%" }\n[hosts.other]\ntransport = "local://"\n', "base.toml")
    inventory = load(write('extends = "base.toml"\n' + text))
    host = inventory.hosts["vps"]
    assert str(host.limit("disk_used", host.mounts["/"])) == text_of_limit
    assert set(inventory.hosts) == {"vps"}


def test_inventory_of_the_installation_is_extended_from_any_folder(write):
    inventory = load(write('extends = "opsproof:metachat.toml"\n' + HOST))
    assert str(inventory.hosts["vps"].limit("load_per_core")) == "< 4"
    assert set(inventory.hosts) == {"vps"}


def test_limits_are_inherited_through_several_files(write):
    write('[limits]\nswap_used = { must = "< 50%" }\ndisk_used = { must = "< 50%" }\n' + HOST, "first.toml")
    write('extends = "first.toml"\n[limits]\ndisk_used = { must = "< 60%" }\n' + HOST, "second.toml")
    host = load(write('extends = "second.toml"\n' + HOST)).hosts["vps"]
    assert (str(host.limit("swap_used")), str(host.limit("disk_used"))) == ("< 50 %", "< 60 %")
    assert host.limit("query_time") is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ('unknown_for = "3d"\n' + HOST + 'unknown_for = "2d"\nmounts."/" = { unknown_for = "1d" }', 86400),
        ('unknown_for = "3d"\n' + HOST + 'unknown_for = "2d"\nmounts."/" = {}', 2 * 86400),
        ('unknown_for = "3d"\n' + HOST + 'mounts."/" = {}', 3 * 86400),
        (HOST + 'mounts."/" = {}', 4 * 86400),
    ],
    ids=["resource", "host", "file", "extended"],
)
def test_closest_unknown_for_applies(write, text, seconds):
    write('unknown_for = "4d"\n[hosts.other]\ntransport = "local://"\n', "base.toml")
    host = load(write('extends = "base.toml"\n' + text)).hosts["vps"]
    assert host.unknown_limit(host.mounts["/"]) == seconds


def test_undeclared_unknown_for_is_none(write):
    assert load(write(HOST)).hosts["vps"].unknown_limit() is None


@pytest.mark.parametrize("name", ["metachat.toml", "lab.toml"])
def test_committed_inventories_load(repository, name):
    (host,) = load(repository / "inventory" / name).hosts.values()
    assert str(host.limit("restarts")) == "< 5"


@pytest.mark.parametrize("resource", RESOURCES)
def test_production_declares_every_resource_except_a_few(production, resource):
    """Its server runs in a container, its queues are no streams; no list of its open ports and units exists yet."""
    declared = any(host.resources(resource) for host in production.hosts.values())
    unlisted = ("listening", "port", "plain_process", "listening_process")
    is_exempt = resource in ("archived_backup", "archived_database", "stream", *unlisted) or resource.endswith("unit")
    assert declared != is_exempt


@pytest.mark.parametrize(
    ("resource", "names"),
    [
        ("broker", [""]),
        ("queue", ["inbound", "dead-letters"]),
        ("work_queue", ["inbound"]),
        ("dead_letter_queue", ["dead-letters"]),
        ("contained_database", ["metachat"]),
        ("dumped_backup", ["metachat"]),
        ("archived_backup", []),
    ],
)
def test_resource_may_select_some_entries_of_a_table(production, resource, names):
    assert list(production.hosts["vps-00"].resources(resource)) == names


def test_committed_schema_is_current(repository):
    assert (repository / "inventory" / "schema.json").read_text(encoding="utf-8") == schema(), "run: make schema"


def test_schema_accepts_durations_as_strings(repository):
    document = tomllib.loads((repository / "inventory" / "metachat.toml").read_text(encoding="utf-8"))
    assert isinstance(document["limits"]["restarts"]["over"], str)
    over = json.loads(schema())["$defs"]["Rule"]["properties"]["over"]["anyOf"]
    assert [each["type"] for each in over] == ["string", "null"]
