import { execFileSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { buildProbe, need, parseProbe } from "../../../src/facts/fact.ts";
import type { FactSource } from "../../../src/facts/fact.ts";
import { fileFacts, textFacts } from "../../../src/facts/file.ts";
import { packageFacts } from "../../../src/facts/package.ts";
import { sh } from "../../../src/shell/script.ts";

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
