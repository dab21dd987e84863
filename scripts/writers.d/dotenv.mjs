// .env files, read by docker compose itself (Debian 13's docker-compose): what it puts into a service's environment.
import fc from "fast-check";
import { chunks, isText, sample, text, writer } from "./values.mjs";

export const packages = ["docker-compose"];
export const needsHost = true;
export const most = 100_000;

/** A line of a .env file: values bare, in quotes, with references, comments, line ends of both kinds. */
const line = () => {
  const value = fc.oneof(
    text(6),
    text(6).map((one) => `"${one.replaceAll(/[\\"]/g, "\\$&")}"`),
    text(6).map((one) => `"${one.replaceAll('"', "")}"`),
    text(6).map((one) => `'${one.replaceAll("'", "")}'`),
    fc.constantFrom(
      "${V0}",
      "$V0",
      "${V0:-x}",
      "${NO:-a ${V0}}",
      "${NO-b}",
      "${V0:+c}",
      "$$x",
      '"\\$x"',
      "a #b",
      "a#b",
      "# c",
      "''",
      '""',
    ),
  );
  return fc
    .tuple(
      fc.constantFrom("", "", "", " ", "\t", "export ", "export\t", "\n", "# x = y\n"),
      fc.constantFrom("=", "=", "=", " = ", ": ", "= ", "=\t"),
      value,
      fc.constantFrom("", "", " # note", " ", "\t"),
      fc.constantFrom("\n", "\n", "\r\n"),
    )
    .map(
      ([before, sign, after, note, end]) =>
        (name) =>
          `${before}${name}${sign}${after}${note}${end}`,
    );
};

export async function run({ count, seed, host }) {
  if (host.os === "debian-12") return { tried: 0, refused: 0, failures: [] };
  const { readDotenv } = await writer("dotenv");
  const failures = [];
  let refused = 0;
  await host.run("mkdir -p /tmp/w/c");
  for (const batch of chunks(sample(line(), count, seed), 10_000)) {
    const files = chunks(batch, 50).map((some) => {
      let file = "V0=zero\n";
      for (const [at, make] of some.entries()) {
        const next = file + make(`V${at + 1}`);
        if (isText(next) && readDotenv(next).mistakes.length === 0) file = next;
        else refused++;
      }
      return file;
    });
    const compose = `services:\n${files.map((_, at) => `  s${at}: { image: x, env_file: [f${at}.env] }\n`).join("")}`;
    await host.run("rm -f /tmp/w/c/*; cat >/tmp/w/c/compose.yaml", compose);
    await host.run(
      "cd /tmp/w/c; at=0; while IFS= read -r -d '' text; do printf %s \"$text\" >f$at.env; at=$((at + 1)); done",
      files.map((file) => `${file}\0`).join(""),
    );
    const out = await host.run(
      "cd /tmp/w/c && env -i PATH=$PATH docker-compose config --format json",
    );
    const { services } = JSON.parse(out.toString());
    for (const [at, file] of files.entries()) {
      // compose doubles dollar signs so that its output can be read again.
      const got = Object.fromEntries(
        Object.entries(services[`s${at}`].environment ?? {}).map(([name, value]) => [
          name,
          (value ?? "").replaceAll("$$", "$"),
        ]),
      );
      for (const { name, value } of readDotenv(file).variables) {
        if (got[name] === value) continue;
        if (failures.length < 10)
          failures.push(
            `${JSON.stringify(file.split(`${name}`).slice(1, 2))} ${name}: ${JSON.stringify(value)} here, ${JSON.stringify(got[name])} there`,
          );
      }
      const ours = readDotenv(file).variables.map(({ name }) => name);
      const more = Object.keys(got).filter((name) => !ours.includes(name));
      if (more.length > 0)
        failures.push(`compose has ${more.join(", ")} more in ${JSON.stringify(file)}`);
    }
  }
  return { tried: count, refused, failures };
}
