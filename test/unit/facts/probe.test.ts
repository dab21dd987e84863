import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { buildProbe, need, parseProbe } from "../../../src/facts/fact.ts";
import type { FactSource } from "../../../src/facts/fact.ts";
import { fileFacts, textFacts } from "../../../src/facts/files/file.ts";
import { hashSecret } from "../../../src/facts/files/hash.ts";
import { packageFacts } from "../../../src/facts/packages/package.ts";
import { secretFileFacts } from "../../../src/facts/files/secret-file.ts";
import { secretKeyPath } from "../../../src/facts/files/secret-hashes.ts";
import { userFacts } from "../../../src/facts/system/user.ts";
import { rawScript, sh } from "../../../src/shell/script.ts";

const echo: FactSource<string> = {
  name: "echo",
  script: (subjects) =>
    sh`for s in ${subjects}; do printf '%s\n' "$s"; done; printf 'no newline at the end'`,
  parse: (stdout) => new Map(stdout.split("\n").map((line) => [line, line])),
};
const broken: FactSource<string> = {
  name: "broken",
  script: () => sh`this-program-is-not-there; exit 3`,
  parse: (stdout) => new Map(stdout === "" ? [] : [["x", stdout]]),
};

function run(text: string, shell: string): string {
  return execFileSync(shell, ["-c", text], { encoding: "utf8" });
}

describe("the probe", () => {
  const needs = [
    need(echo, "b"),
    need(broken, "x"),
    need(echo, "a"),
    need(echo, "a"),
    need(fileFacts, "/etc/passwd"),
  ];

  test.each(["dash", "bash"])(
    "one %s script answers every need; a broken section does not harm the others",
    (shell) => {
      const facts = parseProbe(needs, "cafe", run(buildProbe(needs, "cafe").text, shell));
      expect(facts?.get(echo, "a")).toBe("a");
      expect(facts?.get(echo, "no newline at the end")).toBeDefined();
      expect(facts?.get(broken, "x")).toBeUndefined();
      expect(facts?.get(fileFacts, "/etc/passwd")).toMatchObject({
        type: "file",
        mode: "0644",
        owner: "root",
      });
    },
  );

  test("texts are read to the byte, whatever was guessed of them", () => {
    const folder = mkdtempSync(join(tmpdir(), "hostkit-probe-"));
    const texts = {
      "one line": "abc\n",
      stamp: "abc",
      empty: "",
      newline: "\n",
      "two lines": "a\nb\n",
      "no last newline": "a\nb",
      "blank lines": "\n\n",
      "spaces, \\ and %s": "  a\\tb %s 'c' \"$d\" \n",
      umlauts: "größer\n",
      "back\\slash": "x\n",
      "a: OK": "same /x: OK\n",
      "a: FAILED": "1 /x\n",
    };
    try {
      for (const shell of ["dash", "bash"]) {
        for (const guessOf of [
          () => undefined,
          (text: string) => text,
          (text: string) => `${text}more`,
        ]) {
          const asked = Object.entries(texts).map(([name, text]) => {
            writeFileSync(join(folder, name), text);
            return need(textFacts, join(folder, name), guessOf(text));
          });
          const all = [
            ...asked,
            need(textFacts, join(folder, "gone"), "x"),
            need(textFacts, folder, "x"),
          ];
          const facts = parseProbe(all, "cafe", run(buildProbe(all, "cafe").text, shell));
          const found = Object.keys(texts).map((name) => facts?.get(textFacts, join(folder, name)));
          expect(found).toEqual(Object.values(texts));
          expect(facts?.all(textFacts).size).toBe(found.length);
        }
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test.each(["dash", "bash"])("any number of secrets is hashed with the key, by %s", (shell) => {
    const folder = mkdtempSync(join(tmpdir(), "hostkit-probe-"));
    const key = "0123456789abcdef";
    const secrets = ["one\n", "two", "", "a'b\"c$d\\e `f`\n\n", "E4\nE5\n", ..."fghijklmn"];
    try {
      writeFileSync(join(folder, "key"), key);
      const paths = secrets.map((secret, index) => {
        writeFileSync(join(folder, `${index}`), secret);
        return join(folder, `${index}`);
      });
      const all = [
        ...paths.flatMap((path) => [need(fileFacts, path), need(secretFileFacts, path)]),
        need(secretFileFacts, join(folder, "gone")),
        need(textFacts, "/etc/debian_version"),
      ];
      const read = (keyPath: string) => {
        const text = buildProbe(all, "cafe").text.replaceAll(secretKeyPath, join(folder, keyPath));
        return parseProbe(all, "cafe", run(text, shell))?.all(secretFileFacts);
      };
      expect(read("key")).toEqual(
        new Map(paths.map((path, at) => [path, { key, hash: hashSecret(key, secrets[at] ?? "") }])),
      );
      expect(read("no-key")).toEqual(new Map());
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test.each([
    ["this machine's files", ["root", "daemon"]],
    ["the name service, where one is missing", ["root", "daemon", "no-such-user"]],
  ])("users by %s", (_, names) => {
    const asked = names.map((name) => need(userFacts, name));
    const facts = parseProbe(asked, "cafe", run(buildProbe(asked, "cafe").text, "sh"));
    expect([...(facts?.all(userFacts).keys() ?? [])].sort()).toEqual(["daemon", "root"]);
    for (const name of ["root", "daemon"]) {
      const user = facts?.get(userFacts, name);
      const groups = run(`id -Gn ${name}`, "sh").trim().split(" ");
      expect(user?.groups[0]).toBe(groups[0]);
      expect([...(user?.groups ?? [])].sort()).toEqual(groups.sort());
      expect(user?.uid).toBe(Number(run(`id -u ${name}`, "sh")));
    }
  });

  test("lanes run at the same time and answer one after another", () => {
    const waiting = (
      name: string,
      lane?: "units" | "docker",
      command = "",
    ): FactSource<string> => ({
      name,
      ...(lane === undefined ? {} : { lane }),
      script: () => sh`${rawScript(command)}
echo ${name}`,
      parse: (stdout) => new Map([["x", stdout]]),
    });
    const folder = mkdtempSync(join(tmpdir(), "hostkit-probe-"));
    // Each waits for the other: in one lane, or with an output that is held back, this would never end.
    const meet = (mine: string, other: string) =>
      `cd '${folder}'; : >${mine}; until [ -e ${other} ]; do sleep 0.01; done; seq 20000`;
    const asked = [
      need(waiting("first", "units", meet("a", "b")), "x"),
      need(waiting("second", "docker", meet("b", "a")), "x"),
      need(waiting("third"), "x"),
    ];
    try {
      const facts = parseProbe(asked, "cafe", run(buildProbe(asked, "cafe").text, "sh"));
      const ends = asked.map(({ source }) =>
        String(facts?.get(source, "x")).trim().split("\n").slice(-2),
      );
      expect(ends).toEqual([["20000", "first"], ["20000", "second"], ["third"]]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("the same needs in any order make the same script", () => {
    expect(buildProbe(needs, "1").text).toBe(buildProbe([...needs].reverse(), "1").text);
  });

  test("a reply that was cut short is no answer", () => {
    const reply = run(buildProbe(needs, "cafe").text, "sh");
    for (const length of [0, 10, reply.length - 1]) {
      expect(parseProbe(needs, "cafe", reply.slice(0, length))).toBeUndefined();
    }
  });

  test("output that looks like a border of another probe changes nothing", () => {
    const asked = [
      need(echo, "#beef end"),
      need(echo, "#beef echo"),
      need(textFacts, "/nowhere"),
      need(packageFacts, "dpkg"),
    ];
    const facts = parseProbe(asked, "cafe", run(buildProbe(asked, "cafe").text, "sh"));
    expect(facts?.get(echo, "#beef end")).toBe("#beef end");
    expect(facts?.get(packageFacts, "dpkg")?.status).toBe("ii");
  });
});
