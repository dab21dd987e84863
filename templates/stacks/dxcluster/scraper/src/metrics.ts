/** Counters in Prometheus' text format, served on the address the operator gives (loopback in the sample manifest). */
import * as http from "node:http";

type Labels = Readonly<Record<string, string>>;

interface Family {
  readonly type: "counter" | "gauge";
  readonly help: string;
  readonly values: Map<string, number>;
}

export class Metrics {
  readonly #prefix: string;
  readonly #families = new Map<string, Family>();

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  declare(name: string, type: "counter" | "gauge", help: string): void {
    this.#families.set(name, { type, help, values: new Map() });
  }

  add(name: string, amount: number, labels: Labels = {}): void {
    const values = this.#family(name).values;
    const key = renderLabels(labels);
    values.set(key, (values.get(key) ?? 0) + amount);
  }

  set(name: string, value: number, labels: Labels = {}): void {
    this.#family(name).values.set(renderLabels(labels), value);
  }

  render(): string {
    let text = "";
    for (const [bare, family] of this.#families) {
      const name = this.#prefix + bare;
      text += `# HELP ${name} ${family.help}\n# TYPE ${name} ${family.type}\n`;
      for (const [labels, value] of family.values) text += `${name}${labels} ${value}\n`;
    }
    return text;
  }

  #family(name: string): Family {
    const family = this.#families.get(name);
    if (family === undefined) throw new Error(`metric ${name} is not declared`);
    return family;
  }
}

function renderLabels(labels: Labels): string {
  const parts = Object.entries(labels).map(
    ([name, value]) =>
      `${name}="${value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")}"`,
  );
  return parts.length === 0 ? "" : `{${parts.join(",")}}`;
}

/** @param refresh called before each scrape, to set the gauges. */
export function serveMetrics(
  metrics: Metrics,
  address: { readonly host: string; readonly port: number },
  refresh: () => void,
  failed: (error: Error) => void,
): http.Server {
  const server = http.createServer((request, response) => {
    if (request.url !== "/metrics") {
      response.writeHead(404, { "content-type": "text/plain" }).end("metrics are at /metrics\n");
      return;
    }
    refresh();
    response
      .writeHead(200, { "content-type": "text/plain; version=0.0.4; charset=utf-8" })
      .end(metrics.render());
  });
  server.on("error", failed);
  server.listen(address.port, address.host);
  return server;
}
