"""The command line: commands, options, console and configuration (DESIGN section 9).

Knows nothing of how builds are ordered, attributed or judged.
"""
