"""What a job does after it knows the version: pin, lock, fetch, promote (DESIGN sections 2 and 9).

Each has a module of its own, and each is all or nothing: either the file or object is written whole and
right, or what was there before is untouched. They must not know how the build was chosen.
"""
