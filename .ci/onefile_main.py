"""The ``__main__`` of kopsversion.pyz: find the package, unpacked once into the user's cache, and run it.

Python reads modules from a zip file slowly and keeps no bytecode for it. So the first run unpacks the archive into
``$XDG_CACHE_HOME/kopsversion/`` (``~/.cache``), under the archive's own hash and a lock. Where nothing can be written
there, the archive is read as it is. Nothing but the standard library is imported here, and as little as will do.
"""

import os
import sys

BUILD = "@BUILD@"
"""The hash of what is packed; put here by `.ci/onefile.py`."""


def main():
    """Run the package as one of its two scripts."""
    if sys.version_info < (3, 11):
        sys.exit("ERROR kopsversion.pyz needs Python 3.11 or later, and this is %d.%d" % sys.version_info[:2])
    archive = os.path.dirname(os.path.abspath(__file__))
    sys.path[0] = unpacked(archive) or archive
    from kopsversion.cli.process import one_file

    one_file()


def unpacked(archive):
    """Return the directory that holds what is packed; ``None`` where there can be none."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    if not os.path.isabs(home):
        return None
    parent = os.path.join(home, "kopsversion")
    place = os.path.join(parent, BUILD)
    try:
        if not os.path.isdir(place):
            unpack(archive, parent, place)
        return place if is_private(parent) and is_private(place) else None
    except OSError:
        return None


def is_private(directory):
    """Tell whether nobody but us, or root, can have put modules there."""
    status = os.lstat(directory)
    return (
        status.st_uid in (os.getuid(), 0)
        and not status.st_mode & 0o022
        and status.st_mode & 0o170000 == 0o040000
    )


def unpack(archive, parent, place):
    """Unpack beside the place under a lock, and put it there in one step."""
    import fcntl
    import shutil
    import tempfile
    import zipfile

    os.makedirs(parent, mode=0o700, exist_ok=True)
    with open(
        os.path.join(parent, ".lock"), "a", opener=lambda path, flags: os.open(path, flags, 0o600)
    ) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.isdir(place):
            return
        beside = tempfile.mkdtemp(prefix=".unpacking-", dir=parent)
        try:
            with zipfile.ZipFile(archive) as packed:
                packed.extractall(beside)
            os.rename(beside, place)
        except BaseException:
            shutil.rmtree(beside, ignore_errors=True)
            raise


main()
