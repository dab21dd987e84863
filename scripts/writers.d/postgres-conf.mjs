// Settings of postgresql.conf and words of pg_hba.conf, as PostgreSQL's own views give them back.
import { psql } from "./sql.mjs";
import { chunks, compare, isText, readHexLines, sample, text, write, writer } from "./values.mjs";

export const packages = ["postgresql"];
export const needsHost = true;
export const most = 100_000;

export async function run({ count, seed, host }) {
  const { postgresHbaWord, postgresSetting } = await writer("postgres-conf");
  const values = sample(text(), count, seed).filter(isText);
  const all = write(values, (value) => postgresSetting(value).text);
  const failures = [];
  await host.run(`systemctl start postgresql; ls -d /etc/postgresql/*/main >/tmp/cluster
cp "$(cat /tmp/cluster)/pg_hba.conf" /tmp/hba`);
  for (const batch of chunks(all.taken, 5000)) {
    const file = batch
      .map(({ written }, at) => `w.v${String(at).padStart(5, "0")} = ${written}\n`)
      .join("");
    const out = await host.run(
      `folder=$(cat /tmp/cluster); cat >"$folder/conf.d/w.conf"; chmod 644 "$folder/conf.d/w.conf"
${psql} -c "select encode(convert_to(setting, 'UTF8'), 'hex') from pg_file_settings where name like 'w.v%' order by name"; rm "$folder/conf.d/w.conf"`,
      file,
    );
    failures.push(
      ...compare(
        batch.map(({ value }) => value),
        readHexLines(out),
      ),
    );
  }
  const words = write(
    values
      .filter((one) => one !== "" && Buffer.from(one).length < 60)
      .slice(0, Math.ceil(count / 10)),
    postgresHbaWord,
  );
  for (const batch of chunks(words.taken, 2000)) {
    const out = await host.run(
      `folder=$(cat /tmp/cluster); { cat; cat /tmp/hba; } >"$folder/pg_hba.conf"
${psql} -c "select encode(convert_to(coalesce(array_to_string(user_name, ''), error), 'UTF8'), 'hex') from pg_hba_file_rules order by line_number limit ${batch.length}"; cat /tmp/hba >"$folder/pg_hba.conf"`,
      batch.map(({ written }) => `local "x" ${written} peer\n`).join(""),
    );
    failures.push(
      ...compare(
        batch.map(({ value }) => value),
        readHexLines(out),
      ),
    );
  }
  return { tried: count + words.taken.length, refused: all.refused + words.refused, failures };
}
