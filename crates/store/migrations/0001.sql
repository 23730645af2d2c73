-- Every digest is its 32 raw bytes. Times are seconds since 1970 (UTC).

-- Rule pack ids are long texts and stand beside millions of files: keep each once.
CREATE TABLE rule_pack (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

-- What inspecting a layer gave; `record` is a memo blob (memo.rs), megabytes long, hence with a rowid.
CREATE TABLE layer (
    id        INTEGER PRIMARY KEY,
    rule_pack INTEGER NOT NULL,
    digest    BLOB NOT NULL,
    record    BLOB NOT NULL,
    UNIQUE (rule_pack, digest)
) STRICT;

-- What inspecting a file's content gave; `facts` is NULL for the many in which nothing was seen.
CREATE TABLE file (
    rule_pack INTEGER NOT NULL,
    sha256    BLOB NOT NULL,
    kind      INTEGER NOT NULL,
    facts     BLOB,
    PRIMARY KEY (rule_pack, sha256)
) STRICT, WITHOUT ROWID;

-- The newest report of a subject under each rule pack, as JSON. `put_order` settles equal `scanned_at`.
CREATE TABLE report (
    id         INTEGER PRIMARY KEY,
    subject    BLOB NOT NULL,
    rule_pack  INTEGER NOT NULL,
    scanned_at INTEGER NOT NULL,
    put_order  INTEGER NOT NULL UNIQUE,
    report     TEXT NOT NULL,
    UNIQUE (subject, rule_pack)
) STRICT;

-- Which digest belongs to which subject, and as what (reports.rs, ROLE_*). True for ever, so rows are only added.
CREATE TABLE part (
    digest  BLOB NOT NULL,
    subject BLOB NOT NULL,
    role    INTEGER NOT NULL,
    PRIMARY KEY (digest, subject, role)
) STRICT, WITHOUT ROWID;

-- Under which names a subject was seen.
CREATE TABLE sighting (
    subject    BLOB NOT NULL,
    reference  TEXT NOT NULL,
    first_seen INTEGER NOT NULL,
    last_seen  INTEGER NOT NULL,
    PRIMARY KEY (subject, reference)
) STRICT, WITHOUT ROWID;

CREATE TABLE hunt (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

-- The work of a hunt; `id` is the order it was added in, `subjects` digests one after the other.
CREATE TABLE hunt_item (
    id        INTEGER PRIMARY KEY,
    hunt      INTEGER NOT NULL,
    reference TEXT NOT NULL,
    state     INTEGER NOT NULL,
    subjects  BLOB NOT NULL,
    error     TEXT,
    attempts  INTEGER NOT NULL,
    UNIQUE (hunt, reference)
) STRICT;
