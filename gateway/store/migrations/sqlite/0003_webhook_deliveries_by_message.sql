-- Retention asks of every old message whether a webhook is still owed for it, and takes its deliveries
-- along.

CREATE INDEX webhook_delivery_message ON webhook_delivery (message_key);
