import { HostkitError } from "../errors.ts";
import { listBuildCommands, readProducts, runBuildCommand } from "../local/build.ts";
import type { BuildCommand, Product } from "../local/build.ts";
import type { LoadedManifest } from "../local/manifest.ts";
import { readManifest, requireManifest } from "../local/manifest.ts";
import type { Manifest } from "../manifest/manifest.ts";
import { assertServices, servicesOf } from "../manifest/services.ts";
import { formatBytes } from "../report/bytes.ts";
import { formatSeconds } from "../report/duration.ts";
import { table } from "../report/status.ts";
import type { Context } from "../session/context.ts";
import type { Verb } from "./line/verb.ts";

/** Starts what the manifest says makes its packages, archives and build contexts; then looks whether they are there. */
export const runBuild: Verb = async (context, _options, names) => {
  const { terminal, options } = context;
  const loaded = await readManifest(options.file ?? "hostkit.yaml", terminal.workingDirectory);
  const manifest = requireManifest(loaded);
  assertServices(manifest, names);
  await buildProducts(context, loaded, manifest, names);
};

/**
 * The same for some services (all, where none is named), and says what came out of it.
 * @throws HostkitError where there is no command, it fails, or makes nothing
 */
export async function buildProducts(
  context: Context,
  loaded: LoadedManifest,
  manifest: Manifest,
  names: readonly string[],
): Promise<void> {
  const { terminal, options } = context;
  const commands = listBuildCommands(manifest, names.length === 0 ? undefined : names);
  if (commands.length === 0) throw explainNothing(manifest, names);
  const home = terminal.environment["HOME"];
  const isWanted = ({ service }: Product) => names.length === 0 || names.includes(service);
  const before = new Map(
    (await readProducts(loaded, manifest, home)).map(({ path, blob }) => [path, blob?.sha256]),
  );
  const startedAt = performance.now();
  for (const command of commands) await runShown(context, command, loaded.folder);
  const seconds = (performance.now() - startedAt) / 1000;
  const products = (await readProducts(loaded, manifest, home)).filter(isWanted);
  refuseMissing(products, commands);
  const shown = products.map(({ service, kind, path, blob }) => ({
    service,
    kind,
    path,
    bytes: blob?.size ?? 0,
    sha256: blob?.sha256 ?? "",
    changed: blob?.sha256 !== before.get(path),
  }));
  if (options.json === true) {
    context.print(JSON.stringify({ seconds: Number(seconds.toFixed(3)), products: shown }));
    return;
  }
  const { colors } = context;
  const rows = shown.map(({ service, path, bytes, changed }) => [
    service,
    path,
    formatBytes(bytes),
    changed ? colors.green("changed") : colors.dim("as before"),
  ]);
  context.print(`${colors.green("✓")} built in ${formatSeconds(seconds)}`);
  context.print(table(rows).join("\n"));
}

/** On a terminal the command has it for itself; else its words go to stderr, so that stdout stays the answer. */
async function runShown(context: Context, command: BuildCommand, folder: string): Promise<void> {
  if (context.options.json === true) return runBuildCommand(command, folder, "keep");
  const { stdout, stderr } = context.terminal;
  context.note(context.errorColors.dim(`$ ${command.words.join(" ")}`));
  const hasTerminal = stdout.isTTY === true && stderr.isTTY === true;
  await runBuildCommand(command, folder, hasTerminal ? "inherit" : (chunk) => stderr.write(chunk));
}

function explainNothing(manifest: Manifest, names: readonly string[]): HostkitError {
  const services = servicesOf(manifest).filter(
    ({ name }) => names.length === 0 || names.includes(name),
  );
  const local = services.filter(({ source }) =>
    ["package", "image-archive", "build"].includes(source.kind),
  );
  if (local.length === 0) {
    return new HostkitError("usage", {
      what: "there is nothing to build here",
      why: "what runs comes from registries, apt or downloads, or is on the host already",
      next: "hostkit provision",
    });
  }
  return new HostkitError("usage", {
    what: "the manifest does not say what builds here",
    where: local.map(({ name }) => name).join(", "),
    why: "it has no build_command; images are built on the host by `hostkit provision`",
    next: "where packages or bundles are made first, name the command: build_command: ./build-packages",
  });
}

/** A command that ended well and made something else than the manifest names. */
function refuseMissing(products: readonly Product[], commands: readonly BuildCommand[]): void {
  const missing = products.filter(({ blob }) => blob === undefined);
  if (missing.length === 0) return;
  throw new HostkitError("local_command_failed", {
    what: `${missing.map(({ path }) => path).join(", ")} is still not there`,
    where: commands.map(({ from }) => from).join(", "),
    why: "the command ended well, but did not make it",
    next: "let the command make what the manifest names, or name what it makes",
  });
}
