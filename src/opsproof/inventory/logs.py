"""The log files that a host can declare, and the formats of their lines."""

import re
from typing import Annotated, Any, Literal, get_args
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, model_validator

from opsproof.inventory.patterns import portable
from opsproof.inventory.resources import Model, Resource

FormatName = Literal[
    "pm2-json", "json", "python", "nginx-combined", "caddy-json", "postgresql", "syslog", "text", "pattern"
]
_KEYS = {
    "json": {"time", "level", "message", "zone"},
    "postgresql": {"prefix", "zone"},
    "pattern": {"pattern", "zone"},
    "nginx-combined": set(),
    "caddy-json": set(),
}
"""The valid keys of each format besides its name; the others take only a zone."""
OFFSET = re.compile(r"([-+])(\d\d):(\d\d)")
Pattern = Annotated[str, AfterValidator(portable)]
FieldName = Annotated[str, Field(pattern=r"^[\w.@$-]*$")]


def _zone(text: str) -> str:
    try:
        if text and not OFFSET.fullmatch(text):
            ZoneInfo(text)
    except (OSError, LookupError, ValueError) as error:
        raise ValueError(f"unknown time zone {text!r}: write +01:00, UTC or Europe/Zagreb") from error
    return text


class LogFormat(Model):
    """A format of log lines; the name alone stands for the format with its defaults."""

    name: FormatName
    time: FieldName = Field("", description="json: field of the time; default: time, timestamp, ts or @timestamp")
    level: FieldName = Field("", description="json: field of the level; default: level, severity or levelname")
    message: FieldName = Field("", description="json: field of the message; default: message, msg or event")
    prefix: str = Field("%m [%p] %q%u@%d ", description="postgresql: log_line_prefix; needs %m, %t or %n")
    pattern: Pattern | None = Field(
        None, description="pattern: regular expression with a group level or status, perhaps also time and message"
    )
    zone: Annotated[str, AfterValidator(_zone)] = Field(
        "", description="time zone of times without a zone: +01:00, UTC or Europe/Zagreb"
    )

    @model_validator(mode="after")
    def _has_keys_of_its_name(self) -> "LogFormat":
        invalid = self.model_fields_set - _KEYS.get(self.name, {"zone"}) - {"name"}
        if invalid:
            raise ValueError(f"`{min(invalid)}` is not valid for format {self.name}")
        if self.name == "postgresql" and not re.search(r"%[mtn]", self.prefix):
            raise ValueError("the log_line_prefix has no time: it needs %m, %t or %n")
        groups = re.compile(self.pattern).groupindex if self.pattern else {}
        if self.name == "pattern" and not {"level", "status"} & groups.keys():
            raise ValueError("format pattern requires `pattern` with a group (?P<level>…) or (?P<status>…)")
        return self


def _tables(given: Any) -> Any:
    return [
        {"name": each} if isinstance(each, str) else each for each in (given if isinstance(given, list) else [given])
    ]


def _or_names(schema: dict[str, Any]) -> None:
    each = {"anyOf": [{"enum": list(get_args(FormatName))}, schema.pop("items")]}
    schema["anyOf"] = [*each["anyOf"], {"type": schema.pop("type"), "items": each, "minItems": schema.pop("minItems")}]


class LinePattern(Model):
    """Lines of a log by a regular expression, with the reason for treating them apart."""

    pattern: Pattern
    reason: str = Field(min_length=1)


class Log(Resource):
    """A log file with its rotated files in the same folder."""

    path: str
    format: Annotated[list[LogFormat], BeforeValidator(_tables)] = Field(
        min_length=1, description="format of the lines, or a list of formats", json_schema_extra=_or_names
    )
    since: AwareDatetime | None = Field(None, description="when the log began, if later than the limits look back")
    client: list[LinePattern] = Field(default_factory=list, description="errors to count as client errors")
    ignore: list[LinePattern] = Field(default_factory=list, description="lines that are no errors")

    @model_validator(mode="after")
    def _has_one_zone(self) -> "Log":
        if len({each.zone for each in self.format if each.zone}) > 1:
            raise ValueError("the formats of a log have several zones")
        return self
