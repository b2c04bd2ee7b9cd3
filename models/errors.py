"""The one error a user may see: a single line that names the file or flag at fault and the cure."""


class EsrError(Exception):
    """A problem the user can mend; commands print its text without a traceback and exit with status 2 or 1."""
