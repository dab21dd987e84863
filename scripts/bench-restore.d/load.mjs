// What a backup and a drill take from a write load: transactions a second with and without, in turn.
import { median } from "./moments.mjs";

const rounds = 3;

export async function measureLoad(ledger, seconds, say) {
  const bin = await ledger.onHost("ls -d /usr/lib/postgresql/*/bin | tail -n 1");
  await ledger.onHost(`cd /; sudo -u postgres ${bin}/pgbench -q -i -s 20 ledger 2>/dev/null`);
  await ledger.hostkit("backup", "run", "postgres-full");
  const load = () =>
    ledger
      .onHost(
        `cd /; sudo -u postgres ${bin}/pgbench -n -c 4 -T ${seconds} ledger 2>/dev/null | sed -n 's/^tps = \\([0-9.]*\\).*/\\1/p'`,
      )
      .then(Number);
  const during = async (unit) => {
    await ledger.onHost(`systemctl start --no-block ${unit}; sleep 1`);
    const result = await load();
    const isOver = (await ledger.onHost(`systemctl is-active ${unit} || true`)) !== "activating";
    await ledger.onHost(
      `while [ "$(systemctl is-active ${unit})" = activating ]; do sleep 0.5; done`,
    );
    return { result, isOver };
  };
  const without = [];
  const kinds = {
    backup: "ledger-backup-postgres-full.service",
    drill: "ledger-drill-postgres@all.service",
  };
  const found = { backup: [], drill: [] };
  let shorter = 0;
  for (let round = 0; round < rounds; round += 1) {
    for (const [kind, unit] of Object.entries(kinds)) {
      without.push(await load());
      const { result, isOver } = await during(unit);
      found[kind].push(result);
      if (isOver) shorter += 1;
    }
  }
  const base = median(without);
  say(`a write load of 4 sessions for ${seconds} s, in turn, ${rounds} rounds`);
  say(`  alone                ${base.toFixed(0)} transactions a second (median)`);
  for (const [kind, results] of Object.entries(found))
    say(
      `  during a ${kind.padEnd(12)}${median(results).toFixed(0)}, ${((1 - median(results) / base) * 100).toFixed(1)} % fewer`,
    );
  if (shorter > 0) say(`  ${shorter} of ${rounds * 2} ended before the load did`);
  return true;
}
