"""Declarations of listening TCP ports."""

import ipaddress
from typing import Annotated

from pydantic import AfterValidator, Field

from opsproof.inventory.resources import Resource


def _address(text: str) -> str:
    """The `text`, if it is an IP address or empty.

    Raises:
        ValueError: the text is a name.
    """
    if text:
        try:
            ipaddress.ip_address(text)
        except ValueError:
            raise ValueError(f"{text!r} is no IP address: write 127.0.0.1, ::1, or 0.0.0.0 for all addresses") from None
    return text


class Listening(Resource):
    """The listening TCP ports of the host: beyond loopback, only declared ports may listen."""

    run_as: str = Field("", description="user with the right to see the programs of all ports, like root (sudo -n -u)")


class Port(Resource):
    """A TCP port, required to listen."""

    port: int = Field(gt=0, lt=65536)
    address: Annotated[str, AfterValidator(_address)] = Field(
        "", description="IP address to listen at, 0.0.0.0 for all; default: any address, and more addresses are allowed"
    )
    program: str = Field("", description="name of the listening process")
