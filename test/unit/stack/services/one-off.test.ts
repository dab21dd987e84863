import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readTemplates } from "../../../../src/local/templates.ts";
import { renderOneOffFiles } from "../../../../src/stack/services/one-off.ts";
import { prepareScript } from "../../../../src/stack/services/one-off-prepare.ts";
import {
  followScript,
  signalScript,
  startDetachedScript,
  startScript,
  stopScript,
  watchScript,
} from "../../../../src/stack/services/one-off-scripts.ts";
import type { OneOff, OneOffPlace } from "../../../../src/stack/services/one-off.ts";
import { resolveRelease } from "../../../harness/release-resource.ts";

let templates: ReadonlyMap<string, string>;
let folder: string;
beforeAll(async () => {
  templates = await readTemplates();
  folder = mkdtempSync(path.join(tmpdir(), "hostkit-one-off-"));
  mkdirSync(path.join(folder, "bin"));
  // Says what it was called with, a word a line.
  const tell = `#!/bin/sh\nfor word do printf '<%s>\\n' "$word"; done\n`;
  for (const name of ["docker", "-x"])
    writeFileSync(path.join(folder, "bin", name), tell, { mode: 0o755 });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const places: Readonly<Record<string, OneOffPlace>> = {
  inContainer: { kind: "in-container", container: "s-api-a" },
  container: {
    ...{ kind: "container", container: "s-api-run-1", isBare: false },
    ...{ launcher: "/etc/hostkit/s/containers/s-api-a.command", image: "hostkit/s-api:1" },
  },
  beside: {
    ...{ kind: "unit", unit: "s-worker.service", isBeside: true },
    environmentFile: "/etc/hostkit/s/worker.env",
  },
};
const oneOff = (place: OneOffPlace, more: Partial<OneOff> = {}): OneOff => ({
  ...{ id: "20261128T010203Z-1a2b", stack: "s", stackDirectory: "/var/lib/hostkit/s", place },
  ...{ words: ["true"], environment: {} },
  ...more,
});
const shell = (text: string, args: readonly string[] = []): string =>
  execFileSync("sh", ["-c", text, "sh", ...args], {
    encoding: "utf8",
    env: { ...process.env, PATH: `${path.join(folder, "bin")}:${process.env["PATH"] ?? ""}` },
  });

const words = [
  "a b",
  "",
  "'\"\\",
  "$HOME `id` $(id)",
  "%n %%",
  "a\nb\n",
  "-x",
  "--",
  "é 😀",
  "*",
  "A=B",
  "{{.ID}}",
];

describe.for(Object.entries(places))("%s", ([, place]) => {
  test("all of its shell text is sound", () => {
    for (const more of [{}, { terminal: "xterm" }, { environment: { A: "a\nb", B: "c" } }]) {
      const it = oneOff(place, more);
      const files = renderOneOffFiles(it, templates);
      const texts = [
        prepareScript(it),
        startScript(it),
        startDetachedScript(it),
        watchScript(it, 20),
      ]
        .concat([signalScript(it, "INT"), followScript(it), stopScript(it)])
        .map(({ text }) => text);
      for (const text of [...texts, files["words"] ?? "", files["end"] ?? ""])
        execFileSync("sh", ["-n"], { input: text });
    }
  });

  test("values of variables are in the files for them, and in no other", () => {
    const it = oneOff(place, { environment: { A: "sesame", B: "under\nthe mat" } });
    const files = renderOneOffFiles(it, templates);
    const holding = Object.entries(files).filter(([, text]) => /sesame|the mat/.test(text));
    expect(holding.map(([name]) => name).every((name) => /^(variables|exports)$/.test(name))).toBe(
      true,
    );
    expect(holding.length).toBeGreaterThan(0);
    for (const script of [prepareScript(it), startScript(it)])
      expect(script.text).not.toMatch(/sesame|the mat/);
  });
});

test("the words that reach the program are the words that were given", () => {
  const it = oneOff(places["beside"] as OneOffPlace, { words: ["-x", ...words] });
  const { words: file = "" } = renderOneOffFiles(it, templates);
  expect(shell(file)).toBe(words.map((word) => `<${word}>\n`).join(""));
});

test("docker gets them behind the container", () => {
  const it = oneOff(places["inContainer"] as OneOffPlace, { words });
  const { words: file = "" } = renderOneOffFiles(it, templates);
  const said = shell(
    file.replace('"$(cat /run/hostkit-one-off/s-20261128T010203Z-1a2b/container)"', "CONTAINER"),
  );
  expect(said).toMatch(/^<exec>\n<--interactive>\n<--env>\n<HOSTKIT_ONE_OFF=/);
  expect(said.slice(said.indexOf("<CONTAINER>\n"))).toBe(
    `<CONTAINER>\n${words.map((word) => `<${word}>\n`).join("")}`,
  );
});

describe("the launcher of commands", () => {
  const launcher = (): string => {
    const { content } =
      resolveRelease(templates, "", "web").slots.b.files.find((one) =>
        one.path.endsWith(".command"),
      ) ?? {};
    return content !== undefined && "text" in content ? content.text : "";
  };

  test("is as the release is, but that nobody reaches it", () => {
    const text = launcher();
    execFileSync("sh", ["-n"], { input: text });
    for (const option of [
      "--read-only",
      "--cap-drop ALL",
      "--pull never",
      "src=/etc/hostkit/s/secrets/api-b/TOKEN",
    ])
      expect(text).toContain(option);
    // Docker answers for a host name as for an alias.
    expect(text).not.toMatch(/--publish|--network-alias|--hostname|sesame/);
  });

  test("puts its options before the image and the words behind it, `--` among them", () => {
    const text = launcher()
      .replace(/^user=.*$/m, "user=1:1")
      .replace(/^\. .*$/m, "");
    const calls = text.replace("if ! said=$(", "if ! (").replace(" 2>&1); then", "); then");
    const said = shell(calls, [
      "NAME",
      "--detach-keys",
      "x",
      "--",
      "--init",
      "--env",
      "A=b",
      "--",
      ...words,
    ]);
    const [create = "", start = ""] = said.split("<start>\n");
    expect(create).toMatch(
      /<create>\n<--rm>\n[^]*<--init>\n<--env>\n<A=b>\n<hostkit\/s-api:[0-9a-f]{16}>\n/,
    );
    expect(create.endsWith(words.map((word) => `<${word}>\n`).join(""))).toBe(true);
    expect(start).toBe("<--attach>\n<--interactive>\n<--detach-keys>\n<x>\n<NAME>\n");
  });
});

/** The awk program between these words of a script. */
function programIn(text: string, before: string): string {
  const from = text.indexOf(before) + before.length;
  const [program = ""] = /^'[^']*'/.exec(text.slice(from)) ?? [];
  return program;
}

test("what a command has started: by its mark, its session and its parents, and nobody else", () => {
  const { end = "" } = renderOneOffFiles(oneOff(places["inContainer"] as OneOffPlace), templates);
  const program = programIn(end, '-v marked="$marked" ');
  const status = (pid: number, parent: number, session: number): string =>
    `/proc/${pid}/status:PPid:\t${parent}\n/proc/${pid}/status:NSsid:\t${session}\t1\n`;
  const processes = [
    [1, 0, 1],
    [50, 1, 50],
    [100, 50, 100],
    [101, 100, 100],
    [102, 101, 102],
    [103, 1, 100],
    [104, 1, 104],
    [200, 50, 200],
  ] as const;
  const input = processes.map(([pid, parent, session]) => status(pid, parent, session)).join("");
  const said = execFileSync("sh", ["-c", `awk -F '[/:\\t ]+' -v marked='100 104 999' ${program}`], {
    input,
    encoding: "utf8",
  });
  expect(said.trim().split("\n").sort()).toEqual(["100", "101", "102", "103", "104"]);
});

test("of a service's unit comes what it may and sees, not what starts it", () => {
  const { text } = prepareScript(oneOff(places["beside"] as OneOffPlace));
  const program = programIn(text, "awk ");
  const unit = `[Unit]
PartOf=s.target
[Service]
# a comment
Type=notify
User=s-worker
  ExecStart = /bin/a \\
  --more
ExecStart=
ExecSearchPath=/opt/x
ReadWritePaths=/a \\
  /b
Restart=always
RestartSec=2
WatchdogSec=9
RuntimeDirectory=s-worker
StandardOutput=null
[Install]
WantedBy=s.target
`;
  expect(execFileSync("sh", ["-c", `awk ${program}`], { input: unit, encoding: "utf8" }))
    .toBe(`[Service]
User=s-worker
ExecSearchPath=/opt/x
ReadWritePaths=/a \\
  /b
RuntimeDirectory=s-worker
`);
});

test("the folder of credentials is the command's own wherever the service's is named", () => {
  const { text } = prepareScript(oneOff(places["beside"] as OneOffPlace));
  const [, rewrite = ""] = /sed ('[^']*'|\S+) /.exec(text) ?? [];
  const input =
    'A="/run/credentials/s-worker.service/A"\nB="/run/credentials/s-workerXservice/B"\n';
  expect(execFileSync("sh", ["-c", `sed ${rewrite}`], { input, encoding: "utf8" })).toBe(
    'A="/run/credentials/hostkit-one-off-s-20261128T010203Z-1a2b.service/A"\nB="/run/credentials/s-workerXservice/B"\n',
  );
});
