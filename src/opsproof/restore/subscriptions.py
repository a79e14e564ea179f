"""Subscriptions of the databases replaced by a restore: a subscription stays with the renamed database."""

from opsproof.core.errors import Refused
from opsproof.postgres.quoting import identifier
from opsproof.restore.server import RestoreClient, RestoreServer, ServerDatabase


def dropping(client: RestoreClient, server: RestoreServer, old: ServerDatabase, name: str) -> list[str]:
    """Commands to end a subscription of an old database; the slot stays if the live database has the subscription."""
    subscription, serving = identifier(name), server.serving
    shared = serving is not None and name in serving.subscriptions
    keep_slot = [f"ALTER SUBSCRIPTION {subscription} SET (slot_name = NONE)"] if shared else []
    return [
        client.by_hand(old.name, f"ALTER SUBSCRIPTION {subscription} DISABLE"),
        client.by_hand(old.name, *keep_slot, f"DROP SUBSCRIPTION {subscription}"),
    ]


def after_swap(client: RestoreClient, server: RestoreServer, aside: str) -> list[str]:
    """Subscriptions to end or enable by hand after a swap, with the commands; empty without subscriptions."""
    old, serving = server.databases.get(aside), server.serving
    lines: list[str] = []
    for name in old.subscriptions if old else ():
        assert old is not None
        lines += [
            f"subscription {name} still feeds {aside}; to end the subscription:",
            *dropping(client, server, old, name),
        ]
    for name in serving.subscriptions if serving else ():
        enable = f"ALTER SUBSCRIPTION {identifier(name)} ENABLE"
        lines += [f"subscription {name} is disabled in {server.live}; then enable the subscription:"]
        lines += [client.by_hand(server.live, enable)]
    return lines


def require_droppable(client: RestoreClient, server: RestoreServer, old: ServerDatabase) -> None:
    """Refuses to drop an old database in use by logical replication.

    Raises:
        Refused: the database has a subscription, or a logical replication slot is in use; with the commands.
    """
    if old.subscriptions:
        name = old.subscriptions[0]
        commands = "; ".join(dropping(client, server, old, name))
        why = f"{old.name} has subscription {name}, which prevents the drop"
        raise Refused(f"{why}; to end the subscription: {commands} (run both)")
    if old.slots:
        raise Refused(
            f"replication slot {old.slots[0]} of {old.name} is in use, which prevents the drop: stop the subscriber"
        )
