"""Run the toolbox as ``python -m kopsversion``, for where scripts are not on the path."""

from kopsversion.start import main

if __name__ == "__main__":
    main()
