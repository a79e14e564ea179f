"""Images with the same content are built only once, across checkouts."""

import pytest

from lab.docker import engine, images

pytestmark = pytest.mark.docker


@pytest.mark.usefixtures("docker_lab")
def test_image_untagged_by_another_checkout_is_tagged_not_rebuilt(tmp_path):
    own, printed = engine.image(images.REDIS.tag)["Id"], []
    engine.run("tag", images.RABBITMQ.tag, images.REDIS.tag)

    images.build(tmp_path, printed.append)

    assert (engine.image(images.REDIS.tag)["Id"], printed) == (own, [])
