import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, test } from "vitest";
import {
  findServing,
  isSettled,
  listCurrent,
  needsOf,
  parseUpstream,
  releaseFacts,
} from "../../../../src/facts/containers/releases.ts";
import { hashSecret, hashText } from "../../../../src/facts/files/hash.ts";
import type {
  ActiveRelease,
  ReleaseRecord,
  StackReleases,
} from "../../../../src/facts/containers/releases.ts";

const library = path.resolve(import.meta.dirname, "../../../../templates/run/records.sh");

/** The folders of a host with the stack s, whose service is `api`. */
class Place {
  readonly root = mkdtempSync(path.join(tmpdir(), "hostkit-records-"));
  readonly stackDirectory = path.join(this.root, "lib/s");
  readonly upstream = path.join(this.root, "etc/s/upstreams/api.caddy");
  #runs = 0;

  constructor() {
    mkdirSync(this.stackDirectory, { recursive: true });
    mkdirSync(path.dirname(this.upstream), { recursive: true });
    writeFileSync(path.join(this.stackDirectory, "lock.holder"), 'a"nn\\@laptop since now\n');
    writeFileSync(path.join(this.root, "lib/secret.key"), "key");
    for (const name of ["launcher", "secret"]) writeFileSync(path.join(this.root, name), name);
  }

  /** Runs functions of the library; with `dies`, all is killed before the command of that number. */
  run(script: string, dies?: number): number | null {
    const trap = `n=0; set -T; trap '[ "$((n += 1))" -lt ${dies} ] || kill -KILL 0' DEBUG\n`;
    const files = `plain ${this.root}/launcher\nsecret ${this.root}/secret`;
    return spawnSync("bash", ["--posix", "-eu"], {
      cwd: this.root,
      input: `. ${library}
. ${path.join(path.dirname(library), "traffic.sh")}
hk_records=${this.stackDirectory}/releases/api hk_switch=${this.upstream}
hk_files_a='${files}' hk_files_b='plain ${this.root}/launcher' hk_former=1 hk_failures=2
${dies === undefined ? "" : trap}${script}\n`,
      env: {
        ...process.env,
        HOSTKIT_STACK_DIRECTORY: this.stackDirectory,
        HOSTKIT_CONFIGURATION: path.join(this.root, "etc"),
        HOSTKIT_RUN: path.join(this.stackDirectory, "runs", this.runId),
      },
      // A process group of its own, which is what is killed.
      ...{ detached: true },
    }).status;
  }

  get runId(): string {
    return `20261121T${String(this.#runs).padStart(6, "0")}Z-0000`;
  }

  /** A release from its first word to its last, as the steps of a run have it. */
  release(
    slot: "a" | "b",
    release: string,
    ends: "well" | "badly" = "well",
    dies?: number,
    back?: string,
  ) {
    this.#runs += 1;
    const image = `hostkit/s-api:${release}`;
    const line = { service: "api", release, slot, image, binds: [], because: 'it is "new"', back };
    writeFileSync(path.join(this.root, "record"), `${JSON.stringify(line)}\n`);
    const first = `# hostkit: slot ${slot}, release ${release}, image ${image}`;
    return this.run(
      `hk_begin_release record ${image}
hk_note_files ${slot}
${ends === "well" ? `echo '${first}' >line; hk_send line` : ""}
hk_settle_releases`,
      dies,
    );
  }

  /** As the probe reads it. */
  read(): StackReleases | undefined {
    const script =
      releaseFacts.group === undefined ? releaseFacts.script(["s"], new Map()) : undefined;
    const text = (script?.text ?? "")
      .replaceAll("/var/lib/hostkit", `${this.root}/lib`)
      .replaceAll("/etc/hostkit", `${this.root}/etc`);
    const { stdout } = spawnSync("sh", ["-c", text], { encoding: "utf8" });
    const told = stdout
      .replaceAll(`${this.root}/lib`, "/var/lib/hostkit")
      .replaceAll(`${this.root}/etc`, "/etc/hostkit");
    return releaseFacts.parse(told, ["s"], new Map()).get("s");
  }

  states(): string[] {
    return (this.read()?.records ?? []).map(({ release, state }) => `${release} ${state}`);
  }

  /** Where Caddy sends a request: slot b where it has a mark. */
  active(): ActiveRelease | undefined {
    const [mark] = ["b", "a"]
      .map((slot) => this.upstream.replace(/caddy$/, slot))
      .filter(existsSync);
    return parseUpstream(mark === undefined ? undefined : readFileSync(mark, "utf8"));
  }

  isSettled(): boolean {
    const active = this.active();
    return active !== undefined && isSettled(this.read(), "api", active);
  }

  /** What the shell says that releases need. */
  needs(name: string): boolean {
    return this.run(`hk_needs_image ${name}`) === 0;
  }
}

function inPlace(work: (place: Place) => void): void {
  const place = new Place();
  try {
    work(place);
  } finally {
    rmSync(place.root, { recursive: true });
  }
}

describe("records on a host", { timeout: 120_000 }, () => {
  test("one after the other: the newest serves, the one before can be gone back to, older ones are gone", () => {
    inPlace((place) => {
      expect(place.release("a", "aa")).toBe(0);
      expect(place.states()).toEqual(["aa serving"]);
      place.release("b", "bb");
      expect(place.states()).toEqual(["aa replaced", "bb serving"]);
      place.release("a", "cc");
      expect(place.states()).toEqual(["bb replaced", "cc serving"]);
      expect(place.isSettled()).toBe(true);
      expect(["aa", "bb", "cc"].map((release) => place.needs(`hostkit/s-api:${release}`))).toEqual([
        ...[false, true, true],
      ]);
      const { images } = needsOf([place.read() as StackReleases]);
      expect(images).toEqual(new Set(["hostkit/s-api:bb", "hostkit/s-api:cc"]));
    });
  });

  test("of a release that was gone back to only the newest record stays, and it takes no place of others", () => {
    inPlace((place) => {
      place.release("a", "aa");
      const first = place.runId;
      place.release("b", "bb");
      place.release("a", "aa", "well", undefined, first);
      expect(place.states()).toEqual(["bb replaced", "aa serving"]);
      place.release("b", "bb", "badly", undefined, first);
      expect(place.states()).toEqual(["bb replaced", "aa serving", "bb failed"]);
    });
  });

  test("what starts a release again lies beside its record as long as that does, and not of one that failed", () => {
    inPlace((place) => {
      const keep = (text: string) => {
        mkdirSync(path.join(place.root, "kept/a"), { recursive: true });
        writeFileSync(path.join(place.root, "kept/a/0"), text);
      };
      const kept = () => readdirSync(path.join(place.stackDirectory, "releases/api")).sort();
      keep("one");
      place.release("a", "aa");
      const first = place.runId;
      expect(
        readFileSync(path.join(place.stackDirectory, `releases/api/${first}/a/0`), "utf8"),
      ).toBe("one");
      expect(findServing(place.read(), "api")?.kept).toBe(true);
      keep("two");
      place.release("b", "bb", "badly");
      const failed = place.runId;
      expect(kept()).toEqual([first, `${first}.jsonl`, `${failed}.jsonl`].sort());
      place.release("b", "cc");
      expect(place.read()?.records.map((one) => one.kept)).toEqual([true, true, false]);
      place.release("a", "dd");
      expect(kept()).not.toContain(first);
    });
  });

  test("who, when, why, from what", () => {
    inPlace((place) => {
      place.release("a", "aa");
      const serving = findServing(place.read(), "api") as ReleaseRecord;
      expect(serving).toMatchObject({
        ...{ id: place.runId, run: place.runId, by: "ann@laptop", because: 'it is "new"' },
        ...{ service: "api", slot: "a", image: "hostkit/s-api:aa" },
      });
      const text = readFileSync(
        path.join(place.stackDirectory, `releases/api/${place.runId}.jsonl`),
        "utf8",
      );
      expect(text).toContain(
        `{"file":"${place.root}/launcher","sha256":"${hashText("launcher")}"}`,
      );
      expect(text).toContain(
        `{"file":"${place.root}/secret","keyed":"${hashSecret("key", "secret")}"}`,
      );
    });
  });

  test("one that fails: the old one serves, and the newest failures are remembered", () => {
    inPlace((place) => {
      place.release("a", "aa");
      for (const release of ["bb", "cc", "dd"]) place.release("b", release, "badly");
      expect(place.states()).toEqual(["aa serving", "cc failed", "dd failed"]);
      expect(listCurrent(place.read()).map(({ release }) => release)).toEqual(["aa", "cc", "dd"]);
      expect(place.needs("hostkit/s-api:dd")).toBe(false);
      place.release("b", "dd");
      expect(place.states()).toEqual(["aa replaced", "cc failed", "dd failed", "dd serving"]);
    });
  });

  test("a host of a hostkit without records: what serves is needed all the same, and gets one", () => {
    inPlace((place) => {
      place.release("a", "aa");
      rmSync(path.join(place.stackDirectory, "releases"), { recursive: true });
      expect(place.needs("hostkit/s-api:aa")).toBe(true);
      expect(place.isSettled()).toBe(false);
      expect(place.run("hk_settle_releases")).toBe(0);
      expect(place.states()).toEqual(["aa serving"]);
      expect(place.isSettled()).toBe(true);
      expect(place.run("hk_settle_releases")).toBe(0);
      expect(place.states()).toEqual(["aa serving"]);
    });
  });

  test("without anything released there is nothing to write down", () => {
    inPlace((place) => {
      expect(place.run("hk_settle_releases")).toBe(0);
      expect(place.read()).toBeUndefined();
    });
  });

  test(
    "killed at any moment: the next run settles it, and what serves is needed all the time",
    { timeout: 120_000 },
    () => {
      let wasKilled = true;
      for (let moment = 1; wasKilled; moment += 9) {
        expect(moment).toBeLessThan(2000);
        inPlace((place) => {
          // From either slot: the marks of the two do not count the same.
          const [old, next] = moment % 2 === 0 ? (["a", "b"] as const) : (["b", "a"] as const);
          place.release(old, "aa");
          wasKilled = place.release(next, "bb", "well", moment) === null;
          const active = place.active();
          expect(place.read()?.active["api"]).toEqual(active);
          expect(place.needs(active?.image ?? "")).toBe(true);
          expect(place.run("hk_settle_releases")).toBe(0);
          expect(place.isSettled()).toBe(true);
          expect(findServing(place.read(), "api")?.release).toBe(active?.release);
          expect(place.states().filter((state) => state.startsWith("aa"))).toHaveLength(1);
        });
      }
    },
  );
});
