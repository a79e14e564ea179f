"""Images are built once for each content, whichever checkout needs them."""

import pytest

from lab.docker import engine, images

pytestmark = pytest.mark.docker


@pytest.mark.usefixtures("docker_lab")
def test_an_image_that_lost_its_tag_to_another_checkout_is_not_built_again(tmp_path):
    own, printed = engine.image(images.REDIS.tag)["Id"], []
    engine.run("tag", images.RABBITMQ.tag, images.REDIS.tag)

    images.build(tmp_path, printed.append)

    assert (engine.image(images.REDIS.tag)["Id"], printed) == (own, [])
