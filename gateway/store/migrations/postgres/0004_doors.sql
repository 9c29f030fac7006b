-- What a door keeps with a message or a batch for its own answers; the heart never reads it.

CREATE TABLE door_text (
    key bigint PRIMARY KEY,
    text text NOT NULL
);

-- Whose form a notification has: gateway.domain.commit_group.NoticeKind.

ALTER TABLE webhook_delivery ADD COLUMN kind smallint NOT NULL DEFAULT 0;
