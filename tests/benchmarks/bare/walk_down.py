"""The least that google-cloud-storage can do to find master's newest build: the requests of a resolve, bare.

Nothing is checked, tried again or explained, no order is known but that of numbers, and the marker is believed.
Printed is what the marker says.
"""

import os
from typing import Any

os.environ["DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA"] = "true"  # or it sends one request more

from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

BUCKET, ROOT = "k8s-staging-kops", "kops/releases/"
FIELDS = "items(name,size,timeCreated),prefixes,nextPageToken"


def main() -> None:
    client: Any = storage.Client(  # type: ignore[no-untyped-call]  # google-cloud-storage is not annotated
        project="none",
        credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]  # nor is google-auth
        client_options={"api_endpoint": os.environ["STORAGE_EMULATOR_HOST"]},
    )

    def names(prefix: str, delimiter: str) -> list[str]:
        blobs = client.list_blobs(BUCKET, prefix=ROOT + prefix, delimiter=delimiter, fields=FIELDS)
        list(blobs)
        return [name.removeprefix(ROOT) for name in blobs.prefixes]

    def numbers(name: str) -> list[int]:
        return [int(part) for part in name.replace("-", ".").split(".") if part.isdigit()]

    major = max(name for name in names("", ".") if name.removesuffix(".").isdigit())
    minor = max(names(major, "."), key=numbers)
    build = max(names(minor, "/"), key=numbers)
    if not list(client.list_blobs(BUCKET, prefix=ROOT + build, fields=FIELDS)):
        raise SystemExit(f"{build} is empty")
    marker = client.bucket(BUCKET).blob(f"{ROOT}markers/master/latest-ci-updown-green.txt")
    print(marker.download_as_text().strip())


if __name__ == "__main__":
    main()
