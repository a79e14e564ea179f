"""A real server of S3's protocol, moto's, and a bucket in it."""

import os
import subprocess
import sys

import pytest

from lab import ports

PAGE = 20
"""Names per page of a listing; Amazon's limit is 1,000."""


@pytest.fixture(scope="session")
def s3_server():
    """The server's address."""
    pytest.importorskip("boto3")
    port = ports.free()
    words = [sys.executable, "-c", f"from moto.server import main; main(['-p', '{port}'])"]
    environment = {**os.environ, "MOTO_S3_DEFAULT_MAX_KEYS": str(PAGE)}
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment) as process:
        yield f"http://127.0.0.1:{port}"
        process.terminate()


@pytest.fixture
def s3(s3_server, monkeypatch):
    """A client with an empty bucket "copies"; started programs find the server too."""
    import boto3

    said = {
        "AWS_ENDPOINT_URL_S3": s3_server,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3", config=boto3.session.Config(retries={"max_attempts": 10, "mode": "standard"}))
    client.create_bucket(Bucket="copies")
    yield client
    for page in client.get_paginator("list_objects_v2").paginate(Bucket="copies"):
        for each in page.get("Contents", []):
            client.delete_object(Bucket="copies", Key=each["Key"])
    client.delete_bucket(Bucket="copies")
