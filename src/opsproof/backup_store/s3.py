"""Off-site copies in a bucket of S3 or a compatible store; no other module imports boto3.

boto3 finds credentials and endpoint itself: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_ENDPOINT_URL_S3, or the
files in ~/.aws.
"""

import hashlib
import io
import itertools
import math
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any, BinaryIO

from opsproof.backup_store.folder import removal_rank
from opsproof.core.errors import MeasurementError

PART_BYTES = 5 * 2**20
"""Minimum part size of an S3 upload; larger files use larger parts. One part is in memory at a time."""
MOST_PARTS = 9000
"""S3 limits an upload to 10,000 parts: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html.

The margin is for encryption, which adds a few bytes per 64 KiB.
"""
READ_BYTES = 2**18
_PARTIAL = ".partial"
_NEEDED = ({"dump", "globals", "manifest"}, {"tar", "contents", "manifest"})
"""Parts of a set of a database, and of files."""


@dataclass(frozen=True)
class Bucket:
    """A store of copies: a bucket, and a prefix of all keys.

    An incomplete multipart upload appears as NAME.partial, like a partial file.
    """

    bucket: str
    prefix: str

    @cached_property
    def _client(self) -> Any:
        try:
            import boto3
            from botocore.config import Config
        except ImportError as error:
            raise MeasurementError("boto3 is not installed: pip install 'opsproof[offsite]'") from error
        with _client_errors(self.bucket):
            limits = Config(connect_timeout=10, read_timeout=60, retries={"max_attempts": 3})
            return boto3.client("s3", config=limits)

    def _key(self, name: str) -> str:
        return f"{self.prefix.strip('/')}/{name}".lstrip("/")

    def put(self, name: str, content: BinaryIO, size_bytes: int) -> str:
        """Uploads `content`, of about `size_bytes`, and returns the SHA-256 of the object as read back.

        A failed upload is aborted.

        Raises:
            MeasurementError: uploading or reading back failed.
        """
        parts = _parts(content, part_bytes(size_bytes))
        with _client_errors(self.bucket):
            first = next(parts)
            where = {"Bucket": self.bucket, "Key": self._key(name)}
            if len(first.getbuffer()) < part_bytes(size_bytes):
                self._client.put_object(**where, Body=first)
            else:
                self._upload(where, itertools.chain([first], parts))
        return self._sum(name)

    def _upload(self, where: dict[str, str], parts: Iterable[io.BytesIO]) -> None:
        client = self._client
        upload = {**where, "UploadId": client.create_multipart_upload(**where)["UploadId"]}
        try:
            tags = [
                {"PartNumber": number, "ETag": client.upload_part(**upload, PartNumber=number, Body=part)["ETag"]}
                for number, part in enumerate(parts, 1)
            ]
            client.complete_multipart_upload(**upload, MultipartUpload={"Parts": tags})
        except BaseException:
            with suppress(MeasurementError), _client_errors(self.bucket):
                client.abort_multipart_upload(**upload)
            raise

    def _sum(self, name: str) -> str:
        found = hashlib.sha256()
        with self.read(name) as back:
            while part := back.read(READ_BYTES):
                found.update(part)
        return found.hexdigest()

    @contextmanager
    def read(self, name: str) -> Iterator[BinaryIO]:
        """The content of an object as a stream.

        Raises:
            MeasurementError: the object does not exist, or reading failed.
        """
        client = self._client
        with _client_errors(self.bucket):
            yield client.get_object(Bucket=self.bucket, Key=self._key(name))["Body"]

    def places(self) -> list[str]:
        """The address of the bucket and prefix."""
        return [f"s3://{self.bucket}/{self.prefix.strip('/')}"]

    def size(self, name: str) -> int:
        """Size of an object in bytes.

        Raises:
            MeasurementError: the object does not exist, or cannot be inspected.
        """
        client = self._client
        with _client_errors(self.bucket):
            return int(client.head_object(Bucket=self.bucket, Key=self._key(name))["ContentLength"])

    def commit(self, name: str) -> None:
        """Does nothing: an object appears in the bucket only when its upload is complete."""

    def ages(self, prefix: str) -> dict[str, float]:
        """Seconds since each object with the name prefix was written, or since its incomplete upload began.

        Raises:
            MeasurementError: the bucket cannot be listed.
        """
        now = time.time()
        found = {each["Key"]: now - each["LastModified"].timestamp() for each in self._all("list_objects_v2", prefix)}
        uploads = self._all("list_multipart_uploads", prefix)
        found |= {f"{each['Key']}{_PARTIAL}": now - each["Initiated"].timestamp() for each in uploads}
        start = len(self._key(""))
        return {key[start:]: age for key, age in found.items() if "/" not in key[start:]}

    def _all(self, method: str, prefix: str) -> list[dict[str, Any]]:
        client = self._client
        kind = {"list_objects_v2": "Contents", "list_multipart_uploads": "Uploads"}[method]
        with _client_errors(self.bucket):
            pages = client.get_paginator(method).paginate(Bucket=self.bucket, Prefix=self._key(prefix))
            return [each for page in pages for each in page.get(kind, [])]

    def remove(self, names: Sequence[str]) -> None:
        """Deletes objects in the order of `removal_rank`, and aborts incomplete uploads.

        Raises:
            MeasurementError: an object or upload could not be removed.
        """
        client = self._client
        with _client_errors(self.bucket):
            for name in sorted(names, key=removal_rank):
                if not name.endswith(_PARTIAL):
                    client.delete_object(Bucket=self.bucket, Key=self._key(name))
        for upload in self._uploads([each for each in names if each.endswith(_PARTIAL)]):
            with _client_errors(self.bucket):
                client.abort_multipart_upload(Bucket=self.bucket, Key=upload["Key"], UploadId=upload["UploadId"])

    def _uploads(self, names: Sequence[str]) -> list[dict[str, Any]]:
        found = [self._all("list_multipart_uploads", each.removesuffix(_PARTIAL)) for each in names]
        keys = {self._key(each.removesuffix(_PARTIAL)) for each in names}
        return [upload for uploads in found for upload in uploads if upload["Key"] in keys]

    def lacking(self, set_name: str, timeout_s: float) -> str:
        """The files missing from the copy of a set; empty if the copy is complete. Reads no content but the list.

        Raises:
            MeasurementError: the bucket cannot be read.
        """
        del timeout_s
        found = {each["Key"]: each["Size"] for each in self._all("list_objects_v2", f"{set_name}.")}
        if self._key(f"{set_name}.sha256") not in found:
            return f"no complete copy of {set_name}"
        with self.read(f"{set_name}.sha256") as body:
            names = [line.split()[-1] for line in body.read().decode(errors="replace").splitlines() if line.strip()]
        listed = {name.removeprefix(f"{set_name}.").split(".")[0] for name in names}
        if not any(needed <= listed for needed in _NEEDED):
            return f"the checksum list of {set_name} is incomplete"
        missing = [name for name in names if not found.get(self._key(name))]
        return f"missing: {', '.join(missing)}" if missing else ""

    def deleters(self, names: Sequence[str]) -> list[str]:
        """The login, if an object is not locked and the bucket keeps no versions; empty if all objects are locked.

        Object Lock in compliance mode refuses everybody:
        https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html

        Raises:
            MeasurementError: the bucket cannot be inspected, or keeps versions, which the login may be able to delete.
        """
        if names and all(self._is_locked(each) for each in names):
            return []
        client = self._client
        with _client_errors(self.bucket):
            status = client.get_bucket_versioning(Bucket=self.bucket).get("Status")
        if status == "Enabled":
            raise MeasurementError(
                f"s3://{self.bucket} keeps versions, and nothing shows whether the login deletes them"
            )
        return ["the login: overwrites objects, of which the bucket keeps no versions"]

    def _is_locked(self, name: str) -> bool:
        """Whether an object is locked for everybody, until later than now."""
        client = self._client
        with _client_errors(self.bucket):
            said = client.head_object(Bucket=self.bucket, Key=self._key(name))
        until = said.get("ObjectLockRetainUntilDate")
        return said.get("ObjectLockMode") == "COMPLIANCE" and until is not None and until.timestamp() > time.time()


def part_bytes(size_bytes: int) -> int:
    """Part size in bytes for an upload of about `size_bytes`; one part is in memory at a time."""
    return max(PART_BYTES, math.ceil(size_bytes / MOST_PARTS))


def _parts(content: BinaryIO, size: int) -> Iterator[io.BytesIO]:
    """Splits `content` into parts of `size` bytes, at least one part; every part reuses the same buffer."""
    part = io.BytesIO()
    _fill(part, content, size)
    yield part
    while len(part.getbuffer()) == size:
        _fill(part, content, size)
        if part.getbuffer():
            yield part


def _fill(part: io.BytesIO, content: BinaryIO, size: int) -> None:
    part.seek(0)
    part.truncate()
    while part.tell() < size and (some := content.read(min(READ_BYTES, size - part.tell()))):
        part.write(some)
    part.seek(0)


@contextmanager
def _client_errors(bucket: str) -> Iterator[None]:
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError, Boto3Error) as error:
        raise MeasurementError(f"s3://{bucket}: {error}") from error
