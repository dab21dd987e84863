import { mkdtemp, readFile, rm } from "node:fs/promises";
import { request } from "node:https";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { trustAcmeServer, upAcmeServer } from "../../src/lab/acme.ts";
import { downAll, upLabHost } from "../../src/lab/host.ts";
import { runOnLabHost } from "../../src/lab/login.ts";
import { labPaths } from "../../src/lab/paths.ts";

const root = await mkdtemp(path.join(tmpdir(), "hostkit-lab-test-"));
const paths = labPaths({ ...process.env, HOSTKIT_LAB_DIR: path.join(root, "state") });

afterAll(async () => {
  await downAll(paths);
  await rm(root, { recursive: true, force: true });
});

/** The answer of `address` to `GET /` for `name`; the certificate must be valid under `ca`. */
function get(name: string, address: string, ca: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { host: address, servername: name, headers: { host: name }, ca, agent: false };
    const asked = request(options, (answer) => {
      answer.setEncoding("utf8");
      let text = "";
      answer.on("data", (part: string) => (text += part));
      answer.on("end", () => resolve(text));
    });
    asked.on("error", reject);
    asked.end();
  });
}

test("a web server on a lab host gets a certificate for a name the lab knows, and none for another", async () => {
  const host = await upLabHost({ name: "site", paths });
  const acme = await upAcmeServer({ "known.lab.example": host.address }, { name: "ca", paths });
  await trustAcmeServer(acme, host);
  const install =
    "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends caddy";
  expect((await runOnLabHost(host, install)).exitCode).toBe(0);
  const site = (name: string) => `${name} {\n  respond "hello from ${name}"\n}\n`;
  const caddyfile = `{\n  acme_ca ${acme.directory}\n}\n${site("known.lab.example")}${site("unknown.lab.example")}`;
  await runOnLabHost(host, "cat > /etc/caddy/Caddyfile && systemctl restart caddy", {
    input: caddyfile,
  });
  const ca = await readFile(acme.issuerRootPath, "utf8");
  await expect
    .poll(
      () => get("known.lab.example", host.address, ca).catch((error: unknown) => String(error)),
      {
        timeout: 30_000,
        interval: 300,
      },
    )
    .toBe("hello from known.lab.example");
  const refused = `journalctl -u caddy -o cat | grep -F '"challenge failed","identifier":"unknown.lab.example"'`;
  await expect
    .poll(async () => (await runOnLabHost(host, refused)).exitCode, {
      timeout: 30_000,
      interval: 300,
    })
    .toBe(0);
  await expect(get("unknown.lab.example", host.address, ca)).rejects.toThrow();
});
