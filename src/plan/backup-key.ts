import { idsOf } from "../resources/resource.ts";
import { joinScripts, sh } from "../shell/script.ts";
import type { Script } from "../shell/script.ts";
import type { OperationStep } from "./operation.ts";

/**
 * Writes down on the host that its keys were copied.
 * @param sums hashes of the files they stand in
 * @param to age recipients, or `plain`
 */
export function planKeyRecord(
  record: string,
  sums: readonly string[],
  to: readonly string[],
): OperationStep[] {
  return [
    {
      id: idsOf("file")(record),
      title: "write down that the keys of the backups were copied",
      because: "asked for",
      script: sh`{ hk_read ${record} 2>/dev/null || true; for sum in ${sums}; do echo "$sum $(date +%s) "${to.join(" ")}; done; } | tail -n 200 >record
hk_put record ${record} 0600 root root`,
    },
  ];
}

/** The key of one repository of restic's. */
export interface RotatedKey {
  readonly repository: string;
  /** The file that the password stands in. */
  readonly path: string;
  /** hostkit's script that calls restic with the repository's address. */
  readonly program: string;
  /** What backups hold while they run. */
  readonly lock: string;
  /** The new password where it comes from the controller; otherwise the host makes it. */
  readonly password?: string;
}

/**
 * A repository of restic's gets another password, by restic's own way: the new one is added, looked at, put in the place of the old one, and the
 * old one is removed. Which one is old is written down before; a run that is cut off leaves one that opens it in the file, and the next
 * goes on.
 */
export function planKeyRotation(key: RotatedKey): OperationStep[] {
  const { repository, path, program, lock, password } = key;
  const next = `${path}.next`;
  const functions = sh`umask 077
record="$HOSTKIT_STACK_DIRECTORY"/backups/${`rotating-${repository}`}
restic() { ${program} restic ${repository} "$@"; }
exec 7<${lock}
flock -w 21600 7 || { echo "a backup has been running for six hours" >&2; exit 1; }`;
  const step = (
    name: string,
    title: string,
    script: Script,
    more: Pick<OperationStep, "stdin"> = {},
  ): OperationStep => ({
    ...{ id: `backup-key:${name}`, title, because: "asked for" },
    script: joinScripts([functions, script]),
    bound: { seconds: 7 * 3600, waitsFor: "the repository" },
    ...more,
  });
  const make =
    password === undefined
      ? sh`{ head -c 32 /dev/urandom | od -An -tx1 | tr -d ${" \\n"}; echo; } >${`${next}.new`}`
      : sh`cat >${`${next}.new`}
if cmp -s ${`${next}.new`} ${path}; then
  rm -f ${`${next}.new`}
  echo "the secret still has the value that opens the repository now: change it first" >&2
  exit 1
fi`;
  return [
    step(
      "old",
      `write down which key opens ${repository} now`,
      sh`if [ ! -s "$record" ]; then
  restic key list --json >keys
  old=$(tr ${"{"} ${"\\n"} <keys | sed -n ${'/"current":true/s/.*"id":"\\([0-9a-f]*\\)".*/\\1/p'})
  [ -n "$old" ] || { echo "restic does not say which key it is" >&2; exit 1; }
  ${make}
  sync ${`${next}.new`} && mv -f ${`${next}.new`} ${next}
  echo "$old" >"$record.new"
  sync "$record.new" && mv -f "$record.new" "$record"
fi`,
      password === undefined ? {} : { stdin: { secret: `${password}\n` } },
    ),
    step(
      "new",
      "add the new key, open the repository with it, and put it in the place of the old one",
      sh`[ -s ${next} ] || exit 0
restic --password-file ${next} cat config >/dev/null 2>&1 || restic key add --new-password-file ${next} >/dev/null
restic --password-file ${next} snapshots --json >/dev/null
chown root:root ${next}
chmod 0600 ${next}
sync ${next} && mv -f ${next} ${path}
sync ${path.replace(/\/[^/]*$/, "")}
restic snapshots --json >/dev/null`,
    ),
    step(
      "remove",
      "remove the old key",
      sh`old=$(cat "$record")
has_old() { restic key list --json >keys || exit 1; grep -q '"id":"'"$old" keys; }
if has_old; then
  restic key remove "$old" >/dev/null || { echo "the repository has its new key, and the old one still opens it: it could not be removed" >&2; exit 1; }
  ! has_old || { echo "the repository has its new key, and the old one is still listed" >&2; exit 1; }
fi
rm -f "$record"`,
    ),
  ];
}
