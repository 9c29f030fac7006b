-- Amounts are micro-units, times UTC milliseconds (0 = unset), enums the values of gateway.domain.
-- `origin`: 1 = declared in the configuration file, 2 = made in the store.
-- Hot tables (message, part, webhook_delivery) have partial indexes only.

CREATE TABLE account (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    currency TEXT NOT NULL,
    balance_micros INTEGER NOT NULL DEFAULT 0,
    held_micros INTEGER NOT NULL DEFAULT 0,
    limit_micros INTEGER NOT NULL DEFAULT 0,
    opened INTEGER NOT NULL DEFAULT 0,
    opening_micros INTEGER NOT NULL DEFAULT 0,
    origin INTEGER NOT NULL,
    enabled INTEGER NOT NULL DEFAULT 1,
    created_at_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE credential (
    id INTEGER PRIMARY KEY,
    account_id INTEGER NOT NULL REFERENCES account (id),
    kind INTEGER NOT NULL,
    name TEXT NOT NULL,
    digest BLOB,
    password_hash TEXT,
    settings TEXT NOT NULL DEFAULT '{}',
    origin INTEGER NOT NULL,
    enabled INTEGER NOT NULL DEFAULT 1,
    created_at_ms INTEGER NOT NULL
) STRICT;

-- A disabled credential keeps its row (messages name it) but not its name.
CREATE UNIQUE INDEX credential_name ON credential (account_id, kind, name) WHERE enabled = 1;

CREATE TABLE sender (
    account_id INTEGER NOT NULL REFERENCES account (id),
    name TEXT NOT NULL,
    state INTEGER NOT NULL,
    reason TEXT NOT NULL DEFAULT '',
    origin INTEGER NOT NULL,
    changed_at_ms INTEGER NOT NULL,
    PRIMARY KEY (account_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE provider (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    origin INTEGER NOT NULL,
    enabled INTEGER NOT NULL DEFAULT 1,
    paused INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE batch (
    key INTEGER PRIMARY KEY,
    account_id INTEGER NOT NULL,
    text TEXT,
    octets BLOB,
    data_coding INTEGER,
    esm_class INTEGER,
    tlvs BLOB,
    message_count INTEGER NOT NULL,
    purged_count INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE message (
    key INTEGER PRIMARY KEY,
    account_id INTEGER NOT NULL,
    credential_id INTEGER,
    door INTEGER NOT NULL,
    channel INTEGER NOT NULL,
    batch_key INTEGER,
    priority INTEGER NOT NULL,
    sender TEXT NOT NULL,
    recipient TEXT NOT NULL,
    text TEXT,
    octets BLOB,
    data_coding INTEGER,
    esm_class INTEGER,
    tlvs BLOB,
    alphabet INTEGER NOT NULL,
    part_count INTEGER NOT NULL,
    charge_micros INTEGER NOT NULL,
    money INTEGER NOT NULL,
    notify_when INTEGER NOT NULL,
    door_note INTEGER NOT NULL,
    due_at_ms INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL,
    state INTEGER NOT NULL DEFAULT 0,
    provider_id INTEGER,
    provider_message_id TEXT,
    attempts INTEGER NOT NULL DEFAULT 0,
    sent_at_ms INTEGER NOT NULL DEFAULT 0,
    final_at_ms INTEGER NOT NULL DEFAULT 0,
    error TEXT NOT NULL DEFAULT '',
    notified INTEGER NOT NULL DEFAULT 0
) STRICT;

-- The last two columns are there for the expiry sweep, which then reads the index alone.
CREATE INDEX message_queued ON message (account_id, priority, due_at_ms, key, expires_at_ms, state)
    WHERE state = 0;

CREATE INDEX message_provider_id ON message (provider_id, provider_message_id)
    WHERE (state < 10 OR state = 16) AND provider_message_id IS NOT NULL;

CREATE INDEX message_owed ON message (credential_id) WHERE notified = 1;

CREATE TABLE part (
    message_key INTEGER NOT NULL,
    n INTEGER NOT NULL,
    provider_id INTEGER,
    provider_message_id TEXT,
    state INTEGER NOT NULL,
    PRIMARY KEY (message_key, n)
) STRICT, WITHOUT ROWID;

CREATE INDEX part_provider_id ON part (provider_id, provider_message_id)
    WHERE (state < 10 OR state = 16) AND provider_message_id IS NOT NULL;

-- Append-only.  balance_micros is the account's balance after the line.
CREATE TABLE ledger (
    id INTEGER PRIMARY KEY,
    account_id INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    amount_micros INTEGER NOT NULL,
    message_count INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    note TEXT NOT NULL,
    balance_micros INTEGER NOT NULL
) STRICT;

CREATE INDEX ledger_account ON ledger (account_id, id);

-- Sums over purged messages, so that the ledger can still be checked against the messages.
CREATE TABLE purged_total (
    account_id INTEGER PRIMARY KEY,
    message_count INTEGER NOT NULL,
    charged_micros INTEGER NOT NULL
) STRICT;

CREATE TABLE event (
    id INTEGER PRIMARY KEY,
    message_key INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    provider_id INTEGER,
    detail TEXT NOT NULL
) STRICT;

CREATE INDEX event_message ON event (message_key);

CREATE TABLE idempotency (
    account_id INTEGER NOT NULL,
    endpoint TEXT NOT NULL,
    key_digest BLOB NOT NULL,
    body_digest BLOB NOT NULL,
    status INTEGER NOT NULL,
    body BLOB NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (account_id, endpoint, key_digest)
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_age ON idempotency (at_ms);

CREATE TABLE parked_receipt (
    id INTEGER PRIMARY KEY,
    provider_id INTEGER NOT NULL,
    provider_message_id TEXT NOT NULL,
    state INTEGER NOT NULL,
    error TEXT NOT NULL,
    done_at_ms INTEGER NOT NULL,
    at_ms INTEGER NOT NULL
) STRICT;

CREATE INDEX parked_receipt_provider_id ON parked_receipt (provider_id, provider_message_id);

CREATE TABLE webhook_delivery (
    id INTEGER PRIMARY KEY,
    message_key INTEGER NOT NULL,
    account_id INTEGER NOT NULL,
    url TEXT NOT NULL,
    due_at_ms INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    state INTEGER NOT NULL DEFAULT 0,
    last_error TEXT NOT NULL DEFAULT ''
) STRICT;

CREATE INDEX webhook_delivery_due ON webhook_delivery (due_at_ms) WHERE state = 0;

CREATE TABLE secret (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT;

-- One row, rewritten by the readiness check: a store that takes it takes messages.
CREATE TABLE write_probe (
    id INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL
) STRICT;

INSERT INTO write_probe (id, at_ms) VALUES (1, 0);
