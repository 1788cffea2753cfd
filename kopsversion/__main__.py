"""Run the toolbox as ``python -m kopsversion``, for where scripts are not on the path.

This module must not know what the toolbox does.
"""

from kopsversion.cli.process import kopsversion

if __name__ == "__main__":
    kopsversion()
