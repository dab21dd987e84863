import { spawnSync } from "node:child_process";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { keepScript, restoreScript } from "../../../../src/resources/files/preimage.ts";

const library = path.resolve(import.meta.dirname, "../../../../templates/run/paths.sh");

/**
 * Runs a script; with `dies`, everything that belongs to it is killed before the command of that number.
 * @returns the status; null where it was killed
 */
function run(stackDirectory: string, script: string, dies?: number): number | null {
  const trap = `hk_n=0; set -T; trap '[ "$((hk_n += 1))" -lt ${dies} ] || kill -KILL 0' DEBUG\n`;
  return spawnSync("bash", ["--posix", "-eu"], {
    input: `. ${library}\n${dies === undefined ? "" : trap}${script}\n`,
    env: { ...process.env, HOSTKIT_STACK_DIRECTORY: stackDirectory },
    // A process group of its own, which is what is killed.
    ...{ detached: true },
  }).status;
}

/** Moments at which a script can be killed, until one is behind its end. @param tries says whether it was killed */
function untilItEnds(tries: (moment: number) => boolean): void {
  // Every seventh: in a hundred and more there are few that differ.
  for (let moment = 1; tries(moment); moment += 7) expect(moment).toBeLessThan(1000);
}

interface Place {
  readonly file: string;
  readonly stackDirectory: string;
  readonly put: (isFirst: boolean) => string;
  readonly restore: string;
}

function inFolder<T>(work: (place: Place) => T): T {
  const folder = mkdtempSync(path.join(tmpdir(), "hostkit-preimage-"));
  const stackDirectory = path.join(folder, "stack");
  const file = path.join(folder, "file");
  const ours = path.join(folder, "ours");
  try {
    mkdirSync(path.join(stackDirectory, "preimages"), { recursive: true });
    writeFileSync(ours, "ours");
    return work({
      file,
      stackDirectory,
      put: (isFirst) =>
        `${keepScript(file, stackDirectory, isFirst).text}\nhk_put ${ours} ${file} 0644 root root`,
      restore: restoreScript(file, { stackDirectory }).text,
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe.each([
  ["somebody's file", "theirs\n"],
  ["nothing", undefined],
])("where %s stood, it comes back", (_what, before) => {
  const start = ({ file }: Place): void => {
    if (before !== undefined) writeFileSync(file, before);
  };
  const check = ({ file }: Place): void => {
    expect(existsSync(file) ? readFileSync(file, "utf8") : undefined).toBe(before);
  };

  test("whenever the first write is killed", { timeout: 120_000 }, () => {
    untilItEnds((moment) =>
      inFolder((place) => {
        start(place);
        const isKilled = run(place.stackDirectory, place.put(true), moment) === null;
        // Once more, as the next run does: what is ours by then is not taken for theirs.
        expect(run(place.stackDirectory, place.put(true))).toBe(0);
        expect(readFileSync(place.file, "utf8")).toBe("ours");
        expect(run(place.stackDirectory, place.restore)).toBe(0);
        check(place);
        return isKilled;
      }),
    );
  });

  test("whenever the removal is killed, and it is done again", { timeout: 120_000 }, () => {
    untilItEnds((moment) =>
      inFolder((place) => {
        start(place);
        run(place.stackDirectory, place.put(true));
        const isKilled = run(place.stackDirectory, place.restore, moment) === null;
        expect(run(place.stackDirectory, place.restore)).toBe(0);
        check(place);
        expect(run(place.stackDirectory, place.restore)).toBe(0);
        check(place);
        return isKilled;
      }),
    );
  });

  test("where the removal was killed and the file is wanted again", () => {
    inFolder((place) => {
      start(place);
      run(place.stackDirectory, place.put(true));
      run(place.stackDirectory, place.restore);
      // The state file still says that it is hostkit's.
      expect(run(place.stackDirectory, place.put(false))).toBe(0);
      expect(readFileSync(place.file, "utf8")).toBe("ours");
      expect(run(place.stackDirectory, place.restore)).toBe(0);
      check(place);
    });
  });
});

test("a link is kept as a link, also where it leads nowhere", () => {
  inFolder((place) => {
    symlinkSync("/nowhere", place.file);
    expect(run(place.stackDirectory, place.put(true))).toBe(0);
    expect(lstatSync(place.file).isFile()).toBe(true);
    expect(run(place.stackDirectory, place.restore)).toBe(0);
    expect(readlinkSync(place.file)).toBe("/nowhere");
  });
});
