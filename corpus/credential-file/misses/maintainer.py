def from_uri(uri):
    """Reads `https://maintainer:not-re%40l@github.com/a/b`."""
    return uri
