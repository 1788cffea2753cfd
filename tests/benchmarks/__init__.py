"""Measurements of what is promised in docs/performance.md; each script prints its figures as Markdown."""
