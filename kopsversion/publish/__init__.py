"""What a job does once it knows the version: pin, lock, fetch, promote, test (DESIGN sections 2, 9 and 14).

Each has a module of its own. What is written is written whole and right, or what was there before stays untouched.
They must not know how the build was chosen.
"""
