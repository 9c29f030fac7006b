-- What a door keeps with a message or a batch for its own answers; the heart never reads it.

CREATE TABLE door_text (
    key INTEGER PRIMARY KEY,
    text TEXT NOT NULL
) STRICT;

-- Whose form a notification has: gateway.domain.commit_group.NoticeKind.

ALTER TABLE webhook_delivery ADD COLUMN kind INTEGER NOT NULL DEFAULT 0;
