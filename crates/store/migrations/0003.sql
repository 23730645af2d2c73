-- Images the operator vouches for: `image` is `model::KnownImage` as JSON without its files, which are 16 bytes each.
CREATE TABLE known_image (
    id     INTEGER PRIMARY KEY,
    name   TEXT NOT NULL,
    config BLOB NOT NULL,
    image  TEXT NOT NULL,
    files  BLOB NOT NULL,
    UNIQUE (name, config)
) STRICT;
