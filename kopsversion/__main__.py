"""Run the toolbox as ``python -m kopsversion``, for where scripts are not on the path."""

from kopsversion.process import kopsversion

if __name__ == "__main__":
    kopsversion()
