"""Probes of each database: tunnel, login, extensions, and libraries loaded at the start of the server."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from opsproof.core import scripts
from opsproof.core.errors import MeasurementError
from opsproof.doctor.mending import Patient, mend, preload, psql
from opsproof.doctor.probe import Probe
from opsproof.inventory.hosts import Host
from opsproof.postgres.client import DatabaseClient
from opsproof.postgres.connection import Result
from opsproof.postgres.quoting import identifier
from opsproof.round.gathering import submitted
from opsproof.transport import ssh

STATEMENTS = "pg_stat_statements"
_TUNNEL = re.compile(
    r"tunnel|open failed: (?!connect failed)|administratively prohibited"
    r"|Permission denied \(|Host key|Could not resolve"
)


@dataclass(frozen=True)
class ServerExtensions:
    """Extensions of a database, of the server's packages, and libraries loaded at start; None if they are hidden."""

    installed: Sequence[str]
    available: Sequence[str]
    preloaded: Sequence[str] | None
    major: int


def probed(patient: Patient) -> list[Probe]:
    """The probes of all databases of the host."""
    client, host, query = DatabaseClient(), patient.host, scripts.sql("privileges/extensions")
    try:
        waiting = {name: submitted(host, each, [query], client) for name, each in host.databases.items()}
        results = {name: wait()[0] for name, wait in waiting.items()}
    finally:
        client.close()
    return [probe for name, result in results.items() for probe in of_result(patient, name, result)]


def of_result(patient: Patient, name: str, result: Result) -> list[Probe]:
    """The probes of the database `name`, from the answer to extensions.sql."""
    about = replace(patient, resource=name)
    through = [f"tunnel to {name}"] if _has_tunnel(patient.host, name) else []
    try:
        ((installed, available, preloaded, major),) = result.require()
    except MeasurementError as error:
        why, is_tunnel = str(error), bool(through and _TUNNEL.search(str(error)))
        tunnel = [Probe(each, why, mend(about, why)) if is_tunnel else Probe(each) for each in through]
        return tunnel if is_tunnel else [*tunnel, Probe(f"login to {name}", why, mend(about, why))]
    libraries = (
        None if preloaded is None else [each.strip().strip('"') for each in preloaded.split(",") if each.strip()]
    )
    found = ServerExtensions(installed, available, libraries, major)
    wanted = [*(["vector"] if _has_vectors(patient.host, name) else []), "pgstattuple", STATEMENTS]
    extensions = [_extension(about, name, each, found) for each in wanted]
    return [*map(Probe, through), Probe(f"login to {name}"), *extensions, _preloaded(about, name, found)]


def _has_tunnel(host: Host, name: str) -> bool:
    try:
        return bool(ssh.route(host, host.databases[name]))
    except MeasurementError:
        return False


def _has_vectors(host: Host, name: str) -> bool:
    return any(each.database == name for each in host.vector_indexes.values())


def _extension(patient: Patient, name: str, extension: str, found: ServerExtensions) -> Probe:
    title = f"extension {extension} in {name}"
    if extension in found.installed:
        return Probe(title)
    if extension in found.available:
        return Probe(title, "not installed", psql(patient, "-c", f"CREATE EXTENSION {identifier(extension)}"))
    package = f"postgresql-{found.major}-pgvector" if extension == "vector" else f"postgresql-{found.major}"
    return Probe(title, "not on the server", patient.here(f"sudo apt-get install {package}"))


def _preloaded(patient: Patient, name: str, found: ServerExtensions) -> Probe:
    title = f"{STATEMENTS} in shared_preload_libraries of {name}"
    if found.preloaded is None:
        why = "permission denied for shared_preload_libraries: the role is no member of pg_monitor"
        return Probe(title, why, mend(patient, why))
    if STATEMENTS in found.preloaded:
        return Probe(title)
    return Probe(title, "not loaded", preload(patient, [*found.preloaded, STATEMENTS]))
