"""The Perl programs that load an archive: checksum before use, and rows split over sessions."""

import os
import subprocess
from hashlib import sha256
from random import Random

import pytest

from opsproof.core import scripts

BLOCK = 2**18
CONTENT = bytes(range(256)) * 20_000
TOKEN = "0123456789abcdef"
HEAD = "--\n-- PostgreSQL database dump\n--\n\n\\restrict abc\n\nSET xmloption = content;\n"
HEADER = "COPY public.t (a, b) FROM stdin;\n"
TAIL = "\n\n--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict abc\n\n"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "an 'archive'"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def packed(file):
    subprocess.run(["zstd", "-q", file], check=True)
    return file.with_name(f"{file.name}.zst")


def feed(path, checksum, unpack="", command=("cat",), **environment):
    words = ["perl", "-e", scripts.perl("restore/feed"), "--", path, checksum, unpack, TOKEN, *command]
    return subprocess.run(words, capture_output=True, check=False, env={**os.environ, **environment})


def sum_of(path):
    return sha256(path.read_bytes()).hexdigest()


def test_matching_checksum_sends_token(file):
    done = feed(file, sum_of(file))
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == CONTENT + TOKEN.encode()


def test_compressed_file_is_unpacked_and_checksum_is_of_compressed_file(packed):
    assert feed(packed, sum_of(packed), "zstd").stdout == CONTENT + TOKEN.encode()
    assert feed(packed, "", "zstd").stdout == CONTENT + TOKEN.encode()
    assert feed(packed, sha256(CONTENT).hexdigest(), "zstd").stdout == CONTENT


def test_checksum_mismatch_sends_no_token(file):
    wanted = sum_of(file)
    file.write_bytes(CONTENT[:-1])
    for command in (("cat",), ()):
        done = feed(file, wanted, command=command)
        assert done.returncode == 1
        assert done.stderr.decode().strip().endswith("checksum mismatch, the file changed since the backup was made")
        assert TOKEN.encode() not in done.stdout


def test_failed_decompression_sends_no_token(packed):
    packed.write_bytes(packed.read_bytes()[:-20])
    done = feed(packed, sum_of(packed), "zstd")
    assert (done.returncode, done.stderr != b"", TOKEN.encode() in done.stdout) == (1, True, False)


def test_exit_status_is_that_of_command_and_missing_file_or_tool_fails(file, tmp_path):
    assert feed(file, sum_of(file), command=("sh", "-c", "exit 7")).returncode == 7
    assert feed(file, sum_of(file), command=("/nowhere",)).returncode == 127
    assert feed(tmp_path / "none", "").returncode == 1
    (tmp_path / "perl").symlink_to("/usr/bin/perl")
    done = feed(file, sum_of(file), command=(), PATH=str(tmp_path))
    assert (done.returncode, b"no checksum" in done.stderr) == (1, True)


@pytest.mark.parametrize("tool", ["openssl", "sha256sum"])
def test_openssl_and_sha256sum_both_work(file, tmp_path, tool):
    for each in ("perl", tool):
        (tmp_path / each).symlink_to(f"/usr/bin/{each}")
    assert feed(file, sum_of(file), command=(), PATH=str(tmp_path)).returncode == 0
    assert feed(file, sum_of(file).translate({97: 98}), command=(), PATH=str(tmp_path)).returncode == 1


@pytest.fixture
def load(tmp_path):
    """Runs load.pl with a fake pg_restore that prints `rows`, and a fake psql that saves its input."""
    tools, saved = tmp_path / "tools", tmp_path / "saved"
    for folder in (tools, saved, tmp_path / "folder"):
        folder.mkdir()
    rows = tmp_path / "rows"
    fakes = {
        "pg_restore": f"""
            echo "$@" >> {saved}/restored
            case "$*" in
            *--list*) echo '; a comment'; echo '7; 0 16384 TABLE DATA public t me'
                      echo '8; 0 0 SEQUENCE SET public s me' ;;
            *--file=-*) cat > {saved}/list; cat {rows}; test ! -e {tmp_path}/fails ;;
            *--use-list*) cat > {saved}/rest ;;
            esac""",
        "psql": f"""cat > {saved}/session.$$; test ! -e {tmp_path}/no_psql""",
    }
    for name, script in fakes.items():
        (tools / name).write_text(f"#!/bin/sh\n{script}\n")
        (tools / name).chmod(0o755)

    def load(script=HEAD + TAIL, jobs=2, deal=1, received=None):
        rows.write_bytes(script.encode())
        for path in saved.iterdir():
            path.unlink()
        source = ("archive", "") if received is None else (str(tmp_path / "folder"), TOKEN)
        words = ["perl", "-e", scripts.perl("restore/load"), "--", *source, str(jobs), str(deal), "all", "dbname=fresh"]
        environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"}
        done = subprocess.run(
            words, input=received or b"", capture_output=True, check=False, env=environment, timeout=60
        )
        return done, sorted(path.read_text() for path in saved.glob("session.*"))

    load.saved, load.folder = saved, tmp_path
    return load


def copied(sessions, header):
    """The rows that sessions received for a table, sorted."""
    found = []
    for each in sessions:
        for part in each.split(header)[1:]:
            rows, end, _ = f"\n{part}".partition("\n\\.\n")
            assert end
            found += rows.split("\n")[1:]
    return sorted(found)


def table(rows, header=HEADER):
    return (
        "\n--\n-- Data for Name: t; Type: TABLE DATA\n--\n\n" + header + "".join(f"{row}\n" for row in rows) + "\\.\n\n"
    )


def test_rows_are_split_once_and_pg_restore_loads_the_rest(load):
    rows = [f"{number}\t{'x' * (number % 3000)}" for number in range(4000)]
    done, sessions = load(HEAD + table(rows) + TAIL)
    assert (done.returncode, done.stderr) == (0, b"")
    assert copied(sessions, HEADER) == sorted(rows)
    assert min(map(len, sessions)) > BLOCK
    assert all(each.startswith("SET xmloption = content;\n") for each in sessions)
    assert (load.saved / "list").read_text() == "7; 0 16384 TABLE DATA public t me\n"
    assert (load.saved / "rest").read_text() == "; a comment\n8; 0 0 SEQUENCE SET public s me\n"
    before, _, _, after = (load.saved / "restored").read_text().splitlines()
    assert before.endswith("--dbname=dbname=fresh --section=pre-data archive")
    assert "--section=data --section=post-data --jobs=2 archive" in after


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [""],
        ["", "", ""],
        ["\\\\.", "x\\\\.", ".", "\\N", "COPY public.u (a, b) FROM stdin;", "--", "SET a = b;"],
        ["x" * (BLOCK - 1), "y", "z" * BLOCK, "", "w" * (3 * BLOCK + 1), "v"],
        ["x" * (2 * BLOCK - number) for number in range(5)],
    ],
)
def test_rows_are_split_at_newlines_at_any_length(load, rows):
    other = 'COPY s."FROM stdin;" (a) FROM stdin;\n'
    done, sessions = load(HEAD + table(rows) + table(["1\t2"], other) + TAIL)
    assert (done.returncode, done.stderr) == (0, b"")
    assert (copied(sessions, HEADER), copied(sessions, other)) == (sorted(rows), ["1\t2"])


@pytest.mark.parametrize("seed", range(5))
def test_rows_of_random_lengths_are_loaded(load, seed):
    random = Random(seed)
    header = 'COPY "odd\nCOPY x FROM stdin;\n\\! name"."t""; (a)" (a, "b\n") FROM stdin;\n'
    lengths = [random.choice((0, 1, 50, 5000, BLOCK - 2, BLOCK, BLOCK + 1)) for _ in range(60)]
    rows = [f"{number}\t{'y' * length}" for number, length in enumerate(lengths)]
    done, sessions = load(HEAD + table(rows, header) + TAIL, jobs=random.randint(1, 4))
    assert (done.returncode, done.stderr) == (0, b"")
    assert copied(sessions, header) == sorted(rows)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (HEAD + table(["1"]) + "SELECT pg_catalog.setval('s', 1);\n", "unexpected output of pg_restore"),
        (HEAD + "\\! touch somewhere\n", "unexpected output of pg_restore"),
        (HEAD + "INSERT INTO t VALUES ('\nCOPY t FROM stdin;\n1\n\\.\n');\n", "unexpected output of pg_restore"),
        (HEAD + "COPY t (a) FROM stdin;\n1\n", "stopped within a table"),
        (HEAD + "COPY t (a) FROM stdin;\n1\n\\.", "stopped within a table"),
        (HEAD + "x" * 5_000_000, "unexpected output of pg_restore"),
    ],
)
def test_unexpected_output_fails_restore(load, script, message):
    done, sessions = load(script)
    assert (done.returncode, message in done.stderr.decode()) == (1, True)
    assert not any("touch" in each or "INSERT" in each for each in sessions)
    assert not (load.saved / "rest").exists()


@pytest.mark.parametrize("program", ["fails", "no_psql"])
def test_failed_program_fails_restore(load, program):
    (load.folder / program).touch()
    assert load(HEAD + table(["1"]) + TAIL)[0].returncode == 1


def test_pg_restore_loads_alone_without_deal(load):
    done, sessions = load(deal=0)
    assert (done.returncode, sessions) == (0, [])
    assert "--jobs=2 archive" in (load.saved / "restored").read_text()


def test_archive_without_token_is_not_read_and_leaves_no_file(load):
    for content in (b"PGDMP", TOKEN.encode()[:-1], b"PGDMP" + TOKEN.encode() + b"\n"):
        done, _ = load(received=content)
        assert (done.returncode, done.stderr, list(load.saved.iterdir())) == (1, b"", [])
    done, _ = load(received=b"PGDMP" + TOKEN.encode())
    assert (done.returncode, done.stderr) == (0, b"")
    assert list((load.folder / "folder").iterdir()) == []


def test_pg_restore_sees_the_archive_without_the_token(load):
    reader = load.folder / "tools" / "pg_restore"
    reader.write_text(
        f"#!/bin/sh\ncat > /dev/null\nfor each; do case $each in /proc/*) cat $each > {load.saved}/seen;; esac; done"
    )
    (load.folder / "folder" / ".restore").symlink_to(load.folder / "elsewhere")
    done, _ = load(deal=0, received=CONTENT + TOKEN.encode())
    assert (done.returncode, (load.saved / "seen").read_bytes()) == (0, CONTENT)
    assert list((load.folder / "folder").iterdir()) == []
    assert not (load.folder / "elsewhere").exists()


ODD = r"""
    CREATE TABLE "odd
COPY x FROM stdin;
name" ("a ""b""
c" text, n int GENERATED ALWAYS AS IDENTITY, twice int GENERATED ALWAYS AS (3) STORED);
    INSERT INTO "odd
COPY x FROM stdin;
name" SELECT line FROM (VALUES ('\.'), (E'\n\\.\n'), (E'\t\b\r\n\\'), (NULL), (''), ('\N'), (repeat('ä', 300000)))
             v (line), generate_series(1, 40);
    CREATE TABLE parts (id int, day date) PARTITION BY RANGE (day);
    CREATE TABLE parts_2026 PARTITION OF parts FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
    INSERT INTO parts SELECT n, '2026-01-01'::date + n % 300 FROM generate_series(1, 50000) n;
    CREATE TABLE empty ();
    CREATE TABLE nothing (id int);
    CREATE MATERIALIZED VIEW known AS SELECT count(*) FROM parts;
    CREATE SEQUENCE counts START 7;
    SELECT nextval('counts'), lo_from_bytea(4711, 'large');
    ALTER TABLE parts ADD PRIMARY KEY (id, day);
    CREATE INDEX ON parts (day DESC) WHERE id > 7;
"""
SAME = r"""
    SELECT md5(string_agg(row::text, '' ORDER BY row::text)), count(*) FROM (
        SELECT (o.*)::text AS row FROM "odd
COPY x FROM stdin;
name" o UNION ALL SELECT (p.*)::text FROM parts p UNION ALL SELECT (k.*)::text FROM known k
        UNION ALL SELECT last_value::text FROM counts UNION ALL SELECT lo_get(4711)::text) everything
"""


@pytest.fixture
def program(place):
    """Runs a client program of the lab, and returns its output."""
    tools, passfile = place.lab.layout.bin, place.lab.layout.secrets / "pgpass-metachat"
    environment = {**os.environ, "PGPASSFILE": str(passfile), "PATH": f"{tools}:{os.environ['PATH']}"}

    def program(*words):
        return subprocess.run(words, capture_output=True, check=True, env=environment).stdout

    return program


def test_loaded_database_equals_dumped_database(place, program, tmp_path):
    names = ("metachat_odd", "metachat_odd_copy")
    here, there = (f"host=127.0.0.1 port={place.lab.postgres_port} user=metachat dbname={name}" for name in names)
    for name in names:
        place.sql(f"CREATE DATABASE {name} TEMPLATE template0", "postgres")
    place.sql(ODD, names[0])
    archive = tmp_path / "odd.dump"
    archive.write_bytes(program("pg_dump", "--format=custom", "-d", here))
    program("perl", "-e", scripts.perl("restore/load"), "--", str(archive), "", "3", "1", "all", there)
    assert place.sql(SAME, names[1]) == place.sql(SAME, names[0])
    schemas = [program("pg_dump", "--schema-only", "--restrict-key=a", "-d", each) for each in (here, there)]
    assert schemas[0] == schemas[1]
