-- Who has erased an export before its time (`provision erase`), when, and how many versions of its objects there were.

ALTER TABLE control_plane.exports
    ADD COLUMN erased_at       timestamptz,
    ADD COLUMN erased_by       text,
    ADD COLUMN erased_versions bigint;
