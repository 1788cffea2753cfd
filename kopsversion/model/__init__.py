"""The nouns, as frozen values: versions, channels, what a bucket holds, policies, answers (DESIGN section 12).

Pure: nothing here reads a clock, a file, the environment or the network. Knows nothing of rules, stores or commands.
"""
