import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import {
  distributionOf,
  distributions,
  findDistribution,
  likeliestRelease,
  nameDistributions,
} from "../../src/distributions.ts";
import { labSystemNames, labSystems } from "../../src/lab/systems.ts";
import { distributionOn } from "../harness/systems.ts";

const root = path.resolve(import.meta.dirname, "../..");
const readText = (file: string) => readFileSync(path.join(root, file), "utf8");

/** What code looks like that asks for a release: its name, its code name, its number, a look at either. */
const asks = [
  /["'`](?:debian|ubuntu)["'`]/,
  /\b(?:debian|ubuntu)-\d/,
  /\b(?:Debian|Ubuntu) \d/,
  /(?<!@)\b(?:bullseye|bookworm|trixie|forky|jammy|noble|resolute)\b/,
  /["'`]2\d\.(?:04|10)["'`]/,
  /\.distribution\b/,
  /\bsystem\.version\b/,
  /\bVERSION_(?:ID|CODENAME)\b/,
];

/** Where one of these is no question. */
const allowed: Readonly<Record<string, string>> = {
  "src/facts/system/system.ts": "reads what the host says it is",
  "src/host/inspect.ts": "compares what was seen with what was remembered",
  "src/lab/machine-apt.ts": "whether this machine's own mirrors are those of the wanted release",
  "src/local/registry/manifest-answer.ts": "names media types of images",
};

function asksForRelease(code: string): boolean {
  return asks.some((pattern) => pattern.test(code));
}

/** Without comments: they may tell where something was seen. */
function codeOf(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\//g, "").replaceAll(/(?<=^|\s)\/\/.*$/gm, "");
}

describe("the table of distributions", () => {
  const table = new Set(["src/distributions.ts", "src/lab/systems.ts"]);
  const files = readdirSync(path.join(root, "src"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => path.join("src", name));

  test("nothing else in src asks for a release", () => {
    const asking = files.filter(
      (file) => !table.has(file) && asksForRelease(codeOf(readText(file))),
    );
    expect(asking.sort()).toEqual(Object.keys(allowed).sort());
  });

  test.each([
    'if (system.distribution === "ubuntu") {}',
    'const isOld = id === "debian";',
    'const codename = "trixie";',
    'if (version === "22.04") {}',
    "next: `take Debian 12`,",
    "Number(system.version) < 13",
  ])("would be seen: %s", (code) => {
    expect(asksForRelease(codeOf(code))).toBe(true);
  });

  test("a comment may say where something was seen", () => {
    expect(codeOf("a; // Debian 12\n/* trixie */ b;").replaceAll(/\s/g, "")).toBe("a;b;");
  });

  test("every release is there once", () => {
    const names = distributions.map(({ id, version }) => `${id} ${version}`);
    expect(new Set(names).size).toBe(names.length);
    expect(findDistribution(likeliestRelease)).toBeDefined();
  });

  test("another release is refused", () => {
    const eleven = { distribution: "debian", version: "11" };
    expect(findDistribution(eleven)).toBeUndefined();
    expect(() => distributionOf(eleven)).toThrow("hostkit does not know debian 11");
  });

  test("they can be said in a sentence", () => {
    expect(nameDistributions()).toBe("Debian 12 and 13 and Ubuntu 22.04, 24.04 and 26.04");
    expect(nameDistributions(({ pgbackrest }) => pgbackrest.sftp)).toBe(
      "Debian 13 and Ubuntu 24.04 and 26.04",
    );
  });
});

describe("docs/hosts.md", () => {
  const tested = labSystemNames.map(distributionOn);

  test.each(distributions)("$name $version", (row) => {
    const line = readText("docs/hosts.md")
      .split("\n")
      .find((one) => one.startsWith(`| ${row.name} ${row.version} |`));
    const [, , isTested, postgresql, , caddy] = (line ?? "").split("|").map((one) => one.trim());
    expect(postgresql).toBe(String(row.postgresql));
    expect(isTested === "yes").toBe(tested.includes(row));
    expect(caddy?.startsWith("none") === true).toBe(!row.hasCaddy);
  });
});

describe("the lab's systems", () => {
  test.each(labSystemNames)("%s is provisioned, whole", (os) => {
    expect(distributionOn(os)).toBeDefined();
    expect(readText(`test/lab/dxcluster-${os}.test.ts`)).toContain(`describeDxCluster("${os}")`);
  });

  test("their code names differ", () => {
    const codenames = Object.values(labSystems).map(({ codename }) => codename);
    expect(new Set<string>(codenames).size).toBe(labSystemNames.length);
  });
});
