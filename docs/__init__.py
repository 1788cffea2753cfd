"""The documentation; `docs.generate` writes the pages that are made of the code."""
