import { expect, test } from "vitest";
import { readFoundEntry, readSnapshotEntry } from "../../../../src/facts/backups/file-entries.ts";
import { restorePlaceFacts } from "../../../../src/facts/backups/restore-places.ts";
import { clockFacts } from "../../../../src/facts/system/clock.ts";
import { snapshotFacts } from "../../../../src/facts/backups/snapshots.ts";
import { compareTrees } from "../../../../src/plan/restore/file-difference.ts";
import type { FileTree } from "../../../../src/plan/restore/file-difference.ts";
import { chooseSnapshot, isWithin } from "../../../../src/plan/restore/files.ts";
import { patternOf } from "../../../../src/resources/backups/restore-places.ts";

/** As `find -printf` and `restic ls --json` say the same: set-user-id file, folder with the sticky bit, link, pipe. */
const same: readonly (readonly [string, string])[] = [
  [
    "f 4755 0 101 12 1764279857.1234567890 /srv/a",
    '{"name":"a","type":"file","path":"/srv/a","uid":0,"gid":101,"size":12,"mode":8389101,"mtime":"2025-11-27T22:44:17.123456789+01:00","struct_type":"node"}',
  ],
  [
    "d 1777 0 0 4096 1764279857.0000000000 /srv/tmp",
    '{"name":"tmp","type":"dir","path":"/srv/tmp","uid":0,"gid":0,"mode":2148532735,"mtime":"2025-11-27T21:44:17Z","struct_type":"node"}',
  ],
  [
    "l 777 5 6 3 1764279857.5000000000 /srv/l",
    '{"name":"l","type":"symlink","path":"/srv/l","uid":5,"gid":6,"mode":134218239,"mtime":"2025-11-27T21:44:17.5Z","struct_type":"node"}',
  ],
  [
    "p 600 0 0 0 1764279857.0000000000 /srv/new\nline",
    '{"name":"p","type":"fifo","path":"/srv/new\\nline","uid":0,"gid":0,"mode":33554816,"mtime":"2025-11-27T21:44:17Z","struct_type":"node"}',
  ],
];

test.each(same)("%s", (found, listed) => {
  expect(readFoundEntry(found)).toBeDefined();
  expect(readFoundEntry(found)).toEqual(readSnapshotEntry(listed));
});

test("sockets, the line of the snapshot and half a line are no entries", () => {
  expect(readFoundEntry("s 755 0 0 0 1.0 /run/s")).toBeUndefined();
  expect(readSnapshotEntry('{"time":"2025","struct_type":"snapshot"}')).toBeUndefined();
  expect(readSnapshotEntry('{"path":"/a","type":"socket","struct_type":"node"}')).toBeUndefined();
  expect(readSnapshotEntry('{"path":"/a')).toBeUndefined();
});

function tree(...lines: readonly string[]): FileTree {
  const entries = new Map(
    lines.flatMap((line) => [readFoundEntry(line)].filter((one) => one !== undefined)),
  );
  return { entries, count: entries.size, bytes: 0 };
}

test("what a restore adds, changes and removes", () => {
  const host = tree(
    "d 755 0 0 4096 1.0 /",
    "f 644 0 0 3 1.0 /same",
    "f 644 0 0 3 1.0 /content",
    "f 644 0 0 3 1.0 /mode",
    "f 644 0 0 3 1.0 /kind",
    "f 644 0 0 3 1.0 /gone",
  );
  const snapshot = tree(
    "d 755 0 0 123 2.0 /",
    "f 644 0 0 3 1.0 /same",
    "f 644 0 0 3 2.0 /content",
    "f 2640 7 0 3 1.0 /mode",
    "d 644 0 0 3 1.0 /kind",
    "f 644 0 0 3 1.0 /new",
  );
  expect(compareTrees(host, snapshot, "/srv")).toEqual({
    added: ["/srv/new"],
    changed: [
      { path: "/srv/content", what: "content" },
      { path: "/srv/mode", what: "mode 0644 → 2640, owner 0:0 → 7:0" },
      { path: "/srv/kind", what: "file → dir" },
    ],
    removed: ["/srv/gone"],
  });
  expect(compareTrees({ count: 9, bytes: 9 }, snapshot, "")).toBeUndefined();
});

test("the newest snapshot of a time that has all paths", () => {
  const snapshots = [
    { id: "c", time: 300, paths: ["/etc/app"] },
    { id: "b", time: 200, paths: ["/etc/app", "/srv"] },
    { id: "a", time: 100, paths: ["/"] },
  ];
  const choose = (paths: readonly string[], until?: number) =>
    chooseSnapshot(snapshots, paths, until)?.id;
  expect(choose(["/etc/app/x"])).toBe("c");
  expect(choose(["/etc/app", "/srv/a"])).toBe("b");
  expect(choose(["/etc/app"], 299)).toBe("b");
  expect(choose(["/srvx"])).toBe("a");
  expect(choose(["/srv"], 50)).toBeUndefined();
});

test("a path is below its folders, and no other", () => {
  expect(isWithin("/a/b", "/a")).toBe(true);
  expect(isWithin("/a", "/a")).toBe(true);
  expect(isWithin("/ab", "/a")).toBe(false);
  expect(isWithin("/a", "/")).toBe(true);
  expect(patternOf("/a/[b]*?\\")).toBe("/a/\\[b\\]\\*\\?\\\\");
});

test("a repository that is away is no repository without snapshots", () => {
  const list = '[{"time":"2025-11-27T21:44:17Z","paths":["/srv"],"id":"ab"}]';
  const facts = snapshotFacts.parse(
    `s local there ${list}\ns empty there []\ns none there null\ns far away Fatal: no route\ns odd there {\n`,
    [],
    new Map(),
  );
  expect(Object.fromEntries(facts)).toEqual({
    "s local": {
      isThere: true,
      snapshots: [{ id: "ab", time: Date.parse("2025-11-27T21:44:17Z"), paths: ["/srv"] }],
    },
    "s empty": { isThere: true, snapshots: [] },
    "s none": { isThere: true, snapshots: [] },
    "s far": { isThere: false, said: "Fatal: no route" },
    "s odd": { isThere: false, said: "{" },
  });
});

test("a host's clock and zone", () => {
  const read = (text: string) => clockFacts.parse(text, [], new Map()).get("now");
  expect(read("1764279857 Europe/Berlin\n")).toEqual({ now: 1764279857, zone: "Europe/Berlin" });
  expect(read("1764279857 \n")).toEqual({ now: 1764279857, zone: "" });
  expect(read("\n")).toBeUndefined();
});

test("what is mounted in a place", () => {
  const facts = restorePlaceFacts.parse(
    "of /srv/a\nthere\nmount /srv/a/b c\nof /srv/none\n",
    [],
    new Map(),
  );
  expect(facts.get("/srv/a")).toEqual({ exists: true, mounts: ["/srv/a/b c"] });
  expect(facts.get("/srv/none")).toEqual({ exists: false, mounts: [] });
});
