import { execFileSync } from "node:child_process";
import { beforeAll, describe, expect, test } from "vitest";
import { Facts } from "../../../../src/facts/fact.ts";
import { parseUpstream } from "../../../../src/facts/containers/releases.ts";
import { trafficPathsOf } from "../../../../src/facts/containers/traffic.ts";
import { renderRouting, splitUpstream } from "../../../../src/resources/containers/traffic.ts";
import { textFacts } from "../../../../src/facts/files/file.ts";
import { readTemplates } from "../../../../src/local/templates.ts";
import { releaseKind } from "../../../../src/resources/containers/release.ts";
import type { ReleaseResource } from "../../../../src/resources/containers/slots.ts";
import type { Change } from "../../../../src/resources/resource.ts";
import { resolveRelease } from "../../../harness/release-resource.ts";

let templates: ReadonlyMap<string, string>;
beforeAll(async () => {
  templates = await readTemplates();
});

const releaseOf = (more: string, section: "web" | "services" = "web"): ReleaseResource =>
  resolveRelease(templates, more, section);

const hooks =
  ", pre_deploy: alembic upgrade head, post_deploy: { command: [sh, -c, \"echo '$HOME'\"], timeout: 2m }";

function changeOf(release: ReleaseResource, upstream?: string, isUnfinished = false): Change {
  const { routing, upstreams, marks } = trafficPathsOf(release.upstreamPath);
  const { a, b } = release.slots;
  const laid = {
    [routing]: renderRouting({ upstreamPath: routing }),
    [upstreams.a]: splitUpstream(a).addresses,
    [upstreams.b]: splitUpstream(b).addresses,
    [marks[parseUpstream(upstream)?.slot ?? "a"]]: upstream ?? "",
  };
  const facts = Facts.of([textFacts, upstream === undefined ? {} : laid]);
  const change = releaseKind.diff(release, facts, {
    ...{ stackDirectory: release.stackDirectory, changed: new Set(), isOwned: true, isUnfinished },
  });
  if (change === undefined) throw new Error("nothing is to be done");
  return change;
}

const titles = ({ steps }: Change): string[] =>
  steps.flatMap((step) => (step.type === "script" ? [step.title.replace(/:.*/, "")] : []));

describe("hooks", () => {
  test("run as the release does, under another name, and nobody reaches them", () => {
    const { slots } = releaseOf(hooks);
    const [pre, post] = slots.b.hooks ?? [];
    expect([pre?.name, post?.name]).toEqual(["pre_deploy", "post_deploy"]);
    for (const hook of [pre, post]) {
      const { text = "" } = hook?.run ?? {};
      execFileSync("sh", ["-n"], { input: text });
      for (const option of [
        "--name s-api-hook",
        "--read-only",
        "--cap-drop ALL",
        "--env-file /etc/hostkit/s/containers/s-api-b.env",
        "src=/etc/hostkit/s/secrets/api-b/TOKEN",
        "--network hostkit-s",
      ])
        expect(text.replaceAll("hostkit_s", "hostkit-s")).toContain(option);
      expect(text).not.toMatch(/--publish|--network-alias|--rm\b|sesame/);
    }
    expect(pre?.run.text).toMatch(/ hostkit\/s-api:[0-9a-f]{16} alembic upgrade head$/m);
    expect(post).toMatchObject({ seconds: 120, shown: `sh -c 'echo '\\''$HOME'\\'''` });
  });

  test("a changed command makes a new release, a changed time does not", () => {
    const { release } = releaseOf(", pre_deploy: one");
    expect(releaseOf("").release).not.toBe(release);
    expect(releaseOf(", post_deploy: one").release).not.toBe(release);
    expect(releaseOf(", pre_deploy: two").release).not.toBe(release);
    expect(releaseOf(", pre_deploy: { command: one, timeout: 1h }").release).toBe(release);
  });

  test("before it starts and after the old one is gone; a plan says which", () => {
    const change = changeOf(releaseOf(hooks), "# hostkit: slot a, release 12ab, image x:1\n");
    const order = titles(change);
    expect(order.indexOf("run pre_deploy once in the new image")).toBe(
      order.findIndex((title) => title.startsWith("start ")) - 1,
    );
    expect(order.at(-1)).toBe("run post_deploy once in the new image");
    expect(order.at(-2)).toBe("drain and stop slot a");
    expect(change.notes).toEqual([
      expect.stringMatching(/^pre_deploy, .*: alembic upgrade head$/),
      expect.stringMatching(/^post_deploy, /),
      expect.stringMatching(/^watched for 15 s /),
    ]);
    expect(changeOf(releaseOf("")).notes).toBeUndefined();
  });

  test("what owns its data is stopped before a hook works on it", () => {
    expect(releaseOf(`${hooks}, stateful: true`).stopsForHook).toBe(true);
    expect(releaseOf(`${hooks}, volumes: ["d:/d"]`, "services").stopsForHook).toBe(true);
    expect(releaseOf(`${hooks}, volumes: ["d:/d:ro"]`, "services").stopsForHook).toBeUndefined();
    expect(releaseOf(`${hooks}, ports: [80]`).stopsForHook).toBeUndefined();
  });

  test("one that a run did not come to is run by the next, where the release stands", () => {
    const { slots, ...rest } = releaseOf(hooks);
    const [a, b] = [
      { ...slots.a, files: [] },
      { ...slots.b, files: [] },
    ];
    const release = { ...rest, slots: { a, b } };
    const cutOff = titles(changeOf(release, release.slots.a.upstream, true));
    expect(cutOff.at(-1)).toBe("run post_deploy once in the new image");
    expect(cutOff.join()).not.toContain("pre_deploy");
    expect(titles(changeOf(release, release.slots.a.upstream, false)).join()).not.toContain("run ");
  });
});
