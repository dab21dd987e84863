import type { Connection } from "../../host/connection.ts";
import type { Manifest } from "../../manifest/manifest.ts";
import { plainText } from "../../report/plain.ts";
import { sh } from "../../shell/script.ts";
import { fitsUnit, unitPatternsOf } from "../stack-units.ts";

/** Takes a service's name and one line it wrote. */
export type TakeLine = (service: string, line: string) => void;

/** Follows what services write, from now on; ends with the connection or the signal. */
export async function followLogs(
  connection: Connection,
  manifest: Manifest,
  names: readonly string[],
  take: TakeLine,
  signal: AbortSignal,
): Promise<void> {
  const patterns = names.flatMap((name) =>
    unitPatternsOf(manifest, name).map((pattern) => ({ name, pattern })),
  );
  const units = patterns.flatMap(({ pattern }) => ["-u", pattern]);
  const decoder = new TextDecoder();
  let rest = "";
  await connection.exec(
    sh`exec journalctl -q -f -n 0 -o json --output-fields=_SYSTEMD_UNIT,MESSAGE ${units}`.text,
    {
      signal,
      onStdout(chunk) {
        const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) {
          const entry = parseEntry(line);
          if (entry === undefined) continue;
          // What systemd itself says of a unit is not the service's.
          const found = patterns.find(({ pattern }) => fitsUnit(pattern, entry.unit));
          if (found !== undefined) take(found.name, entry.text);
        }
      },
    },
  );
}

function parseEntry(line: string): { unit: string; text: string } | undefined {
  try {
    const { _SYSTEMD_UNIT: unit = "", MESSAGE: message } = JSON.parse(line) as {
      _SYSTEMD_UNIT?: string;
      /** A list of bytes where it is not UTF-8. */
      MESSAGE?: string | number[] | null;
    };
    const text =
      typeof message === "string"
        ? message
        : new TextDecoder().decode(Uint8Array.from(message ?? []));
    return { unit, text: plainText(text) };
  } catch {
    return undefined;
  }
}
