// The lab host of scripts/bench-restore: a stack with one database, one writer and one repository.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { stringify } from "yaml";
import { downLabHost, upLabHost } from "../../dist/lab/host.js";
import { callHostkit, mustEndWell } from "../faults.d/hostkit.mjs";
import { shell } from "../faults.d/hosts.mjs";

const manifestOf = ({ address, keyPath, hostKey }) => ({
  stack: "ledger",
  hosts: { h1: { address, user: "root", identity: keyPath, host_key: hostKey } },
  database: {
    databases: { ledger: { owner: "ledger_owner" } },
    // Tells of each row when it was committed, as the WAL has it.
    settings: { track_commit_timestamp: "on" },
  },
  services: {
    writer: {
      exec: [
        "/bin/sh",
        "-c",
        "while sleep 0.05; do psql -Atqc 'insert into ticks default values'; done",
      ],
      database: { name: "ledger", role: "ledger_owner" },
    },
  },
  backups: {
    repositories: { local: { path: "/var/backups/ledger" } },
    postgres: { full: "weekly" },
  },
  host: { updates: "none" },
  firewall: "none",
});

/** A host with the stack, its table `ticks` and its first backup. */
export async function makeLedger(os) {
  const name = `bench-restore-${process.pid}`;
  const host = await upLabHost({ name, os, install: true });
  const folder = await mkdtemp(path.join(tmpdir(), "hostkit-bench-restore-"));
  await writeFile(path.join(folder, "hostkit.yaml"), stringify(manifestOf(host)));

  const onHost = (line) => shell(host, line).then((output) => output.trim());
  const ledger = {
    name,
    onHost,
    sql: (text) =>
      onHost(
        `setpriv --reuid=postgres --regid=postgres --init-groups psql -XAtq -v ON_ERROR_STOP=1 -d ledger -c "${text}"`,
      ),
    hostkit: (...words) => mustEndWell(folder, words, 6 * 3600),
    begin: (...words) => callHostkit(folder, words, 6 * 3600),
    async down() {
      await downLabHost(name);
      await rm(folder, { recursive: true, force: true });
    },
  };
  try {
    await ledger.hostkit("provision", "--yes");
    await ledger.sql(
      "create table ticks (at timestamptz not null default clock_timestamp()); alter table ticks owner to ledger_owner",
    );
  } catch (error) {
    await ledger.down();
    throw error;
  }
  return ledger;
}
