-- A bulk and its recipients, which outlive the messages made of them.  state 0 (intake) shows in no
-- query: its rows are still coming in, or wait to be deleted.  The text stands in the batch with the
-- same key.  classes: a JSON list of prices of one part, which price_class is the index of.

CREATE TABLE bulk (
    key INTEGER PRIMARY KEY,
    account_id INTEGER NOT NULL,
    credential_id INTEGER NOT NULL,
    door INTEGER NOT NULL,
    state INTEGER NOT NULL,
    sender TEXT NOT NULL,
    money INTEGER NOT NULL,
    alphabet INTEGER NOT NULL,
    parts INTEGER NOT NULL,
    recipients INTEGER NOT NULL,
    valid INTEGER NOT NULL,
    total_micros INTEGER NOT NULL,
    unfed_micros INTEGER NOT NULL,
    unfed_count INTEGER NOT NULL,
    fed_n INTEGER NOT NULL,
    due_at_ms INTEGER NOT NULL,
    created_at_ms INTEGER NOT NULL,
    classes TEXT NOT NULL,
    pending INTEGER NOT NULL,
    invalid INTEGER NOT NULL,
    blocked INTEGER NOT NULL,
    delivered INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    rejected INTEGER NOT NULL DEFAULT 0,
    expired INTEGER NOT NULL DEFAULT 0,
    cancelled INTEGER NOT NULL DEFAULT 0,
    handed_over INTEGER NOT NULL DEFAULT 0,
    unknown INTEGER NOT NULL DEFAULT 0,
    cancelled_at_ms INTEGER NOT NULL DEFAULT 0
) STRICT;

-- The last column is there to count a list without reading its rows.
CREATE INDEX bulk_account ON bulk (account_id, key, state) WHERE state > 0;

CREATE INDEX bulk_intake ON bulk (key) WHERE state = 0;

CREATE INDEX bulk_scheduled ON bulk (due_at_ms) WHERE state = 1;

CREATE INDEX bulk_unfed ON bulk (key) WHERE state = 2 AND fed_n < recipients;

CREATE TABLE bulk_recipient (
    bulk_key INTEGER NOT NULL,
    n INTEGER NOT NULL,
    recipient TEXT NOT NULL,
    state INTEGER NOT NULL,
    price_class INTEGER NOT NULL,
    changed_at_ms INTEGER NOT NULL,
    PRIMARY KEY (bulk_key, n)
) STRICT, WITHOUT ROWID;
