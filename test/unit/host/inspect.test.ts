import { describe, expect, test } from "vitest";
import { inspectHost } from "../../../src/host/inspect.ts";
import type { InspectOptions } from "../../../src/host/inspect.ts";
import { file } from "../../../src/resources/files/file.ts";
import { ScriptedConnection } from "../../harness/scripted-connection.ts";

const system = (distribution: string, version: string): string =>
  `#m system\ndistribution=${distribution}\nversion=${version}\nprettyName=${distribution} ${version}\narchitecture=amd64\nhostname=dx1\nsystemd=yes\n\n#m end\n`;
/** What a host answers that has nothing but these sections to tell. */
const reply = (sections: string): { stdout: string } => {
  const empty = ["file", "lock", "neighbours", "system", "text"].filter(
    (name) => !sections.includes(`#m ${name}\n`),
  );
  return {
    stdout: `${empty.map((name) => `#m ${name}\n\n#m end\n`).join("")}${sections}#m done\n`,
  };
};

const options: InspectOptions = {
  host: "dx1",
  stack: "t",
  resolve: ({ distribution, version }) => [file(`/etc/${distribution}-${version}`, "")],
  newMarker: () => "m",
};
const debian13 = { distribution: "debian", version: "13", architecture: "amd64", hostname: "dx1" };

describe("looking at a host", () => {
  test("with a right guess one round trip is enough", async () => {
    const connection = new ScriptedConnection([
      { match: "", result: reply(system("debian", "13")), times: 1 },
    ]);
    const { plan } = await inspectHost(connection, { ...options, guess: debian13 });
    expect(plan.changes.map((change) => change.id)).toEqual(["file:/etc/debian-13"]);
  });

  test("a wrong guess costs a second one, and the plan is for what the host is", async () => {
    const connection = new ScriptedConnection([
      { match: "", result: reply(system("debian", "12")), times: 2 },
    ]);
    const { plan } = await inspectHost(connection, { ...options, guess: debian13 });
    expect(plan.changes.map((change) => change.id)).toEqual(["file:/etc/debian-12"]);
    expect(connection.commands).toHaveLength(2);
  });

  test("a host seen for the first time is asked once where nothing is made of its name", async () => {
    const connection = new ScriptedConnection([
      { match: "", result: reply(system("debian", "13")) },
    ]);
    const { plan } = await inspectHost(connection, options);
    expect(plan.changes.map((change) => change.id)).toEqual(["file:/etc/debian-13"]);
    expect(connection.commands).toHaveLength(1);
  });

  test.each([
    ["fedora", "43"],
    ["debian", "11"],
  ])("%s %s is refused by name, before anything is done", async (distribution, version) => {
    const connection = new ScriptedConnection([
      { match: "", result: reply(system(distribution, version)) },
    ]);
    await expect(inspectHost(connection, options)).rejects.toMatchObject({
      code: "os_unsupported",
      exitCode: 71,
      message: `hostkit does not know ${distribution} ${version}`,
    });
  });

  test("a run that is going on is told with its holder", async () => {
    const lock = "#m lock\n/var/lib/hostkit/t ann@laptop since 01:02\n\n#m end\n";
    const connection = new ScriptedConnection([
      { match: "", result: reply(lock + system("debian", "13")) },
    ]);
    const { lockedBy } = await inspectHost(connection, { ...options, guess: debian13 });
    expect(lockedBy).toBe("ann@laptop since 01:02");
  });

  test("a reply that lacks a section is an error, not a host without these things", async () => {
    const { stdout } = reply(system("debian", "13"));
    const connection = new ScriptedConnection([
      { match: "", result: { stdout: stdout.replace("#m file\n\n#m end\n", "") } },
    ]);
    await expect(inspectHost(connection, options)).rejects.toMatchObject({ code: "internal" });
  });

  test("a reply that was cut short is an error, not an empty host", async () => {
    const connection = new ScriptedConnection([
      { match: "", result: { stdout: system("debian", "13") } },
    ]);
    await expect(inspectHost(connection, options)).rejects.toMatchObject({ code: "internal" });
  });
});
