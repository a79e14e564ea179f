"""Random passwords and fake tokens of a lab, as many as a production process has."""

import hashlib
import json
import secrets
from dataclasses import dataclass
from pathlib import Path

from lab.layout import Layout

TOKENS = {
    "JWT_SECRET": "",
    "OPENAI_API_KEY": "sk-proj-",
    "SMTP_PASS": "",
    "REDIS_PASSWORD": "",
    "RABBITMQ_PASSWORD": "",
    "WHATSAPP_ACCESS_TOKEN": "EAAG",
    "ADMIN_API_KEY": "adm_",
}
ROLES = ("metachat", "metachat_app", "opsproof_monitor", "opsproof_backup", "opsproof_load")


@dataclass(frozen=True)
class Credentials:
    """Passwords by database role, and tokens by environment variable."""

    passwords: dict[str, str]
    tokens: dict[str, str]

    @property
    def all(self) -> list[str]:
        """Every secret string."""
        return [*self.passwords.values(), *self.tokens.values()]

    @property
    def fingerprint(self) -> str:
        """Identifies the passwords without revealing them."""
        return hashlib.sha256(json.dumps(self.passwords).encode()).hexdigest()


def load(layout: Layout) -> Credentials:
    """Loads the lab's credentials, and generates them on the first call."""
    path = layout.secrets / "secrets.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    made = {part: {**new, **known.get(part, {})} for part, new in _generate().items()}
    if made != known:
        write_private(path, json.dumps(made, indent=2))
    return Credentials(**made)


def publish(layout: Layout, credentials: Credentials, api_port: int, postgres_port: int) -> bool:
    """Writes the password files and the application's environment; True if the environment changed."""
    roles = {
        "pgpass": "opsproof_monitor",
        "pgpass-metachat": "metachat",
        "pgpass-backup": "opsproof_backup",
        "pgpass-load": "opsproof_load",
    }
    for name, role in roles.items():
        write_private(layout.secrets / name, f"127.0.0.1:{postgres_port}:*:{role}:{credentials.passwords[role]}\n")
    content = "".join(f"{name}={value}\n" for name, value in environment(credentials, api_port, postgres_port).items())
    if layout.env.exists() and layout.env.read_text() == content:
        return False
    write_private(layout.env, content)
    return True


def environment(credentials: Credentials, api_port: int, postgres_port: int) -> dict[str, str]:
    """The variables of the application; Redis and RabbitMQ have their standard ports."""
    tokens = credentials.tokens
    application = f"metachat_app:{credentials.passwords['metachat_app']}@127.0.0.1:{postgres_port}"
    return {
        "NODE_ENV": "production",
        "TZ": "UTC",
        "PORT": str(api_port),
        "DATABASE_URL": f"postgresql://{application}/metachat",
        "REDIS_URL": f"redis://:{tokens['REDIS_PASSWORD']}@127.0.0.1:6379",
        "RABBITMQ_URL": f"amqp://metachat:{tokens['RABBITMQ_PASSWORD']}@127.0.0.1:5672",
        **tokens,
    }


def write_private(path: Path, content: str) -> None:
    """Replaces a file atomically; only the owner can read the file, at any moment."""
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600)
    draft.write_text(content)
    draft.replace(path)


def _generate() -> dict[str, dict[str, str]]:
    return {
        "passwords": {role: secrets.token_hex(16) for role in ROLES},
        "tokens": {name: prefix + secrets.token_hex(20) for name, prefix in TOKENS.items()},
    }
