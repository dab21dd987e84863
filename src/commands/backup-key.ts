import { hostname } from "node:os";
import { HostkitError } from "../errors.ts";
import { keyRecordOf } from "../facts/backups/keys.ts";
import { encryptFor } from "../local/age.ts";
import { writeSecretOutput } from "../local/output.ts";
import type { Manifest } from "../manifest/manifest.ts";
import { planKeyRecord } from "../plan/backup-key.ts";
import { formatTime } from "../report/duration.ts";
import type { Context } from "../session/context.ts";
import { noteOnHosts } from "../session/note-on-hosts.ts";
import { newMarker, onEachHost, openProject } from "../session/project.ts";
import type { Project } from "../session/project.ts";
import { userName } from "../session/watch-run.ts";
import { sh } from "../shell/script.ts";
import type { Connection } from "../ssh/connection.ts";
import { listHostKeys } from "../stack/backups/keys.ts";
import type { HostKey } from "../stack/backups/keys.ts";
import { requireBackups } from "./backup.ts";
import type { Verb } from "./line/verb.ts";

/** A key as it was read, and the hash that its record says it by. */
interface ReadKey extends HostKey {
  readonly sum: string;
  readonly value: string;
}

/** Copies the keys that were made on the hosts into a file of this machine: encrypted, or plain where that is asked for. */
export const runKeyExport: Verb<{ to?: string; plain?: true }> = async (context, options) => {
  const project = await openProject(context);
  const { manifest } = project;
  const { stack } = manifest;
  const keys = chooseKeys(manifest);
  const recipients = manifest.backups?.recipients ?? [];
  const isPlain = options.plain === true;
  if (!isPlain && recipients.length === 0) throw explainNoRecipients();
  const file = options.to ?? `${stack}-backup-keys.${isPlain ? "txt" : "age"}`;
  const read = await onEachHost(project.hosts, async (connection, host) => ({
    host,
    keys: await readKeys(connection, host.name, keys),
  }));
  const now = formatTime(Date.now() / 1000);
  const sheet = renderSheet(
    `Keys of the backups of the stack ${stack}, copied ${now} UTC by ${userName(context)}@${hostname()}`,
    read.map(({ host, keys: found }) => ({ host: host.name, keys: found })),
  );
  await writeSecretOutput(file, isPlain ? sheet : await encryptFor(recipients, sheet));
  // Only what is on the disk here is written down there.
  const to = isPlain ? ["plain"] : recipients;
  await noteExport(context, project, to, (host) =>
    (read.find((one) => one.host.name === host)?.keys ?? []).map(({ sum }) => sum),
  );
  const count = read.reduce((sum, one) => sum + one.keys.length, 0);
  if (context.options.json === true) {
    context.print(JSON.stringify({ stack, file, keys: count, to }, undefined, 2));
    return;
  }
  const { colors } = context;
  context.print(
    `${colors.green("✓")} ${count} key${count === 1 ? "" : "s"} in ${file}${isPlain ? ", readable for you alone: print it, and delete it" : `, for ${to.join(", ")}`}`,
  );
  if (!isPlain) context.print(colors.dim(`  to read it: age -d -i KEY-FILE ${file}`));
};

/** Lets each host remember which of its keys were copied, and for whom. */
async function noteExport(
  context: Context,
  project: Project,
  to: readonly string[],
  sumsOf: (host: string) => readonly string[],
): Promise<void> {
  await noteOnHosts(context, project, "backup key export", (host) =>
    planKeyRecord(keyRecordOf(project.manifest.stack), sumsOf(host), to),
  );
}

function chooseKeys(manifest: Manifest): HostKey[] {
  requireBackups(manifest);
  const keys = listHostKeys(manifest);
  if (keys.length > 0) return keys;
  throw new HostkitError("usage", {
    what: "no key was made on the hosts",
    why: "every repository has a `passphrase`: you have it already, where your secrets are",
  });
}

function explainNoRecipients(): HostkitError {
  return new HostkitError("usage", {
    what: "the manifest does not say who may read the keys",
    next: "age-keygen -o keys.txt, and its public key into the manifest: backups: {recipients: [age1…]}; or a sheet to print: hostkit backup key export --plain",
  });
}

/** @throws HostkitError run_failed where a key is not there */
async function readKeys(
  connection: Connection,
  host: string,
  keys: readonly HostKey[],
): Promise<ReadKey[]> {
  const marker = newMarker();
  const { code, stdout } = await connection.exec(
    sh`for path in ${keys.map(({ path }) => path)}; do
  [ -f "$path" ] && [ ! -L "$path" ] || exit 3
  sum=$(sha256sum <"$path")
  printf '%s %s %s\\n' ${marker} "\${sum%% *}" "$(tail -n 1 "$path" | sed 's/^[^=]*=//')"
done`.text,
    { maxBytes: 65_536 },
  );
  const lines = stdout
    .split("\n")
    .filter((line) => line.startsWith(`${marker} `))
    .map((line) => line.split(" "));
  const read = keys.flatMap((key, index): ReadKey[] => {
    const [, sum = "", value = ""] = lines[index] ?? [];
    return /^[0-9a-f]{64}$/.test(sum) && value !== "" ? [{ ...key, sum, value }] : [];
  });
  if (code === 0 && read.length === keys.length) return read;
  throw new HostkitError("run_failed", {
    what: `the key of ${keys[read.length]?.repository ?? "a repository"} is not on the host`,
    where: host,
    next: "hostkit provision makes it",
  });
}

/** The sheet: what each key opens, and the key. */
function renderSheet(
  title: string,
  hosts: readonly { readonly host: string; readonly keys: readonly ReadKey[] }[],
): string {
  const lines = hosts.flatMap(({ host, keys }) =>
    keys.map(
      ({ tool, repository, value }) =>
        `host ${host}, repository ${repository}, ${tool === "postgres" ? "PostgreSQL (pgBackRest: repo-cipher-pass)" : "files (restic: password)"}:\n\n    ${value}\n`,
    ),
  );
  return `${title}\n\n${lines.join("\n")}`;
}
