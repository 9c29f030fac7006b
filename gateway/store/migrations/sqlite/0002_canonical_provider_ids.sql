-- Providers write an id in the receipt in another case or with other leading zeros than in the
-- answer.  Queries repeat the expression and the condition word for word.  The empty id of a wire
-- that has none is no id.

DROP INDEX message_provider_id;

CREATE INDEX message_provider_id ON message (provider_id, ltrim(lower(provider_message_id), '0'))
    WHERE (state < 10 OR state = 16) AND provider_message_id <> '';

DROP INDEX part_provider_id;

CREATE INDEX part_provider_id ON part (provider_id, ltrim(lower(provider_message_id), '0'))
    WHERE (state < 10 OR state = 16) AND provider_message_id <> '';
