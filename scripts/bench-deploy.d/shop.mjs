// The lab host of scripts/bench-deploy: two web services behind TLS, `page`, which is released, and `talk`, which is not.
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { stringify } from "yaml";
import { downLabHost, upLabHost } from "../../dist/lab/host.js";
import { offerNodeImage } from "../../dist/lab/image-offer.js";
import { nodeImageTag } from "../../dist/lab/node-image.js";
import { callHostkit, mustEndWell } from "../faults.d/hostkit.mjs";
import { shell } from "../faults.d/hosts.mjs";

export const pageSite = "page.lab.example";
export const talkSite = "talk.lab.example";

function manifestOf({ address, keyPath, hostKey }) {
  const service = (name) => ({
    build: name,
    port: 8000,
    health: { path: "/", interval: "2s", timeout: "2s", grace: "20s" },
    resources: { memory: "256M" },
    // Streams that people keep open hold a release up for so long: shorter than usual, so that twenty take a quarter of an hour.
    drain: "10s",
  });
  const site = (name) => ({ tls: "internal", routes: { "/*": name } });
  return {
    stack: "shop",
    hosts: { h1: { address, user: "root", identity: keyPath, host_key: hostKey } },
    web: { page: service("page"), talk: service("talk") },
    proxy: { sites: { [pageSite]: site("page"), [talkSite]: site("talk") } },
    host: { updates: "none" },
    firewall: "none",
  };
}

/** A host with the stack, provisioned. */
export async function makeShop(os) {
  const dockerfile = (more = "") =>
    `FROM ${nodeImageTag}\n${more}COPY server.cjs version /\nCMD ["node", "/server.cjs"]\n`;
  const name = `bench-deploy-${process.pid}`;
  const host = await upLabHost({ name, os, install: true });
  await offerNodeImage(host);
  const folder = await mkdtemp(path.join(tmpdir(), "hostkit-bench-deploy-"));
  const server = await readFile(new URL("server.cjs", import.meta.url), "utf8");
  await writeFile(path.join(folder, "hostkit.yaml"), stringify(manifestOf(host)));
  for (const service of ["page", "talk"]) {
    await mkdir(path.join(folder, service));
    await writeFile(path.join(folder, service, "server.cjs"), server);
    await writeFile(path.join(folder, service, "version"), "v0\n");
    await writeFile(path.join(folder, service, "Dockerfile"), dockerfile());
  }
  const shop = {
    host,
    address: host.address,
    onHost: (line) => shell(host, line).then((output) => output.trim()),
    /** Another header of a site that nobody visits. */
    changeSite: (number) => {
      const manifest = manifestOf(host);
      manifest.proxy.sites["more.lab.example"] = {
        ...manifest.proxy.sites[pageSite],
        headers: { "X-Change": String(number) },
      };
      return writeFile(path.join(folder, "hostkit.yaml"), stringify(manifest));
    },
    /** A next release, whose build takes every core for half a minute. */
    makeBurning: (number) =>
      writeFile(
        path.join(folder, "page/Dockerfile"),
        dockerfile(
          `RUN node -e "const { Worker } = require('worker_threads'), code = 'const end = Date.now() + 3e4; while (Date.now() < end);'; for (const each of require('os').cpus()) new Worker(code, { eval: true }); console.log(${number})"\n`,
        ),
      ),
    make: (version) => writeFile(path.join(folder, "page/version"), `${version}\n`),
    hostkit: (...words) => mustEndWell(folder, words, 3600),
    call: (...words) => callHostkit(folder, words, 3600),
    async down() {
      await downLabHost(name);
      await rm(folder, { recursive: true, force: true });
    },
  };
  try {
    await shop.hostkit("provision", "--yes");
  } catch (error) {
    await shop.down();
    throw error;
  }
  return shop;
}
