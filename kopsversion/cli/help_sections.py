"""What the help of more than one command says (DESIGN section 9): channels, stores, variables, exit codes.

Text and nothing else. It must not know which command shows it.
"""

from __future__ import annotations

CHANNELS = """
master, latest      the master branch
release-1.30, 1.30  a release branch
1.30.0-beta.2+v1.30.0-beta.1-182-g99b3ad7643
                    this very build, which is then only checked
https://storage.googleapis.com/BUCKET/PREFIX/markers/master/latest-ci.txt
                    the channel of that marker, and the marker to cross-check
"""

STORES = """
https://storage.googleapis.com/BUCKET/PREFIX/, gs://BUCKET/PREFIX/
                     a bucket
file:///DIR, DIR     a directory
Without --store it is https://storage.googleapis.com/k8s-staging-kops/kops/releases/
"""

PROGRESS = """
While it asks, a line on standard error says what for, on a terminal only and not with --quiet. With --verbose
the lines stay, wherever they go.
"""

ENVIRONMENT = """
Every option can be set as KOPSVERSION_ and its long name: --max-lag as KOPSVERSION_MAX_LAG, --store as
KOPSVERSION_STORE. The command line wins. Flags take 1 or 0. The values of a repeatable option are separated
by white space; a KOPSVERSION_STORE that is as a whole an existing path is that one store, spaces and all
(among several, write such a path as a file:// URL with %20).

STORAGE_EMULATOR_HOST  a server to ask instead of Google's, with its scheme
NO_COLOR, TERM=dumb    plain tables on a terminal too
"""

EXIT_CODES = """
0  answered
1  no testable build, or --on-stale refuse and no marker can be used
2  an argument, option or variable that cannot be meant
3  answered, but --strict found a condition of severity warning or error
4  the store cannot be reached, or denies access
5  what is there is not what was promised: checksum, lock, lost race
70 a defect of kopsversion itself
74 standard output cannot take the answer
"""
