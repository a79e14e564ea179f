"""Scripts for psql, with UTF-8 and settings that a server refuses at the start of a session if unknown to it."""

LATER = {"transaction_timeout": "0"}
"""Settings of PostgreSQL 17 and newer."""
LATER_FROM = 170000
"""server_version_num of the first release with `LATER`."""
_FEED = 'printf "%s\\n" "$0" | "$@"'
"""A sh script that pipes $0 to the command in its arguments."""
_SET = "\n".join(f"SET {name} = {value};" for name, value in LATER.items())
_LATER = f"SELECT :SERVER_VERSION_NUM >= {LATER_FROM} AS later \\gset\n\\if :later\n{_SET}\n\\endif\n"
_SETTINGS = f"SET client_encoding = 'UTF8';\n{_LATER}"


def fed(script: str) -> tuple[str, ...]:
    """The words in front of a psql command that reads `script`, after the settings."""
    return ("sh", "-c", _FEED, with_settings(script))


def with_settings(script: str) -> str:
    """The settings, then `script`."""
    return _SETTINGS + script


def later_options(version_num: int) -> str:
    """The settings as options of a session, for a server of a known version; empty for an older server."""
    return " ".join(f"-c {name}={value}" for name, value in LATER.items()) if version_num >= LATER_FROM else ""
