import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { serveMetrics } from "../../../../templates/stacks/dxcluster/scraper/src/metrics.ts";
import { createScraperMetrics } from "../../../../templates/stacks/dxcluster/scraper/src/scraper-metrics.ts";

test("what Prometheus reads: every family once, with its help and type, labels quoted", async () => {
  const metrics = createScraperMetrics();
  metrics.add("lines_received_total", 2, { node: 'a"b\\c\nd', kind: "spot" });
  metrics.add("lines_received_total", 1, { node: 'a"b\\c\nd', kind: "spot" });
  metrics.set("journal_bytes", 7);
  let asked = 0;
  const server = serveMetrics(
    metrics,
    { host: "127.0.0.1", port: 0 },
    () => {
      asked++;
    },
    () => undefined,
  );
  await new Promise((resolve) => server.once("listening", resolve));
  try {
    const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const answer = await fetch(`${base}/metrics`);
    const text = await answer.text();
    expect(answer.headers.get("content-type")).toContain("version=0.0.4");
    expect(asked).toBe(1);
    expect(text).toContain(
      String.raw`dx_scraper_lines_received_total{node="a\"b\\c\nd",kind="spot"} 3` + "\n",
    );
    expect(text).toContain("\ndx_scraper_journal_bytes 7\n");
    // A counter that is absent until its first event looks like one that was never built.
    expect(text).toContain("\ndx_scraper_lines_refused_total 0\n");
    const types = text.split("\n").filter((line) => line.startsWith("# TYPE "));
    expect(new Set(types).size).toBe(types.length);
    for (const line of text.trimEnd().split("\n"))
      expect(line).toMatch(
        /^(?:# (?:HELP|TYPE) dx_scraper_\w+ .+|dx_scraper_\w+(?:\{.*\})? [\d.e+-]+)$/,
      );
    expect((await fetch(`${base}/`)).status).toBe(404);
  } finally {
    server.close();
  }
});
