// Moments drawn at random between two commits: what is restored must be the rows that were committed by then, and no other.
import { randomInt } from "node:crypto";

/** The sum of all rows up to a moment, so that the same number of other rows is not taken for them. */
const rowsBy = (moment) =>
  `select count(*) || ' ' || coalesce(sum(hashtextextended(at::text, 0)), 0) from ticks where pg_xact_commit_timestamp(xmin) <= '${moment}'`;

export async function measureMoments(ledger, count, say) {
  // Some time to choose from, with a backup in the middle of it.
  await ledger.onHost("sleep 20");
  await ledger.hostkit("backup", "run", "postgres-full");
  await ledger.onHost("sleep 20");
  let right = 0;
  const seconds = [];
  const undone = [];
  for (let at = 1; at <= count; at += 1) {
    const moment = await drawMoment(ledger);
    const wanted = await ledger.sql(rowsBy(moment));
    const restored = await ledger.hostkit("restore", "postgres", "--to", moment, "--yes");
    // What the service has written since is younger than the moment by more than the restore took.
    const found = await ledger.sql(
      `select count(*) || ' ' || coalesce(sum(hashtextextended(at::text, 0)), 0) from ticks where at < '${restoredAt(restored)}'`,
    );
    if (found === wanted) right += 1;
    else say(`  ${moment}: ${wanted} wanted, ${found} found`);
    const back = await ledger.hostkit("restore", "undo", "--yes");
    seconds.push(restored.seconds);
    undone.push(back.seconds);
  }
  say(`random moments         ${right} of ${count}: exactly the rows committed by then`);
  say(`  a restore            ${median(seconds).toFixed(1)} s (median)`);
  say(
    `  an undo              ${median(undone).toFixed(1)} s (median), ${Math.max(...undone).toFixed(1)} s at most`,
  );
  return right === count;
}

/** Between two commits since the first backup, to the microsecond. */
async function drawMoment(ledger) {
  const rows = Number(
    await ledger.sql("select count(*) from ticks where at < now() - interval '2 s'"),
  );
  const [one, other] = (
    await ledger.sql(
      `select to_char(pg_xact_commit_timestamp(xmin) at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') from ticks order by at offset ${randomInt(rows - 1)} limit 2`,
    )
  ).split("\n");
  const between = await ledger.sql(
    `select to_char('${one}'::timestamp + ('${other}'::timestamp - '${one}'::timestamp) * ${Math.random()}, 'YYYY-MM-DD HH24:MI:SS.US')`,
  );
  return `${between}Z`;
}

/** A moment before the services were started again: the command's own start is enough. */
const restoredAt = ({ seconds }) => new Date(Date.now() - seconds * 1000 + 500).toISOString();

export const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
