// Literals and names in SQL, as PostgreSQL itself gives them back.
import { chunks, compare, isText, sample, text } from "./values.mjs";

export const packages = ["postgresql"];
export const needsHost = true;
export const most = 100_000;

export const psql = "cd / && runuser -u postgres -- psql -XAtq -v ON_ERROR_STOP=1";

export async function run({ count, seed, host }) {
  const { quoteIdentifier, quoteLiteral } = await import("../../dist/facts/postgres/sql.js");
  const values = sample(text(), count, seed).filter(isText);
  const names = values.filter((one) => one !== "" && Buffer.from(one).length <= 63);
  const failures = [];
  await host.run("systemctl start postgresql");
  for (const conforming of ["on", "off"]) {
    for (const batch of chunks(values, 10_000)) {
      const out = await host.run(
        `${psql}`,
        `set client_encoding to utf8; set standard_conforming_strings to ${conforming}; set escape_string_warning to off;\n${batch.map((value) => `select encode(convert_to(${quoteLiteral(value)}, 'UTF8'), 'hex');\n`).join("")}`,
      );
      const got = out
        .toString()
        .split("\n")
        .slice(0, -1)
        .map((hex) => Buffer.from(hex, "hex").toString());
      failures.push(...compare(batch, got));
    }
  }
  // In hex: psql leaves characters out that it does not know (U+10FFFE).
  for (const batch of chunks(names, 10_000)) {
    const out = await host.run(
      psql,
      `set client_encoding to utf8;\n${batch.map((name) => `select encode(convert_to(row_to_json(t)::text, 'UTF8'), 'hex') from (select 1 as ${quoteIdentifier(name)}) t;\n`).join("")}`,
    );
    failures.push(
      ...compare(
        batch,
        out
          .toString()
          .split("\n")
          .slice(0, -1)
          .map((hex) => Object.keys(JSON.parse(Buffer.from(hex, "hex").toString()))[0]),
      ),
    );
  }
  return { tried: count, refused: count - values.length, failures };
}
