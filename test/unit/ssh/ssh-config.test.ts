import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { evaluateSshConfig, expandPath, type SshSettings } from "../../../src/ssh/ssh-config.ts";

interface Case {
  config: string;
  include?: Record<string, string>;
  alias: string;
  user?: string;
  expect: Record<string, string | string[] | null>;
}

const folder = join(import.meta.dirname, "../../cases/ssh/ssh-config");
const files = readdirSync(folder).sort();
const readCase = (file: string): Case => parse(readFileSync(join(folder, file), "utf8")) as Case;
const hasSsh = spawnSync("ssh", ["-V"]).status === 0;

function evaluate(given: Case, note?: (line: string) => void): SshSettings {
  const include = given.include ?? {};
  return evaluateSshConfig(
    {
      files: [{ path: "config", text: given.config }],
      readInclude: (pattern) =>
        Object.entries(include)
          .filter(
            ([path]) =>
              path === pattern || (pattern.endsWith("/*") && dirname(path) === dirname(pattern)),
          )
          .map(([path, text]) => ({ path, text })),
      ...(note && { note }),
    },
    { alias: given.alias, localUser: "me", ...(given.user !== undefined && { user: given.user }) },
  );
}

describe("ssh_config", () => {
  it.each(files)("%s", (file) => {
    const given = readCase(file);
    const settings = evaluate(given);
    for (const [keyword, value] of Object.entries(given.expect)) {
      const wanted = value === null ? undefined : [value].flat();
      expect(settings.get(keyword), keyword).toEqual(wanted);
    }
  });

  // The oracle: what OpenSSH itself makes of the same files.
  it.runIf(hasSsh).each(files)("%s as ssh -G sees it", (file) => {
    const given = readCase(file);
    const home = mkdtempSync(join(tmpdir(), "hostkit-config-"));
    try {
      for (const [path, text] of Object.entries(given.include ?? {})) {
        mkdirSync(join(home, dirname(path)), { recursive: true });
        writeFileSync(join(home, path), text);
      }
      // A file given with -F takes relative Includes from ~/.ssh: make them absolute.
      writeFileSync(
        join(home, "config"),
        given.config.replaceAll(/(Include +)(\S+)/g, `$1${home}/$2`),
      );
      const user = given.user === undefined ? [] : ["-l", given.user];
      const { stdout } = spawnSync(
        "ssh",
        ["-G", "-F", join(home, "config"), ...user, given.alias],
        { encoding: "utf8" },
      );
      const lines = stdout.split("\n");
      for (const [keyword, value] of Object.entries(given.expect)) {
        const seen = lines
          .filter((line) => line.startsWith(`${keyword} `))
          .map((line) => line.slice(keyword.length + 1));
        // What no file sets, ssh shows as its own default.
        if (value === null) {
          expect(seen, keyword).toEqual([keyword === "port" ? "22" : userInfo().username]);
          continue;
        }
        const wanted = [value].flat();
        if (keyword === "userknownhostsfile") expect(seen).toEqual([wanted.join(" ")]);
        else expect(seen, keyword).toEqual(wanted);
      }
    } finally {
      rmSync(home, { recursive: true, force: true });
    }
  });

  it("never runs a command for Match exec, and says so", () => {
    const notes: string[] = [];
    const config = 'Match exec "touch /tmp/never"\n  User evil\n';
    const settings = evaluate({ config, alias: "dx1", expect: {} }, (line) => notes.push(line));
    expect(settings.get("user")).toBeUndefined();
    expect(notes.join()).toContain("Match exec");
  });

  it("stops at an Include of itself", () => {
    expect(() =>
      evaluate({
        config: "Include loop",
        include: { loop: "Include loop" },
        alias: "a",
        expect: {},
      }),
    ).toThrow("loop: Include nests too deeply");
  });

  it.each([
    ["~/.ssh/%r@%h:%p", "/home/me/.ssh/deploy@dx1.example.org:2222"],
    ["%d/%n-%u%%", "/home/me/dx-me%"],
    ["${SSH_DIR}/key", "/ssh/key"],
    ["${UNSET}/key", "${UNSET}/key"],
    ["/a/~/b", "/a/~/b"],
  ])("expands %s", (path, expanded) => {
    const values = {
      home: "/home/me",
      alias: "dx",
      host: "dx1.example.org",
      port: 2222,
      user: "deploy",
      localUser: "me",
      environment: { SSH_DIR: "/ssh" },
    };
    expect(expandPath(path, values)).toBe(expanded);
  });
});
