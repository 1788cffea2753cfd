"""The rules, all pure: order, attribution, testability, verdicts, decision, health (DESIGN sections 3 to 7).

Each rule is a function of values in `kopsversion.model` and a moment. Knows nothing of stores, clones or commands.
"""
