// Header values of the Caddyfile, in a file that the main one imports, as sites are: Caddy itself serves them, curl reads them.
import fc from "fast-check";
import { chunks, compare, sample, text, write, writer } from "./values.mjs";

export const packages = ["caddy", "curl"];
export const needsHost = true;
export const most = 100_000;

const pieces = fc
  .array(
    fc.constantFrom(
      "{$PATH}",
      "{$X:y}",
      "{path}",
      "{http.request.uri}",
      "{env.HOME}",
      "}",
      "{",
      "{$",
      "\\",
      '"',
      "`",
      "<<EOF",
      "a",
    ),
    {
      minLength: 1,
      maxLength: 6,
    },
  )
  .map((parts) => parts.join(""));

/** What HTTP can carry: no space at the ends, not empty. */
const values = () =>
  fc
    .oneof(text(), pieces)
    .map((one) => one.replaceAll(/^[\s\ufeff]+|[\s\ufeff]+$/gu, ""))
    .filter((one) => one !== "");

const start = `mkdir -p /tmp/w/sites && cd /tmp/w && cat >sites/a.caddy
printf '{\\n\\tadmin off\\n\\tauto_https off\\n}\\nimport /tmp/w/sites/*.caddy\\n' >Caddyfile
caddy run --config Caddyfile --adapter caddyfile </dev/null >log 2>&1 &
pid=$!
i=0; until curl -s -o /dev/null http://127.0.0.1:8911/; do i=$((i + 1)); if [ "$i" -gt 100 ]; then tail -n 3 log >&2; exit 1; fi; sleep 0.1; done
curl -s -o /dev/null -D - 'http://127.0.0.1:8911/[0-LAST]'
kill "$pid"; wait "$pid" 2>/dev/null || true`;

export async function run({ count, seed, host }) {
  const { caddyToken, importedValue } = await writer("caddyfile");
  const all = write(
    sample(values(), count, seed),
    (value) => caddyToken(value, importedValue).text,
  );
  const failures = [];
  for (const batch of chunks(all.taken, 2000)) {
    const lines = batch.map(({ written }, at) => `\theader /${at} X-Value ${written}\n`);
    const out = await host.run(
      start.replace("LAST", String(batch.length - 1)),
      `:8911 {\n${lines.join("")}\trespond ok\n}\n`,
    );
    const got = out
      .toString()
      .split("\r\n\r\n")
      .filter((answer) => answer !== "")
      .map((answer) => /^x-value: ([^\n]*)/im.exec(answer.replaceAll("\r", ""))?.[1]);
    failures.push(
      ...compare(
        batch.map(({ value }) => value),
        got,
      ),
    );
  }
  return { tried: count, refused: all.refused, failures };
}
