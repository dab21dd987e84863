import { constants } from "node:fs";
import { copyFile, lstat, mkdir, readFile, readdir, readlink, symlink } from "node:fs/promises";
import path from "node:path";
import { HostkitError } from "../errors.ts";
import { packageRoot } from "./paths.ts";

const stacksFolder = path.join(packageRoot, "templates/stacks");
/** What a developer's checkout holds beside a stack's own files. */
const leftBehind = new Set(["node_modules", ".DS_Store"]);

/** Names that `copyStack` takes, sorted. */
export async function listStacks(): Promise<string[]> {
  const items = await readdir(stacksFolder, { withFileTypes: true });
  return items
    .filter((item) => item.isDirectory())
    .map((item) => item.name)
    .sort();
}

/**
 * Copies a stack's files into a folder, which is made where it is missing.
 * @returns the files made, below the directory as it was given
 * @throws HostkitError usage when one of them is there already; nothing is copied then
 */
export async function copyStack(
  stack: string,
  directory: string,
  workingDirectory: string,
): Promise<string[]> {
  const from = path.join(stacksFolder, stack);
  const to = path.resolve(workingDirectory, directory);
  const files = await listFiles(from);
  const taken: string[] = [];
  for (const file of files) {
    const isThere = await lstat(path.join(to, targetName(file))).then(
      () => true,
      () => false,
    );
    if (isThere) taken.push(targetName(file));
  }
  if (taken.length > 0) {
    throw new HostkitError("usage", {
      what: `${taken.length === 1 ? taken[0] : `${taken.length} files`} would be overwritten`,
      where: to,
      why: "init never overwrites",
      ...(taken.length > 1 ? { details: taken.slice(0, 10) } : {}),
      next: "give another folder: hostkit init … DIRECTORY",
    });
  }
  for (const file of files) {
    const target = path.join(to, targetName(file));
    await mkdir(path.dirname(target), { recursive: true });
    const source = path.join(from, file);
    if ((await lstat(source)).isSymbolicLink()) await symlink(await readlink(source), target);
    else await copyFile(source, target, constants.COPYFILE_EXCL);
  }
  return files.map((file) => path.join(directory, targetName(file)));
}

/** npm leaves files named .gitignore out of packages: stacks carry theirs as `gitignore`. */
function targetName(file: string): string {
  return file.replace(/(^|\/)gitignore$/, "$1.gitignore");
}

async function listFiles(root: string): Promise<string[]> {
  const ignored = await ignoredNames(root);
  const found: string[] = [];
  const walk = async (relative: string): Promise<void> => {
    for (const item of await readdir(path.join(root, relative), { withFileTypes: true })) {
      if (leftBehind.has(item.name) || ignored.has(item.name)) continue;
      const name = path.join(relative, item.name);
      if (item.isDirectory()) await walk(name);
      else found.push(name);
    }
  };
  await walk("");
  return found.sort();
}

/** Build products named in the stack's own gitignore are made anew by whoever copies it. */
async function ignoredNames(root: string): Promise<ReadonlySet<string>> {
  const text = await readFile(path.join(root, "gitignore"), "utf8").catch(() => "");
  const lines = text.split("\n").map((line) => line.trim().replace(/^\/|\/$/g, ""));
  return new Set(lines.filter((line) => /^[\w.-]+$/.test(line)));
}
