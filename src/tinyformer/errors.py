# SPDX-License-Identifier: Apache-2.0
"""The one exception type that reaches users as a sentence instead of a traceback."""


class TinyFormerError(Exception):
    """A problem the user can mend.

    The message is one clear sentence (or one per problem found) that names the thing at fault and the remedy.
    The command line prints it and exits with a non-zero status; everything else is a bug and keeps its traceback.
    """
