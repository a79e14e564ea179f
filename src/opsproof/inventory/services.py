"""The queues and caches that a host can declare, and their limits."""

from typing import Literal

from pydantic import Field, model_validator

from opsproof.inventory.resources import Duration, Resource, userinfo


class Broker(Resource):
    """The RabbitMQ broker of a host, queried from the host over its management API."""

    url: str = Field("http://127.0.0.1:15672", pattern=r"^https?://", description="URL of the management API")
    container: str = Field("", description="declared container of the broker")
    vhost: str = Field("/", description="virtual host of the queues")
    netrc: str = Field(description="netrc file on the host with the login of a monitoring user")
    timeout: Duration = Field(5.0, description="limit of the answer time; a slower broker counts as hung")

    @model_validator(mode="after")
    def _has_no_secret(self) -> "Broker":
        if userinfo(self.url):
            raise ValueError("the url contains credentials: use a netrc file on the host")
        return self


class Queue(Resource):
    """Queues of the broker, by a pattern of their names: the application declares queues for each tenant."""

    pattern: str = Field(min_length=1, description="shell pattern: * for any text, ? for any character")
    kind: Literal["work", "dead-letter", "stream"] = Field(
        "work",
        description="work: always consumed; dead-letter: for rejected and expired messages; stream: keeps its messages",
    )


class Cache(Resource):
    """A Redis server, queried from the host."""

    address: str = Field("127.0.0.1", description="address as seen from the host")
    port: int = Field(6379, gt=0, lt=65536)
    container: str = Field("", description="declared container of the server")
    netrc: str = Field("", description="netrc file on the host with the login of a monitoring user")
    timeout: Duration = Field(5.0, description="limit of the answer time; a slower server counts as hung")
