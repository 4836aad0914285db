-- Events are delivered to an event bus (provisioning/delivery.py). One that the bus refuses is sent again later, so that
-- it holds up no other.

ALTER TABLE control_plane.events
    ADD COLUMN delivered_at timestamptz,
    ADD COLUMN refusals     integer NOT NULL DEFAULT 0,
    ADD COLUMN refusal      text,
    ADD COLUMN send_after   timestamptz;

CREATE INDEX events_to_deliver ON control_plane.events (id) WHERE delivered_at IS NULL;
