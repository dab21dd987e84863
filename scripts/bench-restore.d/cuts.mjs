// The power goes while the restored cluster is put in the place of the one before: after the boot one of the two is served, whole.
import { randomInt } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { powerOffLabHost, powerOnLabHost } from "../../dist/lab/host.js";

/** An exchange takes about three seconds: PostgreSQL stops, two names change, it starts. */
const exchangeMs = 3500;

const rowsBefore = (moment) => `select count(*) from ticks where at < '${moment}'`;

export async function measureCuts(ledger, count, say) {
  let right = 0;
  const served = { old: 0, new: 0 };
  for (let at = 1; at <= count; at += 1) {
    const { which, trouble } = await cutOnce(ledger);
    served[which] += 1;
    if (trouble === undefined) right += 1;
    else say(`  cut ${at}: ${trouble}`);
  }
  say(
    `power cuts in the exchange  ${right} of ${count}: one of the two served, whole, and undo went back; ${served.old} times the old one, ${served.new} times the restored one`,
  );
  return right === count;
}

async function cutOnce(ledger) {
  await ledger.onHost("sleep 3");
  const moment = await ledger.sql("select now()");
  const wanted = await ledger.sql(rowsBefore(moment));
  await ledger.onHost("sleep 2");
  const before = await ledger.sql("select max(at) from ticks");
  const all = await ledger.sql(rowsBefore(before));
  const restore = ledger.begin("restore", "postgres", "--to", moment.replace("+00", "Z"), "--yes");
  await ledger.onHost(
    "until grep -qs 'stage swapping' /var/lib/hostkit/ledger/restore/state; do sleep 0.02; done",
  );
  const delay = randomInt(exchangeMs);
  await sleep(delay);
  await powerOffLabHost(ledger.name);
  restore.child.kill();
  await powerOnLabHost(ledger.name);
  await ledger.onHost(
    `for i in $(seq 600); do [ "$(systemctl is-active ledger-writer 'postgresql@*-main.service' | sort -u)" = active ] && break; sleep 0.1; done`,
  );
  const booted = await ledger.sql("select now()");
  const which = await ledger.onHost(
    `cd /var/lib/hostkit/ledger/restore; [ "$(stat -c %i "$(sed -n 's/^data //p' state)")" = "$(sed -n 's/^new //p' state)" ] && echo new || echo old`,
  );
  const checks = [
    // Of the moment that was asked for, in either; of the old one all.
    ["rows by then", await ledger.sql(rowsBefore(moment)), wanted],
    ...(which === "old" ? [["rows", await ledger.sql(rowsBefore(before)), all]] : []),
  ];
  await ledger.onHost("sleep 2");
  const written = Number(await ledger.sql(`select count(*) from ticks where at > '${booted}'`));
  await ledger.hostkit("restore", "undo", "--yes");
  checks.push(["rows after undo", await ledger.sql(rowsBefore(before)), all]);
  const wrong = checks.find(([, found, right]) => found !== right);
  if (wrong !== undefined)
    return { which, trouble: `${delay} ms: ${wrong[0]}: ${wrong[1]}, not ${wrong[2]}` };
  return written > 0
    ? { which }
    : { which, trouble: `${delay} ms: the service writes nothing after the boot` };
}
