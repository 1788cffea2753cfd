"""One flow for each question, over one loop that asks stores for what the rules need (DESIGN section 8).

Knows nothing of commands, options or how an answer is shown.
"""
