"""How a script begins that takes a bucket for a directory: every build, page after page.

Printed is the name that comes last in the order of text, which is not the newest build's.
"""

import os
from typing import Any

from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

BUCKET, ROOT = "k8s-staging-kops", "kops/releases/"


def main() -> None:
    client: Any = storage.Client(  # type: ignore[no-untyped-call]  # google-cloud-storage is not annotated
        project="none",
        credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]  # nor is google-auth
        client_options={"api_endpoint": os.environ["STORAGE_EMULATOR_HOST"]},
    )
    blobs = client.list_blobs(BUCKET, prefix=ROOT, delimiter="/")
    list(blobs)
    print(max(blobs.prefixes))


if __name__ == "__main__":
    main()
