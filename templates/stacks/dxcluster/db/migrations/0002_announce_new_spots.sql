-- Whoever listens on the channel dx_spots hears that there are new rows (once a transaction, without content: the
-- listener asks for what is newer than the last id it has).
create function announce_new_spots() returns trigger
  language plpgsql
as $$
begin
  perform pg_notify('dx_spots', '');
  return null;
end
$$;

create trigger announce_new_spots after insert on dx_spots
  for each statement execute function announce_new_spots();
