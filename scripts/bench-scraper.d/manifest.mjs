/** The database and the scraper of the stack, without its web half. */
export function makeManifest(host, node) {
  return JSON.stringify({
    stack: "bench",
    hosts: {
      dx1: { address: host.address, user: "root", identity: host.keyPath, host_key: host.hostKey },
    },
    database: {
      engine: "postgresql",
      databases: {
        dxcluster: { owner: "dx_owner", migrations: "db/migrations", extensions: ["pg_trgm"] },
      },
      roles: {
        dx_scraper: {
          grants: [
            {
              on: ["raw_spots", "dx_spots", "callsigns", "band_stations", "wwv_announcements"],
              privileges: ["select", "insert", "update"],
            },
          ],
        },
      },
    },
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
