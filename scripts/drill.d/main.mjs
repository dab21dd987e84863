// scripts/drill: see there.
import { spawn } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { downLabHost } from "../../dist/lab/host.js";
import { sshArguments } from "../../dist/lab/login.js";
import { labPaths } from "../../dist/lab/paths.js";
import { cutPower } from "../../dist/lab/power.js";
import { mustEndWell } from "../faults.d/hostkit.mjs";
import { shell, up } from "../faults.d/hosts.mjs";
import { makeProject } from "./stack.mjs";
import { storages } from "./storages.mjs";

const { values: options } = parseArgs({
  options: {
    os: { type: "string", default: "debian-13" },
    rows: { type: "string", default: "200000" },
    seconds: { type: "string", default: "90" },
    storage: { type: "string", default: "sftp" },
    keep: { type: "boolean", default: false },
    markdown: { type: "string" },
  },
});
const { os } = options;
const rows = Number(options.rows);
const paths = labPaths();
const names = {
  server: `drill-store-${process.pid}`,
  first: `drill-first-${process.pid}`,
  second: `drill-second-${process.pid}`,
};
const say = (text) => process.stderr.write(`${text}\n`);
const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

/** A restore of much data takes its time. */
const hostkit = (folder, ...words) => mustEndWell(folder, words, 6 * 3600);

const sql = (host, text, database = "drill") =>
  shell(
    host,
    `cd / && setpriv --reuid=postgres --regid=postgres --init-groups psql -XAtq -v ON_ERROR_STOP=1 -d ${database} <<'EOT'\n${text}\nEOT`,
  ).then((output) => output.trim());

/** Follows which rows the host has said it committed, from here: what it said counts, whatever becomes of it. */
function followTicks(host) {
  const child = spawn(
    "ssh",
    [
      ...sshArguments(host),
      `cd / && while :; do setpriv --reuid=postgres --regid=postgres --init-groups psql -XAtq -d drill -c "insert into ticks default values returning id"; sleep 0.1; done`,
    ],
    { stdio: ["ignore", "pipe", "ignore"] },
  );
  const said = [];
  child.stdout.on("data", (chunk) => {
    const at = Date.now();
    for (const id of String(chunk).split("\n"))
      if (/^\d+$/.test(id)) said.push({ id: Number(id), at });
  });
  return { said, end: () => child.kill("SIGKILL") };
}

const hashes = `cd /srv/uploads && find . -type f -printf '%p %m %u:%g ' -exec sh -c 'sha256sum <"$1"' sh {} \\; | sort
cd /var/lib/docker/volumes/hostkit-drill-data/_data && find . -type f ! -name log -printf '%p %m %u:%g ' -exec sh -c 'sha256sum <"$1"' sh {} \\; | sort`;
const ledger = "select count(*), md5(string_agg(word, '' order by id)) from ledger";

/** Numbers of users differ from machine to machine. */
const otherUsers = "useradd -r somebody-else && useradd -r another-one && useradd -r uploader";

async function fill(host) {
  await shell(
    host,
    `useradd -r uploader && install -d -o uploader -g uploader /srv/uploads/deep && cd /srv/uploads
for n in 1 2 3 4 5 6 7 8; do head -c 1000000 /dev/urandom >deep/$n; done; echo secret >s; chmod 4750 s; chown -R uploader:uploader .; chmod 4750 s
cd /var/lib/docker/volumes/hostkit-drill-data/_data && head -c 5000000 /dev/urandom >blob && chown --reference=. blob`,
  );
  await sql(
    host,
    `insert into ledger select n, md5(n::text) || repeat(md5((n * 7)::text), 3) from generate_series(1, ${rows}) n`,
  );
}

/** The time that the same tools take by hand, on the same files. */
async function byHand(host) {
  const startedAt = Date.now();
  await shell(
    host,
    `install -d -m 0700 -o postgres -g postgres /var/lib/postgresql/by-hand
cd / && set -- $(sed -n 's/^set //p' /var/lib/hostkit/drill/restored-from)
setpriv --reuid=postgres --regid=postgres --init-groups pgbackrest --stanza=drill --set="$1" --pg1-path=/var/lib/postgresql/by-hand restore >/dev/null
mkdir /srv/by-hand && /usr/local/lib/hostkit/drill/backup-files restic offsite restore "$(sed -n 's/^snapshot //p' /var/lib/hostkit/drill/restored-from)" --target /srv/by-hand >/dev/null
rm -rf /srv/by-hand /var/lib/postgresql/by-hand`,
  );
  return (Date.now() - startedAt) / 1000;
}

async function drill(project, store) {
  const wrong = [];
  const first = await up(names.first, os, paths);
  await project.point(first);
  await store.prepareHost?.(first);
  say("provisions the stack");
  // The files are there before the first backup wants them.
  await shell(first, "mkdir -p /srv/uploads && echo first >/srv/uploads/first");
  const cold = await hostkit(project.folder, "provision", "--yes");
  await fill(first);
  await hostkit(project.folder, "backup", "run");
  const proof = await hostkit(project.folder, "backup", "verify");
  const before = { hashes: await shell(first, hashes), ledger: await sql(first, ledger) };
  const size = await sql(first, "select pg_size_pretty(pg_database_size('drill'))");
  say(`writes for ${options.seconds} s, then its power is cut`);
  const follower = followTicks(first);
  await pause(Number(options.seconds));
  const cutAt = Date.now();
  await cutPower(paths, names.first);
  follower.end();
  await downLabHost(names.first, paths);

  const second = await up(names.second, os, paths);
  await shell(second, otherUsers);
  await project.point(second);
  await store.prepareHost?.(second);
  say("brings it back on another host");
  const back = await hostkit(project.folder, "provision", "--restore-from", "offsite", "--yes");
  say(back.text.split("\n").slice(0, 6).join("\n"));
  const ids = new Set((await sql(second, "select id from ticks")).split("\n").map(Number));
  const lost = follower.said.filter(({ id }) => !ids.has(id));
  const old = lost.filter(({ at }) => at < cutAt - 60_000);
  if (old.length > 0)
    wrong.push(`${old.length} rows are gone that were committed more than 60 s before the cut`);
  if ((await sql(second, ledger)) !== before.ledger) wrong.push("the ledger differs");
  const after = await shell(second, hashes);
  if (after !== before.hashes) wrong.push(`files differ:\n${before.hashes}\n---\n${after}`);
  const users = await shell(
    second,
    "systemctl is-active drill-writer.service drill-keeper-a.service",
  );
  if (!users.startsWith("active\nactive")) wrong.push(`services: ${users}`);
  const again = await hostkit(project.folder, "provision", "--restore-from", "offsite", "--yes");
  if (!again.text.includes("nothing to change")) wrong.push("a second provision changes something");
  const newest = follower.said.findLast(({ id }) => ids.has(id));
  return {
    wrong,
    figures: [
      ["hostkit backup verify of it", `well, ${proof.seconds.toFixed(0)} s`],
      ["data", `${rows} rows (database ${size}), 13 MB in files and a volume`],
      [
        "rows that the host had said were committed",
        `${follower.said.length} in ${options.seconds} s`,
      ],
      [
        "of them lost with the machine",
        `${lost.length}, all younger than ${newest === undefined ? "?" : ((cutAt - newest.at) / 1000).toFixed(1)} s (the real RPO)`,
      ],
      ["cold provision of the stack, empty", `${cold.seconds.toFixed(0)} s`],
      ["provision --restore-from, bare host to green", `${back.seconds.toFixed(0)} s`],
      ["pgBackRest and restic by hand, the same files", `${(await byHand(second)).toFixed(0)} s`],
    ],
  };
}

process.on("SIGINT", () => process.exit(130));
const storage = storages[options.storage];
if (storage === undefined) {
  say(`--storage is one of: ${Object.keys(storages).join(", ")}`);
  process.exit(64);
}
await mkdir(paths.cache, { recursive: true });
let project;
let store;
let result;
try {
  store = await storage({ name: names.server, os, paths });
  project = await makeProject(paths.cache, store.repository, store.secrets);
  result = await drill(project, store);
} finally {
  if (!options.keep) {
    for (const name of Object.values(names)) await downLabHost(name, paths);
    await store?.end?.();
    await project?.remove();
  } else say(`kept: ${project?.folder} ${Object.values(names).join(" ")}`);
}
const { wrong, figures } = result;
const page = [
  `${wrong.length === 0 ? "All that was committed more than 60 s before the cut came back" : "**Not all came back**"}; Debian 13, ${store.where}.`,
  "",
  "| | |",
  "|---|---|",
  ...figures.map(([what, figure]) => `| ${what} | ${figure} |`),
].join("\n");
console.log(page);
for (const line of wrong) say(`✗ ${line}`);
if (options.markdown !== undefined) await writeFile(options.markdown, `${page}\n`);
process.exit(wrong.length === 0 ? 0 : 1);
