import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { labSystemNames } from "../../src/lab/systems.ts";
import { distributionOn } from "../harness/systems.ts";
import { makeProject, until } from "../harness/lab-project.ts";
import type { LabProject } from "../harness/lab-project.ts";

interface Sample {
  readonly about: string;
  /** Files of one folder. */
  readonly files: Readonly<Record<string, string | Uint8Array>>;
  /** Asked as the superuser in the sample's database, and what is answered. */
  readonly look: readonly (readonly [sql: string, answer: string])[];
  readonly database?: Readonly<Record<string, string>>;
  /** The failing ones: what is said. */
  readonly says?: readonly string[];
}

const users = "create table users (id int);";
const hasUsers = [
  "select to_regclass('users')::text || count(*) from hostkit.migrations",
  "users1",
] as const;
const nothing = [
  "select count(*) from pg_class where relnamespace = 'public'::regnamespace",
  "0",
] as const;

/** What foreign hands write, all of it in one provision, each in a database of its own. */
const good: readonly Sample[] = [
  {
    about: "texts that psql would read as its own",
    files: {
      "0001_a.sql":
        "create table a (x text);\ninsert into a values ('\\! id'), ($$\\i x$$), (E'\\\\c'), (':HOST'); -- \\q\n",
    },
    look: [["select string_agg(x, ' ' order by x) from a", ":HOST \\! id \\c \\i x"]],
  },
  {
    about: "goose",
    files: { "0001_a.sql": `-- +goose Up\n${users}\n-- +goose Down\ndrop table users;\n` },
    look: [hasUsers],
    database: { owner: "shared_owner" },
  },
  {
    about: "dbmate",
    files: { "0001_a.sql": `-- migrate:up\n${users}\n-- migrate:down\ndrop table users;\n` },
    look: [hasUsers],
    database: { owner: "shared_owner" },
  },
  {
    about: "golang-migrate",
    files: { "1_a.up.sql": users, "1_a.down.sql": "drop table users;" },
    look: [hasUsers],
  },
  { about: "Flyway", files: { "V1__a.sql": users }, look: [hasUsers] },
  {
    about: "Prisma",
    files: {
      "20240101000000_init/migration.sql": users,
      "migration_lock.toml": 'provider = "postgresql"\n',
    },
    look: [hasUsers],
  },
  {
    about: "BEGIN and COMMIT around it",
    files: { "1.sql": `BEGIN;\n${users}\nCOMMIT;\n` },
    look: [hasUsers],
  },
  {
    about: "the owner stays the owner",
    files: {
      "1.sql":
        "reset role; set role none; reset session authorization;\ncreate table who as select session_user::text s, current_user::text c, current_setting('is_superuser') p;\n",
    },
    look: [
      ["select s = c and p = 'off' and s like '%_owner' from who", "t"],
      [
        "select rolcanlogin from pg_class join pg_roles r on r.oid = relowner where relname = 'who'",
        "f",
      ],
    ],
  },
  {
    about: "a mark, carriage returns and letters of everywhere",
    files: { "1.sql": "\uFEFFcreate table a (t text);\r\ninsert into a values ('ä€😀');\r\n" },
    look: [["select t || length(t) from a", "ä€😀3"]],
  },
  {
    about: "a server that stores Latin-1",
    files: { "1.sql": "create table a (t text);\ninsert into a values ('ä');\n" },
    look: [["select encode(convert_to(t, 'latin1'), 'hex') from a", "e4"]],
    database: { encoding: "LATIN1", locale: "C" },
  },
  {
    about: "what cannot run in a transaction",
    files: {
      "1.sql":
        "create type mood as enum ('a');\ncreate table t (a int, m mood);\ninsert into t select generate_series(1, 100);\n",
      "2.sql":
        "-- hostkit: no transaction\ncreate index concurrently ti on t (a);\nalter type mood add value 'b';\nupdate t set m = 'b';\nvacuum t;\n",
    },
    look: [
      ["select bool_and(indisvalid) from pg_index where indrelid = 't'::regclass", "t"],
      ["select count(*) from t where m = 'b'", "100"],
      ["select count(*) from hostkit.migration_statements", "0"],
    ],
  },
];

/** What fails on the host, each by itself: what is said of it is true. */
const bad: readonly Sample[] = [
  {
    about: "an error in the third line",
    files: {
      "1.sql": "create table a (x int);\ninsert into a values (1);\nselect 1 / x - 1 / 0 from a;\n",
    },
    look: [nothing],
    says: [
      "psql:1.sql:3: ERROR:  division by zero",
      "1.sql failed and was rolled back: nothing of it is in",
    ],
  },
  {
    about: "a COMMIT inside DO",
    files: { "1.sql": "create table a (x int);\ndo $$ begin commit; end $$;\n" },
    look: [nothing],
    says: ["was rolled back: nothing of it is in", "-- hostkit: no transaction"],
  },
  {
    about: "a COMMIT that only the server sees",
    files: {
      "1.sql":
        "select set_config('standard_conforming_strings', 'off', false);\ncreate table a (x int);\nselect '\\'';commit;create table b (y int);--';\n",
    },
    look: [
      ["select count(*) from hostkit.migrations", "0"],
      ["select to_regclass('a') is not null", "t"],
    ],
    says: ["1.sql ended its transaction itself: parts of it are in"],
  },
  {
    about: "one statement after the other, until one fails",
    files: {
      "1.sql":
        "-- hostkit: no transaction\ncreate table t (a int);\ninsert into t values (1), (1);\ncreate unique index concurrently tu on t (a);\nselect 1;\n",
    },
    look: [["select count(*) from t", "2"]],
    says: [
      "psql:statement-3/1.sql:4: ERROR:  could not create unique index",
      "statement 3 (line 4) did not end well, and what it had done may be there; the 2 before it are applied, the 1 after it did not run",
      "indexes that are not valid: tu",
    ],
  },
];

/** One system, the older PostgreSQL, is enough beside all the others; scripts/strangers tries all. */
const systems =
  process.env["HOSTKIT_STRANGERS"] === undefined ? (["debian-12"] as const) : labSystemNames;

describe.each(systems)("migrations of strangers on %s", (os) => {
  let project: LabProject;
  const nameOf = (kind: string, index: number) => `${kind}${index}`;

  const write = async (folder: string, files: Sample["files"]) => {
    for (const [file, content] of Object.entries(files)) {
      const target = path.join(project.folder, folder, file);
      await mkdir(path.dirname(target), { recursive: true });
      await writeFile(target, content);
    }
  };
  const add = async (
    name: string,
    { files, database = {} }: Pick<Sample, "files" | "database">,
  ) => {
    await write(name, files);
    await project.edit([["database", "databases", name], { migrations: name, ...database }]);
  };
  const ask = (name: string, sql: string) =>
    project.onHost(
      `cd /; setpriv --reuid=postgres --regid=postgres --init-groups psql -XAtq -v ON_ERROR_STOP=1 -d ${name} <<'END'\n${sql}\nEND`,
    );
  const look = async (name: string, looks: Sample["look"]) => {
    for (const [sql, answer] of looks) expect(await ask(name, sql), sql).toBe(answer);
  };

  beforeAll(async () => {
    const major = distributionOn(os).postgresql;
    project = await makeProject(`migrations-${major}`, os, "stack: mg\nhosts: {}\ndatabase: {}\n", [
      `postgresql-${major}`,
    ]);
    for (const [index, sample] of good.entries()) await add(nameOf("good", index), sample);
  });
  afterAll(() => project?.down());

  test("one provision for all of them", async () => {
    const { exitCode, stderr } = await project.hostkit("provision", "--yes");
    expect(exitCode, stderr).toBe(0);
  });

  test.each(good.map((sample, index) => ({ ...sample, index })))("$about", async (sample) => {
    await look(nameOf("good", sample.index), sample.look);
  });

  test("nothing is left to do, and nobody can log in who could not", async () => {
    expect((await project.hostkit("plan")).exitCode).toBe(0);
    expect(await ask("postgres", "select count(*) from pg_roles where rolcanlogin")).toBe("1");
  });

  test("the list of what was applied is the superuser's: the owner can only add to it", async () => {
    const { exitCode, stderr } = await project.tryOnHost(
      `cd /; setpriv --reuid=postgres --regid=postgres --init-groups psql -XAtq -d good1 -c 'set role shared_owner' -c 'update hostkit.migrations set sha256 = name'`,
    );
    expect(exitCode).not.toBe(0);
    expect(stderr).toContain("permission denied");
  });

  test.each(bad.map((sample, index) => ({ ...sample, index })))("$about", async (sample) => {
    const name = nameOf("bad", sample.index);
    await add(name, sample);
    const { exitCode, stderr } = await project.hostkit("provision", "--yes");
    expect(exitCode).toBe(1);
    for (const part of sample.says ?? []) expect(stderr).toContain(part);
    await look(name, sample.look);
    // Out of the way of the others, for which the run has to come to its end.
    await project.edit([["database", "databases", name], { owner: `${name}_owner` }]);
  });

  test("an index that was begun and failed is begun anew where the file was mended", async () => {
    await write("bad3", {
      "1.sql":
        "-- hostkit: no transaction\ncreate table t (a int);\ninsert into t values (1), (1);\ndelete from t where ctid = (select min(ctid) from t);\ncreate unique index concurrently tu on t (a);\nselect 1;\n",
    });
    await project.edit([["database", "databases", "bad3"], { migrations: "bad3" }]);
    const { exitCode, stderr } = await project.hostkit("provision", "--yes");
    expect(exitCode, stderr).toBe(0);
    await look("bad3", [
      ["select count(*) from t", "1"],
      ["select indisvalid from pg_index where indexrelid = 'tu'::regclass", "t"],
    ]);
  });

  test.each([
    { name: "killed0", marker: "", last: "update t set a = a", lock: "access exclusive" },
    {
      name: "killed1",
      marker: "-- hostkit: no transaction\n",
      last: "create index concurrently ti on t (a)",
      lock: "row exclusive",
    },
  ])(
    "killed while somebody is in the way of $last, the next provision finishes it",
    async (sample) => {
      const { name, marker, last, lock } = sample;
      await add(name, {
        files: { "1.sql": "create table t (a int); insert into t values (1);\n" },
      });
      expect((await project.hostkit("provision", "--yes")).exitCode).toBe(0);
      await project.onHost(
        `systemd-run -q --unit=holds-${name} --uid=postgres sh -c "cd /; (echo 'begin; lock table t in ${lock} mode;'; sleep 600) | psql -X -d ${name}"`,
      );
      const waits = (who: string) => async () =>
        (await ask(
          "postgres",
          `select count(*) > 0 from pg_stat_activity where datname = '${name}' and query like '%${who}%'`,
        )) === "t";
      await until("the table is locked", waits("lock table"));
      await write(name, {
        "2.sql": `${marker}insert into t values (2);\n${last};\ninsert into t values (3);\n`,
      });
      const running = project.start("provision", "--yes");
      await until("the migration waits", waits(marker === "" ? "insert into t" : "create index"));
      await project.onHost("systemctl kill -s KILL 'hostkit-run-mg-*'");
      await running;
      await project.onHost(`systemctl stop holds-${name}`);
      const { exitCode, stderr } = await project.hostkit("provision", "--yes");
      expect(exitCode, stderr).toBe(0);
      await look(name, [
        ["select string_agg(a::text, ' ' order by a) from t", "1 2 3"],
        ["select count(*) from hostkit.migrations", "2"],
        ["select count(*) from pg_index where indrelid = 't'::regclass and not indisvalid", "0"],
        [`select rolcanlogin from pg_roles where rolname = '${name}_owner'`, "f"],
      ]);
    },
  );
});
