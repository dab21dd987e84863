import * as fs from "node:fs";
import { parse } from "yaml";

/** The database and the scraper of the stack, without its web half. */
export function makeManifest(host, node) {
  const { database } = parse(fs.readFileSync("templates/stacks/dxcluster/hostkit.yaml", "utf8"));
  return JSON.stringify({
    stack: "bench",
    hosts: {
      dx1: { address: host.address, user: "root", identity: host.keyPath, host_key: host.hostKey },
    },
    database: { ...database, roles: { dx_scraper: database.roles.dx_scraper } },
    services: {
      scraper: {
        package: "dist/dx-scraper.deb",
        exec: "/usr/bin/dx-scraper",
        database: { name: "dxcluster", role: "dx_scraper" },
        env: { DX_NODES: node, DX_CALLSIGN: "N0CALL", DX_METRICS: "127.0.0.1:9465" },
        watchdog: "300s",
      },
    },
  });
}
