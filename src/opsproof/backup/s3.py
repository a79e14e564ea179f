"""Copies in a bucket of S3, or of whatever speaks its protocol: the only module that knows boto3.

Keys and endpoint come from where boto3 looks for them: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and
AWS_ENDPOINT_URL_S3, or the files in ~/.aws.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, BinaryIO

from opsproof.errors import MeasurementError

PART_BYTES = 8 * 2**20
"""A part of an upload; two are in memory at a time."""


@dataclass(frozen=True)
class Bucket:
    """A place of copies: a bucket, and what stands before each name in it."""

    bucket: str
    prefix: str

    @cached_property
    def _client(self) -> Any:
        try:
            import boto3
            from botocore.config import Config
        except ImportError as error:
            raise MeasurementError("boto3 is missing: pip install 'opsproof[offsite]'") from error
        with _telling(self.bucket):
            limits = Config(connect_timeout=10, read_timeout=60, retries={"max_attempts": 3})
            return boto3.client("s3", config=limits)

    def _key(self, name: str) -> str:
        return f"{self.prefix.strip('/')}/{name}".lstrip("/")

    def put(self, name: str, content: BinaryIO) -> str:
        """Uploads `content`, of whatever length, and gives the checksum of what then lies there.

        Raises:
            MeasurementError: it cannot be uploaded, or not be read back.
        """
        client = self._client
        from boto3.s3.transfer import TransferConfig

        parts = TransferConfig(multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES, max_concurrency=2)
        with _telling(self.bucket):
            client.upload_fileobj(content, self.bucket, self._key(name), Config=parts)
            return self._sum(name)

    def _sum(self, name: str) -> str:
        found = hashlib.sha256()
        for part in self._client.get_object(Bucket=self.bucket, Key=self._key(name))["Body"].iter_chunks(2**20):
            found.update(part)
        return found.hexdigest()

    def commit(self, name: str) -> None:
        """An upload has its name when it is complete, and no sooner."""

    def lacking(self, set_name: str) -> str:
        """What is missing of a set, in a sentence; empty where all its files are there.

        Raises:
            MeasurementError: the bucket cannot be asked.
        """
        client, key = self._client, self._key(set_name)
        with _telling(self.bucket):
            found = client.list_objects_v2(Bucket=self.bucket, Prefix=f"{key}.").get("Contents", [])
            if f"{key}.sha256" not in {each["Key"] for each in found}:
                return f"there is no whole copy of {set_name}"
            body = client.get_object(Bucket=self.bucket, Key=f"{key}.sha256")["Body"].read().decode()
        names = {each["Key"] for each in found if each["Size"]}
        missing = [line.split()[-1] for line in body.splitlines() if self._key(line.split()[-1]) not in names]
        return f"{', '.join(missing)} is gone" if missing else ""


@contextmanager
def _telling(bucket: str) -> Iterator[None]:
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError, Boto3Error) as error:
        raise MeasurementError(f"s3://{bucket}: {error}") from error
