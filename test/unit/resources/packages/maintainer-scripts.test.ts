import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { maintainerScripts } from "../../../../src/resources/packages/maintainer-scripts.ts";

function findDangers(script: string): string {
  const folder = mkdtempSync(join(tmpdir(), "hostkit-maintainer-"));
  try {
    writeFileSync(join(folder, "postrm"), `#!/bin/sh\nset -e\n${script}\n`);
    const program = `set -e\n${maintainerScripts.text}\ndangers postrm <postrm\n`;
    return execFileSync("sh", ["-c", program], { cwd: folder, encoding: "utf8" });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe("scripts of packages that do harm, or that nobody understands", () => {
  test.each([
    "rm -rf /var/lib",
    "command rm -rf /var/lib",
    'if [ "$1" = remove ]; then exec rm -rf /var/lib; fi',
    'for f in /var/lib/*; do rm -rf "$f"; done',
    "find /var/lib -delete",
    'run() { "$@"; }\nrun rm -rf /var/lib',
    "run() { $*; }\nrun rm -rf /var/lib",
    "remove() { $1 -rf /var/lib; }\nremove rm",
    ": >/var/lib/strange/row",
    "echo >> /srv/strange",
    'f=/var/lib/strange/row\necho gone >"$f"',
    "cp /dev/null /var/lib/strange/row",
    "eval rm -rf /var/lib",
    "userdel strange",
    ". /usr/share/strange/lib",
  ])("%s", (script) => {
    expect(findDangers(script)).not.toBe("");
  });
});

describe("harmless scripts of packages", () => {
  test.each([
    "systemctl --system daemon-reload >/dev/null || true",
    "if command -v deb-systemd-helper >/dev/null; then deb-systemd-helper purge strange.service >/dev/null || true; fi",
    "rm -f /etc/strange/strange.conf /var/cache/strange/list",
    'case "$1" in\n  remove | purge) ;;\n  *) echo "postrm called with unknown argument \\`$1\'" >&2 ;;\nesac',
    'echo "unknown argument --> $1" >&2',
  ])("%s", (script) => {
    expect(findDangers(script)).toBe("");
  });
});
