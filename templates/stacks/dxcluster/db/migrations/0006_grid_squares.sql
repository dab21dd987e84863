-- The grid squares that were ever spotted: a part of a name is looked up here first, as parts of callsigns are looked up
-- in callsigns. Spots whose month was dropped stay counted.
create table grid_squares (
  grid_square text collate "C" primary key,
  spot_count  bigint not null
) with (fillfactor = 70);

create index grid_squares_parts on grid_squares using gin (grid_square gin_trgm_ops);

-- Kept by the table itself, as its owner: whoever may store spots needs no further right.
create function count_grid_squares() returns trigger
  language plpgsql security definer set search_path = public, pg_temp
as $$
begin
  insert into grid_squares as g (grid_square, spot_count)
  select grid_square, count(*) from fresh where grid_square is not null group by 1 order by 1
  on conflict (grid_square) do update set spot_count = g.spot_count + excluded.spot_count;
  return null;
end
$$;

insert into grid_squares (grid_square, spot_count)
select grid_square, count(*) from dx_spots where grid_square is not null group by 1;

create trigger count_grid_squares after insert on dx_spots
  referencing new table as fresh for each statement execute function count_grid_squares();

-- Few spots have a grid square.
create index dx_spots_grid_square on dx_spots (grid_square, timestamp desc, id desc) where grid_square is not null;

-- Comments alone are looked through for parts.
drop index dx_spots_words;
create index dx_spots_comment on dx_spots using gin (comment gin_trgm_ops);

-- What most people ask: a band and a mode, newest first.
create index dx_spots_band_mode on dx_spots (band, mode, timestamp desc, id desc);
