-- Threat intelligence: who said it (JSON of `model::IntelSource`) …
CREATE TABLE intel_source (
    id     INTEGER PRIMARY KEY,
    name   TEXT NOT NULL UNIQUE,
    source TEXT NOT NULL
) STRICT;

-- … and what: entries by the thousand in one blob (intel.rs), because nobody asks for a single one.
CREATE TABLE intel_chunk (
    source  INTEGER NOT NULL,
    number  INTEGER NOT NULL,
    entries BLOB NOT NULL,
    PRIMARY KEY (source, number)
) STRICT;
