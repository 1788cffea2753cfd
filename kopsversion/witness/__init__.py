"""Witnesses beside the bucket: a clone of kops, which is only ever read (DESIGN section 4).

Knows nothing of stores, and nothing of what its answers are used for.
"""
