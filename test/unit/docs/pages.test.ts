import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { formatProblems, parseManifest } from "../../../src/manifest/parse.ts";

const root = path.resolve(import.meta.dirname, "../../..");

const pages = [
  ...["README.md", "CONTRIBUTING.md", "CHANGELOG.md"],
  ...readdirSync(path.join(root, "docs"), { recursive: true, encoding: "utf8" })
    .map((file) => path.join("docs", file))
    .filter((file) => file.endsWith(".md"))
    .sort(),
];

const read = (file: string): string => readFileSync(path.join(root, file), "utf8");
const withoutCode = (text: string): string =>
  text.replace(/^```[\s\S]*?^```/gm, "").replace(/`[^`\n]*`/g, "");

/** The anchors that GitHub makes of a page's headings. */
function anchorsOf(file: string): Set<string> {
  const headings = [...read(file).matchAll(/^#+ (.+)$/gm)].map(([, title = ""]) => title);
  return new Set(
    headings.map((title) =>
      title
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, "")
        .replaceAll(" ", "-"),
    ),
  );
}

test.each(pages)("%s leads to pages and headings that are there", (page) => {
  const broken: string[] = [];
  for (const [, target = ""] of withoutCode(read(page)).matchAll(/\]\(([^)\s]+)\)/g)) {
    if (/^[a-z]+:/.test(target)) continue;
    const [file = "", anchor] = target.split("#");
    const found = file === "" ? page : path.join(path.dirname(page), file);
    if (!existsSync(path.join(root, found))) broken.push(target);
    else if (anchor !== undefined && !anchorsOf(found).has(anchor)) broken.push(target);
  }
  expect(broken).toEqual([]);
});

/** The changelog tells of its time; all else of today. */
const rooms = readdirSync(path.join(root, "src"));
test.each(pages.filter((page) => page !== "CHANGELOG.md"))(
  "%s names files that are there",
  (page) => {
    const missing = [...read(page).matchAll(/`([\w.-]+(?:\/[\w.-]+)+\.(?:ts|mjs|sh))`/g)]
      .map(([, name = ""]) => name)
      .map((name) => (rooms.includes(name.split("/")[0] ?? "") ? path.join("src", name) : name))
      .filter((name) => /^(?:src|test|scripts|templates|packaging)\//.test(name))
      .filter((name) => !existsSync(path.join(root, name)));
    expect(missing).toEqual([]);
  },
);

test("every page can be reached from the README", () => {
  const reached = new Set<string>();
  const visit = (page: string): void => {
    if (reached.has(page) || !pages.includes(page)) return;
    reached.add(page);
    for (const [, target = ""] of read(page).matchAll(/\]\(([^)\s#]+)[^)\s]*\)/g)) {
      visit(path.join(path.dirname(page), target));
    }
  };
  visit("README.md");
  expect(pages.filter((page) => !reached.has(page))).toEqual([]);
});

test("the manifest in the README is one that hostkit takes", () => {
  const [, manifest = ""] = /```yaml\n([\s\S]*?)```/.exec(read("README.md")) ?? [];
  expect(formatProblems(parseManifest(manifest, "README.md").problems)).toBe("");
});
