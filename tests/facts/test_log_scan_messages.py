"""Messages of the log scanner: without secrets, whatever the log contains."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from tests.facts.scanning import COUNTS, DAY, JSON, ONE, TEXT, Logs, Scan, counts, entry, messages, prefix, refusal


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"message": "Request failed", "err": {"message": "Route not found"}}, "Request failed: Route not found"),
        ({"message": "Moved to DLQ", "error": "no channel"}, "Moved to DLQ: no channel"),
        ({"message": "Moved", "error": {"message": "inner", "code": 1}}, "Moved: inner"),
        ({"message": "Moved", "err": "plain"}, "Moved: plain"),
        ({"err": {"message": "only this"}}, "only this"),
        ({"message": 'a \\ b " c / 5° d\n\t\x01 é € \ufffd'}, 'a \\ b " c / 5° d\n\t\x01 é € \ufffd'),
        ({"message": "x" * 150 + " " + "é" * 100}, "x" * 150 + " " + "é" * 49),
        ({"message": "request 7a259e1f-3f2b-4c1d-9e8f-0123456789ab"}, "request …"),
        ({"message": "tenant ten00024 id 64f0c2aa91 cuid clx1a2b3c4d5e6f7g8h9i0j1k"}, "tenant ten… id … cuid …"),
        ({"message": "port 5432 at 0xdeadbeef of 1795500000"}, "port 5432 at … of …"),
        ({"message": "facade decade"}, "facade decade"),
    ],
)
def test_a_message_says_what_failed(logs: Logs, answer: Any, fields: dict[str, Any], expected: str) -> None:
    """Ids collapse: one failure of many requests is one message."""
    logs(entry(level="ERROR", **fields))
    assert messages(answer()) == [(expected, 1)]


def test_last_of_repeated_keys_counts(logs: Logs, answer: Any) -> None:
    """As in JavaScript; a nested key of the same name is separate."""
    line = entry(level="ERROR", message="first", deep={"message": "deep"}).rstrip("}\n")
    logs(line + '},"message":"last","tail":[{"message":"tail"}]}\n')
    assert messages(answer()) == [("last", 1)]


def test_escapes_and_broken_bytes_are_shown_harmlessly(logs: Logs, answer: Any) -> None:
    """The answer stays ASCII whatever the log holds."""
    message = rb"\u010d \ud83d\ude00 \u0007 " + b"\xff\xfe \xc3\xa9 \xe2\x82 \x00 \xf0\x9f\x98\x80"
    logs(entry(level="ERROR", message="MARK").encode().replace(b"MARK", message))
    shown = answer()["commonest"][0]["message"]
    assert shown.startswith("č \ufffd\ufffd \x07 \ufffd\ufffd é ")
    assert shown.endswith(" \x00 \U0001f600")


def test_the_five_commonest_come_first(logs: Logs, answer: Any) -> None:
    """Most frequent first; client errors are excluded."""
    lines = [entry(9, "ERROR", message=f"m{'abcdefg'[n]}") * (n + 1) for n in range(7)]
    logs("".join(lines) + refusal(status=404) * 50 + entry(9, "FATAL", message="end") * 9)
    result = answer()
    assert messages(result) == [("end", 9), ("mg", 7), ("mf", 6), ("me", 5), ("md", 4)]
    assert [row["level"] for row in result["commonest"]] == ["FATAL", *["ERROR"] * 4]


SECRETS = [
    "postgres://metachat:s3cr3tvalue@localhost:5432/x",
    "amqp://u:s3cr3tvalue/x@y@h",
    "password=s3cr3tvalue",
    "Password: s3cr3tvalue",
    'got {"password":"s3cr3tvalue","user":"u"}',
    'got {"password":"a b \\"s3cr3tvalue"}',
    r"twice {\"dbPassword\":\"a s3cr3tvalue\"}",
    "{ passwd: 's3cr3tvalue x' }",
    "SMTP_PASS=s3cr3tvalue",
    "client_secret = s3cr3tvalue",
    "accessToken: s3cr3tvalue",
    "?token=s3cr3tvalue&x=1",
    "refresh_token%3Ds3cr3tvalue",
    "api_key=s3cr3tvalue",
    "X-Api-Key: s3cr3tvalue",
    "apiKey => s3cr3tvalue",
    "JWT_SECRET=s3cr3tvalue",
    "Authorization: Basic s3cr3tvalue==",
    "authorization: Bearer s3cr3tvalue",
    "Cookie: a=b; sid=s3cr3tvalue",
    'Set-Cookie": "sid=s3cr3tvalue; Path=/"',
    "sent Bearer s3cr3tvalue",
    "invalid key sk-ant-s3cr3tvalue-0123",
    "invalid key sk_live_s3cr3tvalue",
    "jwt eyJs3cr3tvalue.eyJzdWIi.SflKx-s3cr3tvalue",
    "EAAGs3cr3tvaluexyz",
    "ghp_s3cr3tvalue0123456789",
    "AKIAS3CR3TVALUE0123",
    "raw Qs3cr3tvalueAbCdEfGhIjKlMnOpQrStUvWx",
    "jwt=s3cr3tvalue",
    "session=s3cr3tvalue; path",
    '{"session":"s3cr3tvalue"}',
    "user_session: s3cr3tvalue",
    "otp=s3cr3tvalue",
    "your OTP: s3cr3tvalue",
    "/x?X-Amz-Signature=s3cr3tvalue&a=1",
    "sig=s3cr3tvalue",
    "csrf-token=s3cr3tvalue",
    "run --password s3cr3tvalue --host db",
    "run --db-password 's3cr3tvalue x'",
    "run --api-key s3cr3tvalue",
    "mysql -u root -ps3cr3tvalue db",
    "mysqldump --opt -h db -ps3cr3tvalue",
    "sshpass -p s3cr3tvalue ssh vps",
    "redis-cli -h r -a s3cr3tvalue ping",
    "curl -s -u me:s3cr3tvalue https://x",
    "token s3cr3tvalue expired",
    "invalid session 's3cr3tvalue'",
    "password s3cr3tvalue is wrong",
    "-----BEGIN RSA PRIVATE KEY-----\\ns3cr3tvalue\\n-----END RSA PRIVATE KEY-----",
    "-----BEGIN OPENSSH PRIVATE KEY-----s3cr3tvalue",
]

SHAPES = {
    "AWS": ("AKIA", 16),
    "AWS, temporary": ("ASIA", 16),
    "GitHub": ("ghp_", 36),
    "GitHub, app": ("ghs_", 36),
    "GitHub, fine": ("github_pat_", 82),
    "GitLab": ("glpat-", 20),
    "GitLab, runner": ("glrt-", 20),
    "Slack, bot": ("xoxb-", 40),
    "Slack, app": ("xapp-1-", 40),
    "Stripe": ("sk_live_", 24),
    "Stripe, restricted": ("rk_live_", 24),
    "OpenAI": ("sk-proj-", 48),
    "Anthropic": ("sk-ant-api03-", 95),
    "Google": ("AIza", 35),
    "Google, OAuth": ("ya29.", 60),
    "npm": ("npm_", 36),
    "PyPI": ("pypi-", 60),
    "SendGrid": ("SG.", 66),
    "Vault": ("hvs.", 90),
    "Vault, batch": ("hvb.", 90),
    "DigitalOcean": ("dop_v1_", 64),
    "Doppler": ("dp.pt.", 43),
    "Shopify": ("shpat_", 32),
    "Square": ("sq0atp-", 22),
    "Postman": ("PMAK-", 59),
    "Linear": ("lin_api_", 40),
    "Hugging Face": ("hf_", 34),
    "Databricks": ("dapi", 32),
    "age": ("AGE-SECRET-KEY-1", 58),
    "PlanetScale": ("pscale_tkn_", 43),
    "Grafana": ("glsa_", 32),
    "Grafana, cloud": ("glc_", 40),
    "Atlassian": ("ATATT3", 186),
    "New Relic": ("NRAK-", 27),
    "Sentry": ("sntrys_", 60),
    "Mailgun": ("key-", 32),
    "Telegram": ("123456789:AA", 33),
    "JWT": ("eyJ", 80),
    "Meta": ("EAA", 60),
    "line of a PEM body": ("", 64),
}
"""Prefix of a key and length of its rest, after the rules of the secret scanner gitleaks."""


@pytest.mark.parametrize(("before", "length"), SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("alphabet", ["abcdefghijklmnopqrstuvwxyz0123456789", "ABCDEFGHJKMNPQRSTUVWXYZ0123456789ab"])
def test_a_key_of_a_known_shape_does_not_leave_the_host(
    logs: Logs, answer: Any, before: str, length: int, alphabet: str
) -> None:
    """Seven characters of a key in a row are too many."""
    body = "".join(random.Random(length).choices(alphabet, k=length))
    logs(entry(level="ERROR", message=f"rejected {before}{body}" if before else body))
    ((message, _),) = messages(answer())
    assert [body[start : start + 7] for start in range(length - 6) if body[start : start + 7] in message] == []


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("kind", [JSON, TEXT])
def test_a_secret_does_not_leave_the_host(logs: Logs, run: Scan, kind: tuple[str, str], secret: str) -> None:
    """Messages are shown to people and kept in reports."""
    logs(entry(level="ERROR", message=secret) if kind == JSON else f"{prefix(9)}Error: {secret}\n")
    path = logs(entry(level="ERROR", message=secret) if kind == JSON else f"{prefix(9)}Error: {secret}\n")
    done = run(path, DAY, *kind)
    assert "s3cr3tvalue" not in done.stdout.lower()
    assert "***" in done.stdout


HARMLESS = [
    "3 tests passed: ok",
    "keyboard: unplugged",
    "compass north",
    "GET /x?page=2",
    "token has expired",
    "Unexpected token u in JSON",
    "invalid signature: wrong key",
    "design=flat",
    "no session for user",
    "mysql -u root -p",
    "password is wrong",
    "spin: 3 times",
    "ENOENT: no such file, open '/srv/app/dist/server.js'",
]


@pytest.mark.parametrize("message", HARMLESS)
def test_harmless_text_stays_readable(logs: Logs, answer: Any, message: str) -> None:
    """A message scrubbed of everything helps nobody."""
    logs(entry(level="ERROR", message=message))
    assert messages(answer()) == [(message, 1)]


def megabytes(count: float) -> int:
    """Bytes in so many MiB."""
    return int(count * 1024 * 1024)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (lambda: entry(50, "ERROR", pad="x" * megabytes(10)) + entry(), {"lines": 2, "recognized": 2, "errors": 1}),
        (lambda: entry(50, "ERROR", pad="x" * megabytes(10)), ONE | {"errors": 1}),
        (lambda: entry(50) + "y" * megabytes(10) + "\n" + entry(), {"lines": 3, "recognized": 2}),
        (lambda: entry(50) + "y" * megabytes(10), {"lines": 2, "recognized": 1}),
        (lambda: entry(50) + "y" * (megabytes(1) - 1) + "\n" + entry(), {"lines": 3, "recognized": 2}),
        (lambda: entry(50) + "y" * megabytes(1) + "\n" + entry(), {"lines": 3, "recognized": 2}),
        (
            lambda: entry(50, "ERROR", err={"p": "\\n" * megabytes(0.4)}) + entry(),
            {"lines": 2, "recognized": 2, "errors": 1},
        ),
        (lambda: entry(50) + "\0" * 99999 + "\n" + entry(), {"lines": 3, "recognized": 2}),
        (lambda: entry(50) + "\n" * 300_000, {"lines": 300_001, "recognized": 300_001}),
        (lambda: entry(50, "ERROR", deep=0)[:-3] + "[" * 200_000 + "\n", ONE | {"errors": 1}),
        (
            lambda: "".join(entry(50, "ERROR", message=f"{n:b}".translate({48: "a", 49: "b"})) for n in range(30_000)),
            dict.fromkeys(COUNTS[:3], 30_000),
        ),
    ],
    ids=["long", "long last", "long other", "unended", "1 MiB", "1 MiB + 1", "escapes", "NUL", "empty", "deep", "many"],
)
def test_huge_lines_are_counted_in_bounded_memory(
    logs: Logs, answer: Any, content: Callable[[], str], expected: dict[str, int]
) -> None:
    """Peak memory on the host stays under 64 MB."""
    logs(content())
    watch = 'END { open my $f, "<", "/proc/self/status"; my ($kb) = join("", <$f>) =~ /VmHWM:\\s+(\\d+)/;'
    result = answer(also=f"{watch} print STDERR qq(held $kb) if $kb > 64_000 }}")
    assert counts(result) == expected


def test_a_long_text_line_is_one_line(logs: Logs, answer: Any) -> None:
    """The rest of a long line never counts as another line."""
    logs(f"{prefix(9)}Error: x" + "y" * megabytes(10) + f"\n{prefix(8)}told\n")
    assert counts(answer(*TEXT)) == {"lines": 2, "recognized": 2, "errors": 1}


def test_frequent_message_survives_many_rare_messages(logs: Logs, answer: Any) -> None:
    """With too many different messages, rare ones are dropped."""
    letters = {48: "a", 49: "b"}
    many = [entry(50, "ERROR", message=f"{n:b}".translate(letters)) for n in range(25_000)]
    logs("".join([entry(60, "ERROR", message="often") * 50, *many, entry(40, "ERROR", message="often") * 50]))
    assert messages(answer())[0] == ("often", 100)


@pytest.mark.parametrize("kind", [JSON, TEXT])
@pytest.mark.parametrize("seed", range(3))
def test_random_bytes_count_as_unrecognized_lines(logs: Logs, answer: Any, kind: tuple[str, str], seed: int) -> None:
    """Random bytes neither crash the scanner nor count as errors."""
    data = random.Random(seed).randbytes(megabytes(3))
    logs(data)
    assert counts(answer(*kind)) == {"lines": data.count(b"\n") + (not data.endswith(b"\n"))}
