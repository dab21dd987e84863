import type { PlannedChange } from "../types.ts";

/** One of a kind, and several; of one word where the number says nothing. Kinds that are not here are called by their name. */
type Noun = readonly [one: string, several: string] | readonly [all: string];

const files: Noun = ["file or folder", "files and folders"];
const programs: Noun = ["program", "programs"];
/** By kind. */
export const nouns: Readonly<Record<string, Noun>> = {
  file: files,
  "json-file": files,
  block: files,
  directory: files,
  claims: files,
  "backup-passphrase": files,
  deb: ["package", "packages"],
  packages: ["packages"],
  "packaged-program": programs,
  download: programs,
  caddy: ["sites"],
  nftables: ["firewall"],
  sshd: ["sshd"],
  sysctl: ["kernel settings"],
  swap: ["swap"],
  hostname: ["host name"],
  timezone: ["time zone"],
  "time-sync": ["time"],
  target: ["target"],
  "postgres-cluster": ["cluster"],
  "postgres-database": ["database", "databases"],
  "postgres-extensions": ["extensions"],
  "postgres-grants": ["grants"],
  "postgres-migrations": ["migrations"],
  "postgres-password": ["password", "passwords"],
  "postgres-role": ["role", "roles"],
  "postgres-settings": ["settings"],
  "postgres-trial": ["trial login", "trial logins"],
  "restore-point": ["restore point", "restore points"],
  "backup-first": ["backup", "backups"],
  "backup-repository": ["repository", "repositories"],
};

/** `3 files and folders, 1 user` of what these change, in the order in which kinds come up; "" for none. */
export function countThings(changes: readonly Pick<PlannedChange, "kind">[]): string {
  const counts = new Map<string, { readonly noun: Noun; readonly number: number }>();
  for (const { kind = "other thing" } of changes) {
    const plain = kind.replaceAll("-", " ");
    const noun = nouns[kind] ?? [plain, `${plain}s`];
    counts.set(noun[0], { noun, number: (counts.get(noun[0])?.number ?? 0) + 1 });
  }
  return [...counts.values()].map(sayNumber).join(", ");
}

function sayNumber({ noun: [one, several], number }: { noun: Noun; number: number }): string {
  if (several === undefined) return number === 1 ? one : `${number} ${one}`;
  return `${number} ${number === 1 ? one : several}`;
}
