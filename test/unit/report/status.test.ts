import { expect, test } from "vitest";
import type { TargetMember } from "../../../src/facts/units/target.ts";
import { makeColors } from "../../../src/report/colors.ts";
import { describeStatus, findSick, renderStatus } from "../../../src/report/status.ts";
import type { HostStatus } from "../../../src/report/status.ts";

const plain = makeColors({ isTTY: false }, {});
const now = 1_763_683_200;

function member(unit: string, parts: Partial<TargetMember> = {}): TargetMember {
  return {
    ...{
      unit,
      description: "",
      type: "simple",
      activeState: "active",
      subState: "running",
      result: "success",
    },
    ...{ restarts: 0, activeSince: now - 7800, nextElapse: 0, memory: 0 },
    ...parts,
  };
}

const base: HostStatus = {
  host: "dx1",
  connection: "root@dx1.example.org:22",
  system: "Debian 13",
  isProvisioned: true,
  sites: [],
  members: [],
  releases: [],
  backups: [],
  proofs: [],
  loneKeys: [],
  growing: [],
};
const site = { headers: {}, maxBodyBytes: 0, tls: { kind: "acme" as const } };
const backup = {
  inputs: "",
  message: "",
  started: now - 7260,
  finished: now - 7200,
  result: "success",
};

const release = {
  ...{
    service: "api",
    release: "12ab",
    slot: "a" as const,
    image: `redis@sha256:${"0".repeat(64)}`,
  },
  ...{ because: "", binds: [], begun: 0 },
};

const full: HostStatus = {
  ...base,
  sites: [
    {
      site: {
        ...site,
        name: "dx.example.org",
        routes: [
          { path: "/api/*", to: "api" },
          { path: "/*", to: "dashboard" },
        ],
      },
      certificate: { notAfter: now + 71 * 86_400, issuer: "CN=x" },
    },
    { site: { ...site, name: "2001:db8::1", routes: [], redirect: "https://dx.example.org" } },
  ],
  members: [
    member("dx.target", { type: "" }),
    member("dx-api-a.service", { memory: 21 * 1024 * 1024 }),
    member("dx-late.timer", {
      activeState: "active",
      subState: "waiting",
      nextElapse: now + 7800,
      description: "Late",
    }),
    member("dx-soon.timer", {
      activeState: "active",
      subState: "waiting",
      nextElapse: now + 60,
      description: "Soon",
    }),
    member("dx-worker.service", {
      activeState: "failed",
      subState: "failed",
      result: "exit-code",
      restarts: 5,
      activeSince: 0,
    }),
  ],
  releases: [
    { ...release, id: "1", state: "serving", since: now - 7200, by: "ann@laptop" },
    { ...release, id: "2", state: "failed", since: now - 60 },
  ],
  backups: [
    { ...backup, job: "postgres-full", bytes: 2 * 1024 * 1024 },
    { ...backup, job: "files", result: "exit-code", message: "ERROR: no space left\n  HINT: look" },
  ],
  lockedBy: "ann@laptop since 2025-11-21",
  lastRun: "2025-11-21 00:00 UTC ok",
};

test("a host with everything", () => {
  expect(renderStatus(full, now, plain)).toBe(`\
dx1  root@dx1.example.org:22, Debian 13
  ↗  https://dx.example.org/  api, dashboard             certificate until 2026-01-31 00:00 UTC
  ↗  https://[2001:db8::1]/   to https://dx.example.org  no certificate yet
  ●  dx-api-a.service   active             for 2 h 10 min  21 MiB
  ✗  dx-worker.service  failed: exit-code                          5 restarts
  ◆  api  redis@sha256:000000000000…  since 2025-11-20 22:00 UTC, by ann@laptop
  !  api  a later release failed      2025-11-20 23:59 UTC
  ⏲  dx-soon.timer  next 2025-11-21 00:01 UTC, in 1 min       Soon
  ⏲  dx-late.timer  next 2025-11-21 02:10 UTC, in 2 h 10 min  Late
  ✓  backup postgres-full  made 2 h ago    in 1 min, 2.0 MiB new
  ✗  backup files          failed 2 h ago  ERROR: no space left
  a run is going on: ann@laptop since 2025-11-21
  last run: 2025-11-21 00:00 UTC ok`);
  expect(findSick(full)).toEqual(["dx-worker.service", "backup files"]);
  expect(describeStatus(full)).toMatchObject({ host: "dx1", provisioned: true, healthy: false });
});

test("a host that was never provisioned", () => {
  const status = { ...base, isProvisioned: false };
  expect(renderStatus(status, now, plain)).toBe(`\
dx1  root@dx1.example.org:22, Debian 13
  not provisioned yet: hostkit provision`);
  expect(describeStatus(status)).toMatchObject({ provisioned: false, healthy: false });
});

test.each([
  ["runs", {}, false],
  ["reloads", { activeState: "reloading" }, false],
  ["starts", { activeState: "activating" }, true],
  ["stopped", { activeState: "inactive" }, true],
  ["failed", { activeState: "failed" }, true],
  ["a one-shot that went well", { type: "oneshot", activeState: "inactive" }, false],
  ["a one-shot that failed", { type: "oneshot", activeState: "failed", result: "exit-code" }, true],
] as const)("a unit that %s", (_name, parts, isSick) => {
  expect(findSick({ ...base, members: [member("x.service", parts)] }).length > 0).toBe(isSick);
});

test("an expired certificate says so", () => {
  const first = full.sites[0];
  if (first === undefined) throw new Error("no site");
  const expired = { ...first, certificate: { notAfter: now - 60, issuer: "" } };
  expect(renderStatus({ ...base, sites: [expired] }, now, plain)).toContain("(expired)");
});
