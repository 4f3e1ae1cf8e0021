-- Sets of people as bits: to count different people, or to find them again, takes a fraction of the time that a
-- GROUP BY of their keys takes. A set has parts of 4,096 keys, so it is small where the people are few.

-- the part of a set to which somebody belongs
create or replace macro core.part_of_set(of_user) as (
    of_user >> 12
);

-- the bits of those of a part; an aggregate
create or replace macro core.bits_of_set(of_user) as (
    bitstring_agg(of_user & 4095, 0, 4095)
);

-- whether somebody of a part is in its bits
create or replace macro core.is_in_set(bits, of_user) as (
    get_bit(bits, of_user & 4095) = 1
);
