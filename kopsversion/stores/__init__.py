"""Places where builds are kept. `open_store` opens one; `base` says what a store can do.

A store knows nothing of versions, markers or channels.
"""

from kopsversion.stores.opening import open_store

__all__ = ["open_store"]
