-- A bulk and its recipients, which outlive the messages made of them.  state 0 (intake) shows in no
-- query: its rows are still coming in, or wait to be deleted.  The text stands in the batch with the
-- same key.  classes: a JSON list of prices of one part, which price_class is the index of.

CREATE TABLE bulk (
    key bigint PRIMARY KEY,
    account_id bigint NOT NULL,
    credential_id bigint NOT NULL,
    door smallint NOT NULL,
    state smallint NOT NULL,
    sender text NOT NULL,
    money smallint NOT NULL,
    alphabet smallint NOT NULL,
    parts smallint NOT NULL,
    recipients integer NOT NULL,
    valid integer NOT NULL,
    total_micros bigint NOT NULL,
    unfed_micros bigint NOT NULL,
    unfed_count integer NOT NULL,
    fed_n integer NOT NULL,
    due_at_ms bigint NOT NULL,
    created_at_ms bigint NOT NULL,
    classes text NOT NULL,
    pending integer NOT NULL,
    invalid integer NOT NULL,
    blocked integer NOT NULL,
    delivered integer NOT NULL DEFAULT 0,
    failed integer NOT NULL DEFAULT 0,
    rejected integer NOT NULL DEFAULT 0,
    expired integer NOT NULL DEFAULT 0,
    cancelled integer NOT NULL DEFAULT 0,
    handed_over integer NOT NULL DEFAULT 0,
    unknown integer NOT NULL DEFAULT 0,
    cancelled_at_ms bigint NOT NULL DEFAULT 0
);

-- The last column is there to count a list without reading its rows.
CREATE INDEX bulk_account ON bulk (account_id, key, state) WHERE state > 0;

CREATE INDEX bulk_intake ON bulk (key) WHERE state = 0;

CREATE INDEX bulk_scheduled ON bulk (due_at_ms) WHERE state = 1;

CREATE INDEX bulk_unfed ON bulk (key) WHERE state = 2 AND fed_n < recipients;

CREATE TABLE bulk_recipient (
    bulk_key bigint NOT NULL,
    n integer NOT NULL,
    recipient text NOT NULL,
    state smallint NOT NULL,
    price_class smallint NOT NULL,
    changed_at_ms bigint NOT NULL,
    PRIMARY KEY (bulk_key, n)
) WITH (fillfactor = 90);
