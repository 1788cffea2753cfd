"""The least that urllib3 can do to find master's newest build: the requests of a resolve, bare.

Nothing is checked, tried again or explained, no order is known but that of numbers, and the marker is believed.
Printed is what the marker says.
"""

import json
import os
from urllib.parse import quote, urlencode

import urllib3

BUCKET, ROOT = "k8s-staging-kops", "kops/releases/"
FIELDS = "items(name,size,timeCreated),prefixes,nextPageToken"


def main() -> None:
    endpoint = os.environ["STORAGE_EMULATOR_HOST"]
    pool = urllib3.PoolManager()

    def get(url: str) -> bytes:
        answer = pool.request("GET", endpoint + url)
        if answer.status != 200:
            raise SystemExit(f"{url}: HTTP {answer.status}")
        return answer.data

    def names(prefix: str, delimiter: str, key: str = "prefixes") -> list[str]:
        found, query = [], {"prefix": ROOT + prefix, "delimiter": delimiter, "fields": FIELDS}
        while True:
            page = json.loads(get(f"/storage/v1/b/{BUCKET}/o?{urlencode(query)}"))
            found += page.get(key, [])
            if "nextPageToken" not in page:
                return found
            query["pageToken"] = page["nextPageToken"]

    def below(prefix: str, delimiter: str) -> list[str]:
        return [name.removeprefix(ROOT) for name in names(prefix, delimiter)]

    def numbers(name: str) -> list[int]:
        return [int(part) for part in name.replace("-", ".").split(".") if part.isdigit()]

    major = max(name for name in below("", ".") if name.removesuffix(".").isdigit())
    minor = max(below(major, "."), key=numbers)
    build = max(below(minor, "/"), key=numbers)
    if not names(build, "", "items"):
        raise SystemExit(f"{build} is empty")
    marker = quote(f"{ROOT}markers/master/latest-ci-updown-green.txt", safe="")
    print(get(f"/download/storage/v1/b/{BUCKET}/o/{marker}?alt=media").decode().strip())


if __name__ == "__main__":
    main()
