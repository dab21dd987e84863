// A large database: hostkit's restore beside pgBackRest by hand, on the same backup and the same disk, in turn.
import { median } from "./moments.mjs";

const pgbackrest = (words) =>
  `sudo -u postgres pgbackrest --stanza=ledger --log-level-console=error ${words}`;

export async function measureByHand(ledger, mebibytes, say) {
  // 8 KiB of what hardly compresses a row.
  await ledger.sql(
    `create table ballast as select g as id, (select string_agg(encode(sha512((g::text || i::text)::bytea), 'hex'), '') from generate_series(1, 60) i) as text from generate_series(1, ${mebibytes * 128}) g; alter table ballast owner to ledger_owner; alter table ballast alter text set storage external; checkpoint`,
  );
  // As a table is that has been there for a while: autovacuum would rewrite each of its pages during the first round.
  await ledger.sql("vacuum (freeze, analyze) ballast");
  const bytes = Number(await ledger.sql("select sum(pg_database_size(oid)) from pg_database"));
  await ledger.hostkit("backup", "run", "postgres-full");
  const major = await ledger.onHost("ls /var/lib/postgresql | grep -E '^[0-9]+$' | tail -n 1");
  const byHand = [];
  const ours = [];
  const undone = [];
  for (let round = 0; round < 2; round += 1) {
    byHand.push(await restoreByHand(ledger, major));
    ours.push((await ledger.hostkit("restore", "postgres", "--to", "latest", "--yes")).seconds);
    undone.push((await ledger.hostkit("restore", "undo", "--yes")).seconds);
  }
  const ratio = median(ours) / median(byHand);
  say(`${(bytes / 2 ** 30).toFixed(1)} GiB, in turn, twice`);
  say(
    `  pgBackRest by hand   ${list(byHand)}  (restore, replay of WAL, the server's first answer)`,
  );
  say(
    `  hostkit              ${list(ours)}  (with a safety backup beside the copy, every row counted, the exchange, and the proof)`,
  );
  say(`  ratio                ${ratio.toFixed(2)}`);
  say(`  undo                 ${list(undone)}`);
  return Math.max(...undone) < 10;
}

const list = (seconds) => seconds.map((one) => `${one.toFixed(1)} s`).join(", ");

/** What a person would do who knows that restores that were undone leave timelines in the archive, to a folder beside the cluster, up to a server that answers. */
async function restoreByHand(ledger, major) {
  const began = performance.now();
  await ledger.onHost(`set -e; cd /
install -d -m 0700 -o postgres -g postgres /var/lib/postgresql/byhand
sudo -u postgres psql -qAtc 'select pg_switch_wal()' >/dev/null; ${pgbackrest("check")}
${pgbackrest("--pg1-path=/var/lib/postgresql/byhand --archive-mode=off --target-timeline=current restore")}
sudo -u postgres sh -c 'cd /; exec /usr/lib/postgresql/${major}/bin/pg_ctl -s -w -t 3600 -D /var/lib/postgresql/byhand -l /tmp/byhand.log -o "-c config_file=/etc/postgresql/${major}/main/postgresql.conf -c data_directory=/var/lib/postgresql/byhand -c unix_socket_directories=/tmp -c port=5499 -c listen_addresses= -c archive_mode=off -c external_pid_file=" start' </dev/null
until [ "$(sudo -u postgres psql -h /tmp -p 5499 -qAtc 'select pg_is_in_recovery()')" = f ]; do sleep 0.2; done`);
  const seconds = (performance.now() - began) / 1000;
  await ledger.onHost(`sudo -u postgres /usr/lib/postgresql/${major}/bin/pg_ctl -s -w -m immediate -D /var/lib/postgresql/byhand stop
rm -rf /var/lib/postgresql/byhand`);
  return seconds;
}
