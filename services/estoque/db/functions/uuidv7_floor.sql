-- Turns an instant into a bound on ids: ids are UUIDv7, so a range of ids is a range of creation times, and the primary
-- key finds rows by age without an index of its own.
create or replace function uuidv7_floor(p_instant timestamptz)
returns uuid
language sql immutable strict as $$
    select (lpad(to_hex((extract(epoch from p_instant) * 1000)::bigint), 12, '0') || '70008000000000000000')::uuid;
$$;

comment on function uuidv7_floor is
    'the smallest UUIDv7 of an instant (RFC 9562, section 5.7): ids generated before it are smaller';
