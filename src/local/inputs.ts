import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, readFile, stat } from "node:fs/promises";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { buildsOf } from "../manifest/base-images.ts";
import type { Lock } from "../manifest/lock.ts";
import type { Manifest } from "../manifest/manifest.ts";
import { formatProblem, problemAt } from "../manifest/parse.ts";
import type { Pointer, Problem } from "../manifest/parse.ts";
import { listReferencedFiles } from "../manifest/references.ts";
import type { Reference, ReferenceKind } from "../manifest/references.ts";
import { findService } from "../manifest/services.ts";
import { readMigration } from "../resources/postgres/migration-file.ts";
import type { MigrationFile } from "../resources/postgres/migration-file.ts";
import type { Blob } from "../resources/resource.ts";
import { checkBuild } from "./build-check.ts";
import { checkAuthorities, checkCertificate } from "./certificates.ts";
import { readContexts } from "./contexts.ts";
import { requireText } from "./decode-text.ts";
import { readImageArchive } from "./image-archive.ts";
import { readPinned } from "./lock-file.ts";
import type { LoadedManifest } from "./manifest.ts";
import { readMigrations } from "./migrations.ts";
import { explainFileError, resolvePath } from "./paths.ts";
import { findBaseProblems } from "../stack/services/base-problems.ts";
import { contextKeyOf } from "../stack/services/build-origin.ts";
import { findEnvironmentProblems } from "../stack/services/env-text.ts";
import { readTree } from "./tree.ts";

/** The local files of a manifest: the part of StackInputs that comes from disk, and what is wrong with it. */
export interface LocalFiles {
  readonly blobs: ReadonlyMap<string, Blob>;
  /** Texts by the path written in the manifest. */
  readonly texts: ReadonlyMap<string, string>;
  /** By the folder written in the manifest, in the order in which they run. */
  readonly migrations: ReadonlyMap<string, readonly MigrationFile[]>;
  /** Which image each tag of the manifest means. */
  readonly images: Lock;
  /** What a build may see of its context, by `contextKeyOf`. */
  readonly listings: ReadonlyMap<string, readonly string[]>;
  readonly problems: readonly Problem[];
}

/** What a file of this kind is read as; "none": it only has to be there. */
const readAs: Readonly<
  Record<ReferenceKind, "blob" | "archive" | "tree" | "text" | "migrations" | "none">
> = {
  deb: "blob",
  "image-archive": "archive",
  "build-context": "tree",
  dockerfile: "text",
  migrations: "migrations",
  "env-file": "text",
  "secret-file": "none",
  certificate: "text",
  "private-key": "text",
  "ca-root": "text",
  "registry-ca": "text",
  identity: "text",
};

/** What a build command may make. */
const made: ReadonlySet<ReferenceKind> = new Set([
  "deb",
  "image-archive",
  "build-context",
  "dockerfile",
]);

/** Words of the command that makes what a service consists of: its own, else the stack's. */
export function commandFor(manifest: Manifest, name: string): readonly string[] | undefined {
  return findService(manifest, name)?.buildCommand ?? manifest.buildCommand;
}

/** Reads every local file a manifest names. All that is missing or unfit is reported, each with its place in the manifest. */
export async function readLocalFiles(
  loaded: LoadedManifest,
  manifest: Manifest,
  options: { readonly home: string | undefined; readonly now: number },
): Promise<LocalFiles> {
  const blobs = new Map<string, Blob>();
  const texts = new Map<string, string>();
  const migrations = new Map<string, readonly MigrationFile[]>();
  const problems: Problem[] = [];
  const complain = (pointer: Pointer, message: string) =>
    void problems.push(problemAt(loaded.parsed, pointer, message));
  const references = listReferencedFiles(manifest);
  const dockerfiles = references
    .filter(({ kind }) => kind === "dockerfile")
    .map((file) => file.path);

  const read = async ({ path: written, kind, pointer }: Reference): Promise<void> => {
    const file = resolvePath(written, loaded.folder, options.home);
    const wanted = readAs[kind];
    // Secrets are read, and complained about, with the others: readSecrets.
    if (kind === "secret-file") return;
    // Of a build context that is not there, its Dockerfile is no news.
    const hasContext = [...blobs.keys()].some((key) => written.startsWith(key.replace(/\/+$/, "")));
    if (kind === "dockerfile" && !hasContext) return;
    const unfit = await explainUnfit(file, wanted === "tree" || wanted === "migrations");
    if (unfit !== undefined) {
      const isMade = made.has(kind) && commandFor(manifest, String(pointer[1])) !== undefined;
      const hint = isMade ? `; \`hostkit build ${String(pointer[1])}\` makes it` : "";
      return complain(pointer, `${describe[kind]} ${written}: ${unfit}${hint}`);
    }
    if (wanted === "blob") {
      if (kind === "deb" && !(await isArArchive(file)))
        complain(pointer, `${written} is not a Debian package`);
      blobs.set(written, await readBlob(file));
    } else if (wanted === "archive") {
      blobs.set(written, await readImageArchive(file));
    } else if (wanted === "tree") {
      const inside = dockerfiles.map((dockerfile) =>
        path.relative(file, resolvePath(dockerfile, loaded.folder, options.home)),
      );
      blobs.set(written, await readTree(file, inside));
    } else if (wanted === "text") {
      texts.set(written, requireText(await readFile(file)));
    } else if (wanted === "migrations") {
      const found = await readMigrations(file);
      for (const mistake of found.mistakes) complain(pointer, `${written}: ${mistake}`);
      for (const warning of found.warnings)
        problems.push({
          ...problemAt(loaded.parsed, pointer, `${written}: ${warning}`),
          severity: "warning",
        });
      migrations.set(written, found.files);
    }
  };
  for (const reference of references) {
    await read(reference).catch((error: unknown) =>
      complain(
        reference.pointer,
        `${describe[reference.kind]} ${reference.path}: ${explainFileError(error)}`,
      ),
    );
  }
  problems.push(...locateEnvironmentProblems(loaded, manifest, texts));
  const contexts = await readContexts(manifest, blobs, texts);
  for (const built of buildsOf(manifest)) {
    const found = await checkBuild(built, {
      ...{ blobs, texts, entries: contexts.listings.get(contextKeyOf(built)) },
      command: commandFor(manifest, built.name),
    });
    for (const { at, severity = "error", message } of found)
      problems.push({
        ...problemAt(loaded.parsed, [built.section, built.name, ...at], message),
        severity,
      });
  }
  for (const { section, name, message, severity } of findBaseProblems(manifest, texts))
    problems.push({ ...problemAt(loaded.parsed, [section, name], message), severity });
  for (const [key, blob] of contexts.taken) blobs.set(key, blob);
  problems.push(...findCertificateProblems(loaded, manifest, texts, options.now));
  for (const { written, ca } of manifest.registries ?? []) {
    const wrong = ca === undefined ? undefined : checkAuthorities(texts.get(ca), options.now);
    if (wrong !== undefined) complain(["registries", written, "ca"], wrong);
  }
  const pinned = await readPinned(loaded, manifest);
  problems.push(...pinned.problems);
  const { listings } = contexts;
  return { blobs, texts, migrations, images: pinned.lock, listings, problems };
}

/** Certificates of sites that do not fit their site, their key or the day. */
function findCertificateProblems(
  loaded: LoadedManifest,
  manifest: Manifest,
  texts: ReadonlyMap<string, string>,
  now: number,
): Problem[] {
  return (manifest.proxy?.sites ?? []).flatMap((site) => {
    if (site.tls.kind !== "files") return [];
    const certificate = texts.get(site.tls.certificate);
    const key = texts.get(site.tls.key);
    if (certificate === undefined || key === undefined) return [];
    const wrong = checkCertificate(site, certificate, key, now);
    const pointer = ["proxy", "sites", site.name, "tls"];
    return wrong === undefined ? [] : [problemAt(loaded.parsed, pointer, wrong)];
  });
}

/**
 * What is wrong inside the migrations. A plan looks only at those that are to be run: an applied one cannot be edited any more.
 */
export function checkMigrations(
  loaded: LoadedManifest,
  manifest: Manifest,
  { migrations }: Pick<LocalFiles, "migrations">,
): Problem[] {
  return (manifest.database?.databases ?? []).flatMap(({ name, migrations: folder }) =>
    (folder === undefined ? [] : (migrations.get(folder) ?? [])).flatMap((file) =>
      readMigration(file).problems.map(({ severity, line, message }) => ({
        ...problemAt(
          loaded.parsed,
          ["database", "databases", name, "migrations"],
          `${folder?.replace(/\/+$/, "")}/${file.name}:${line}: ${message}`,
        ),
        severity,
      })),
    ),
  );
}

/** Where an env file is meant, the place is its line. A file that several services share is told once. */
function locateEnvironmentProblems(
  loaded: LoadedManifest,
  manifest: Manifest,
  texts: ReadonlyMap<string, string>,
): Problem[] {
  const problems = findEnvironmentProblems(manifest, texts).map(({ pointer, message, ...rest }) => {
    const problem = problemAt(loaded.parsed, pointer, message);
    return rest.file === undefined
      ? problem
      : { ...problem, file: rest.file, line: rest.line ?? 1, column: 1, path: "" };
  });
  return [...new Map(problems.map((one) => [formatProblem(one), one])).values()];
}

const describe: Readonly<Record<ReferenceKind, string>> = {
  deb: "the package",
  "image-archive": "the image archive",
  "build-context": "the build context",
  dockerfile: "the Dockerfile",
  migrations: "the folder of migrations",
  "env-file": "the env file",
  "secret-file": "the secret's file",
  certificate: "the certificate",
  "private-key": "the private key",
  "ca-root": "the CA certificate",
  "registry-ca": "the CA certificate",
  identity: "the SSH key",
};

async function explainUnfit(file: string, wantsFolder: boolean): Promise<string | undefined> {
  try {
    const facts = await stat(file);
    if (wantsFolder) return facts.isDirectory() ? undefined : "it is not a folder";
    return facts.isFile()
      ? undefined
      : facts.isDirectory()
        ? "it is a folder, not a file"
        : "it is not a file";
  } catch (error) {
    return explainFileError(error);
  }
}

async function readBlob(file: string): Promise<Blob> {
  const hash = createHash("sha256");
  let size = 0;
  await pipeline(createReadStream(file), async (chunks) => {
    for await (const chunk of chunks as AsyncIterable<Buffer>) {
      hash.update(chunk);
      size += chunk.length;
    }
  });
  return { path: file, sha256: hash.digest("hex"), size, type: "file" };
}

/** deb(5): a Debian package is an ar archive. */
async function isArArchive(file: string): Promise<boolean> {
  const handle = await open(file);
  try {
    const { buffer } = await handle.read(Buffer.alloc(8), 0, 8, 0);
    return buffer.toString("latin1") === "!<arch>\n";
  } finally {
    await handle.close();
  }
}
