-- A sender id is asked for by a customer, approved by the administrator and verified by the provider.
-- What could send before counts as verified: nobody else was asked then.

CREATE TABLE sender_of_two_stages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL REFERENCES account (id),
    name TEXT NOT NULL,
    state INTEGER NOT NULL,
    verification INTEGER NOT NULL,
    reason TEXT NOT NULL DEFAULT '',
    origin INTEGER NOT NULL,
    is_default INTEGER NOT NULL DEFAULT 0,
    message_count INTEGER NOT NULL DEFAULT 0,
    created_at_ms INTEGER NOT NULL,
    approved_at_ms INTEGER NOT NULL DEFAULT 0,
    verified_at_ms INTEGER NOT NULL DEFAULT 0,
    changed_at_ms INTEGER NOT NULL,
    UNIQUE (account_id, name)
) STRICT;

INSERT INTO sender_of_two_stages (account_id, name, state, verification, reason, origin,
    created_at_ms, approved_at_ms, verified_at_ms, changed_at_ms)
    SELECT account_id, name, state, CASE WHEN state = 0 THEN 0 ELSE 1 END, reason, origin,
        changed_at_ms, CASE WHEN state = 1 THEN changed_at_ms ELSE 0 END,
        CASE WHEN state = 0 THEN 0 ELSE changed_at_ms END, changed_at_ms
    FROM sender ORDER BY changed_at_ms;

DROP TABLE sender;

ALTER TABLE sender_of_two_stages RENAME TO sender;

-- Up to which message the senders are counted.  One row.

CREATE TABLE sender_count (
    id INTEGER PRIMARY KEY,
    message_key INTEGER NOT NULL
) STRICT;

INSERT INTO sender_count (id, message_key) VALUES (1, 0);

-- Recipients nobody may send to, or not this account.  account_id 0 = every account.

CREATE TABLE blocked (
    account_id INTEGER NOT NULL,
    recipient INTEGER NOT NULL,
    PRIMARY KEY (account_id, recipient)
) STRICT, WITHOUT ROWID;

-- Deliveries that were given up are few, and an operator asks for them.

CREATE INDEX webhook_delivery_abandoned ON webhook_delivery (id) WHERE state = 2;
