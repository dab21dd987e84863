/**
 * A web program for tests of releases, whose image is made anew for each way in which it goes wrong. It has no packages: what it says to
 * PostgreSQL is the protocol itself, by the socket.
 */
export const releaseProgram = `
const http = require("node:http"), net = require("node:net"), fs = require("node:fs");
const [version, mode] = fs.readFileSync("/version", "utf8").trim().split(" ");

/** One statement; the rows' first columns. */
function query(sql) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(process.env.PGHOST + "/.s.PGSQL.5432");
    const rows = [];
    let rest = Buffer.alloc(0), error, asked = false;
    const text = (...words) => Buffer.from(words.join("\\0") + "\\0");
    const frame = (kind, body) => {
      const length = Buffer.alloc(4);
      length.writeInt32BE(body.length + 4);
      return Buffer.concat([Buffer.from(kind), length, body]);
    };
    socket.on("connect", () => socket.write(frame("", Buffer.concat([Buffer.from([0, 3, 0, 0]), text("user", process.env.PGUSER, "database", process.env.PGDATABASE, "")]))));
    socket.on("error", reject);
    socket.on("close", () => reject(error ?? new Error("the database hung up")));
    socket.on("data", (data) => {
      rest = Buffer.concat([rest, data]);
      while (rest.length >= 5 && rest.length > rest.readInt32BE(1)) {
        const kind = String.fromCharCode(rest[0]), size = rest.readInt32BE(1) + 1, body = rest.subarray(5, size);
        rest = rest.subarray(size);
        if (kind === "E") error = new Error("database: " + body.toString().split("\\0").find((field) => field[0] === "M").slice(1));
        if (kind === "D") rows.push(body.subarray(6, 6 + body.readInt32BE(2)).toString());
        if (kind === "Z" || (kind === "E" && !asked)) {
          if (asked || error) { if (error) reject(error); else resolve(rows); socket.destroy(); return; }
          asked = true;
          socket.write(frame("Q", text(sql)));
        }
      }
    });
  });
}

async function migrate(kind) {
  console.log("migrating to " + version + " as uid " + process.getuid() + (fs.existsSync("/run/secrets/TOKEN") ? " with its secret" : ""));
  await query("create table if not exists runs (what text, at timestamptz default now())");
  await query("insert into runs values ('" + kind + " " + version + "')");
  if (mode === "migration-fails") {
    console.log("Error: column \\"colour\\" is not there, first cause");
    for (let n = 0; n < 40; n += 1) console.log("unwinding " + n);
    process.exit(3);
  }
  if (mode === "migration-hangs") setInterval(() => {}, 1000);
}

async function serve() {
  if (mode === "ends") {
    console.error("Error: configuration key PAINT is missing, first cause");
    for (let n = 0; n < 60; n += 1) console.error("frame " + n);
    process.exit(1);
  }
  if (mode === "refused") await query("select * from pg_authid");
  const started = Date.now();
  if (mode === "eats") {
    // Twice what it may have, and no more: not every lab host has somebody who ends it.
    const held = [];
    setTimeout(() => { console.log("reading all of it"); setInterval(() => { if (held.length < 32) held.push(Buffer.alloc(8 << 20, 1)); }, 20); }, 3000);
  }
  if (mode === "dies-later") setTimeout(() => { console.error("Error: lost the thread, first cause"); process.exit(7); }, 4000);
  http.createServer((request, answer) => {
    const isBad = mode === "never-healthy" || (mode === "turns-bad" && Date.now() - started > 4000);
    if (isBad) console.error("Error: pool exhausted, first cause");
    answer.statusCode = isBad ? 500 : 200;
    answer.end(version);
  }).listen(8000);
  process.on("SIGTERM", () => process.exit());
}

const work = process.argv[2] === "hook" ? migrate(process.argv[3]) : serve();
work.catch((error) => { console.error("Error: " + error.message); process.exit(1); });
`;
