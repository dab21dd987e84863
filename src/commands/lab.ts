import { HostkitError } from "../errors.ts";
import type { LabOs } from "../lab/systems.ts";
import type { LabHost } from "../lab/lab-host.ts";
import { readManifest, requireManifest } from "../local/manifest.ts";
import { table } from "../report/status.ts";
import type { Context } from "../session/context.ts";
import { twinNameOf, upTwin } from "../session/lab-twins.ts";
import type { Verb } from "./line/verb.ts";

/** Boots lab hosts by name, or the twins of a manifest's hosts. */
export const runLabUp: Verb<{ readonly os?: LabOs }> = async (context, { os }, names) => {
  const { upLabHost } = await import("../lab/host.ts");
  const hosts: LabHost[] = [];
  if (names.length > 0) {
    for (const name of names) {
      hosts.push(await upLabHost({ name, ...(os === undefined ? {} : { os }), log: context.note }));
    }
  } else {
    const manifest = await readStack(context);
    for (const host of manifest.hosts) hosts.push(await upTwin(context, manifest, host.name, os));
  }
  show(
    context,
    hosts.map((host) => ({ ...host, state: "running" })),
  );
};

/** Removes lab hosts by name, the twins of a manifest's hosts, or all. */
export const runLabDown: Verb<{ readonly all?: boolean }> = async (context, { all }, names) => {
  const { downAll, downLabHost } = await import("../lab/host.ts");
  if (all === true) return downAll();
  const manifest = names.length > 0 ? undefined : await readStack(context);
  const gone =
    manifest === undefined
      ? names
      : manifest.hosts.map((host) => twinNameOf(manifest.stack, host.name));
  for (const name of gone) {
    await downLabHost(name);
    if (context.options.json !== true)
      context.print(`${context.colors.green("✓")} ${name} is gone`);
  }
};

export const runLabList: Verb = async (context) => {
  const { listLabHosts } = await import("../lab/host.ts");
  const hosts = await listLabHosts();
  if (hosts.length === 0 && context.options.json !== true) {
    context.print("no lab hosts; boot one: hostkit lab up NAME");
    return;
  }
  show(context, hosts);
};

/** OpenSSH's own client, as root, with the key and host key of the lab host. */
export const runLabSsh: Verb = async (_context, _options, [name = "", ...words]) => {
  const { getLabHost } = await import("../lab/host.ts");
  const { sshArguments } = await import("../lab/login.ts");
  const { execa } = await import("execa");
  const host = await getLabHost(name);
  const result = await execa("ssh", [...sshArguments(host), ...words], {
    stdio: "inherit",
    reject: false,
  });
  return result.exitCode ?? 255;
};

async function readStack(context: Context) {
  const file = context.options.file ?? "hostkit.yaml";
  try {
    return requireManifest(await readManifest(file, context.terminal.workingDirectory));
  } catch (error) {
    if (
      !(error instanceof HostkitError) ||
      error.code !== "file_missing" ||
      context.options.file !== undefined
    )
      throw error;
    throw new HostkitError("usage", {
      what: "which lab host?",
      why: "no name was given, and there is no hostkit.yaml here whose hosts could have twins",
      next: `hostkit ${context.verb.replace("-", " ")} NAME`,
    });
  }
}

function show(context: Context, hosts: readonly (LabHost & { readonly state: string })[]): void {
  if (context.options.json === true) {
    context.print(JSON.stringify({ hosts }, undefined, 2));
    return;
  }
  const rows = hosts.map(({ name, os, state, address, address6 }) => [
    name,
    os,
    state,
    address,
    address6,
  ]);
  context.print(table(rows).join("\n"));
}
