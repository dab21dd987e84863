-- Making and dropping a month needs the table for itself for a moment. Whoever holds it longer (a dump, a forgotten
-- transaction) must not make every reader and writer wait behind that: the scraper tries again a minute later.
alter function ensure_spot_partitions() set lock_timeout = '3s';
alter function drop_old_spots(integer) set lock_timeout = '3s';

-- Run by their triggers only: anybody else could hang them on a table of his own and write as the owner.
revoke execute on function count_grid_squares() from public;
revoke execute on function announce_new_spots() from public;
