import { readFile } from "node:fs/promises";
import { problemAt } from "../../manifest/parse.ts";
import type { Problem } from "../../manifest/parse.ts";
import type { Registry } from "../../manifest/registry.ts";
import { checkAuthorities } from "../certificates.ts";
import { requireText } from "../decode-text.ts";
import type { LoadedManifest } from "../manifest.ts";
import { explainFileError, resolvePath } from "../paths.ts";

/**
 * The certificates of registries' own authorities, by the path in the manifest.
 * @param now milliseconds since the epoch
 */
export async function readAuthorities(
  { parsed, folder }: LoadedManifest,
  registries: readonly Registry[],
  { home, now }: { readonly home: string | undefined; readonly now: number },
): Promise<{ readonly texts: ReadonlyMap<string, string>; readonly problems: readonly Problem[] }> {
  const texts = new Map<string, string>();
  const problems: Problem[] = [];
  for (const { written, ca } of registries) {
    if (ca === undefined) continue;
    const complain = (message: string) =>
      void problems.push(problemAt(parsed, ["registries", written, "ca"], message));
    try {
      const text = requireText(await readFile(resolvePath(ca, folder, home)));
      const wrong = checkAuthorities(text, now);
      if (wrong === undefined) texts.set(ca, text);
      else complain(wrong);
    } catch (error) {
      complain(`the CA certificate ${ca}: ${explainFileError(error)}`);
    }
  }
  return { texts, problems };
}
