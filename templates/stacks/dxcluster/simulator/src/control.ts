/** The simulator's control: small HTTP requests on loopback. Every answer is JSON with the node's state. */
import * as http from "node:http";
import type { SimulatedNode } from "./node.ts";
import type { MadeSpot, Traffic } from "./traffic.ts";

export interface Pace {
  /** Spots a second. */
  rate: number;
}

const usage = {
  "GET /status": "clients, logins, spots sent and announced",
  "POST /spot": '{"spotter":"N0CALL","frequency":14025.0,"dx":"DL1ABC","comment":"CW"}',
  "POST /raw": "the body is sent as one line, byte for byte",
  "POST /wwv": '{"sfi":150,"a":8,"k":2}, all optional',
  "POST /garbage": "bytes that are no cluster line",
  "POST /drop": "cut every connection",
  "POST /stall": "keep connections, say nothing",
  "POST /resume": "end a stall",
  "POST /forget": "show/dx tells of nothing before now",
  "POST /rate": '{"rate":5}',
};

export function serveControl(node: SimulatedNode, traffic: Traffic, pace: Pace): http.Server {
  return http.createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body = Buffer.concat(chunks);
      let answer: { readonly code: number; readonly extra: object };
      try {
        answer = act(`${request.method ?? ""} ${request.url ?? ""}`, body, node, traffic, pace);
      } catch (error) {
        answer = { code: 400, extra: { error: String(error) } };
      }
      response.writeHead(answer.code, { "content-type": "application/json" });
      response.end(`${JSON.stringify({ ...answer.extra, ...node.status(), rate: pace.rate })}\n`);
    });
  });
}

function act(
  what: string,
  bytes: Buffer,
  node: SimulatedNode,
  traffic: Traffic,
  pace: Pace,
): { code: number; extra: object } {
  const ok = { code: 200, extra: {} };
  const body = bytes.toString("utf8");
  const json = (): Record<string, unknown> =>
    body.trim() === "" ? {} : (JSON.parse(body) as Record<string, unknown>);
  switch (what) {
    case "GET /status":
      return ok;
    case "POST /spot": {
      const spot = readSpot(json(), traffic);
      // 409: nobody is logged in, so nobody got it.
      return node.spot(spot, new Date())
        ? { code: 200, extra: { spot } }
        : { code: 409, extra: { error: "no client is logged in" } };
    }
    case "POST /raw":
      // Bytes as they are: what is no UTF-8 must get there too.
      return {
        code: 200,
        extra: { receivers: node.send(Buffer.concat([bytes, Buffer.from("\r\n")])) },
      };
    case "POST /wwv": {
      const { sfi = 150, a = 8, k = 2 } = json();
      const hour = String(new Date().getUTCHours()).padStart(2, "0");
      const line = `WWV de AE5E <${hour}>:   SFI=${String(sfi)}, A=${String(a)}, K=${String(k)}, No Storms -> No Storms`;
      return { code: 200, extra: { receivers: node.send(line), line } };
    }
    case "POST /garbage":
      return { code: 200, extra: { receivers: node.send(traffic.garbage()) } };
    case "POST /drop":
      node.drop();
      return ok;
    case "POST /stall":
      node.stall(true);
      return ok;
    case "POST /resume":
      node.stall(false);
      return ok;
    case "POST /forget":
      node.forget();
      return ok;
    case "POST /rate": {
      const rate = Number(json()["rate"]);
      if (!(rate >= 0 && rate <= 100_000))
        throw new Error("rate: a number from 0 to 100000 is expected");
      pace.rate = rate;
      return ok;
    }
    default:
      return { code: 404, extra: { usage } };
  }
}

function readSpot(given: Record<string, unknown>, traffic: Traffic): MadeSpot {
  const made = traffic.spot();
  const text = (name: string, fallback: string): string => {
    const value = given[name];
    return typeof value === "string" ? value : fallback;
  };
  const frequency = given["frequency"] === undefined ? made.frequency : Number(given["frequency"]);
  if (!Number.isFinite(frequency)) throw new Error("frequency: a number in kHz is expected");
  return {
    spotter: text("spotter", made.spotter),
    frequency,
    dx: text("dx", made.dx),
    comment: text("comment", given["dx"] === undefined ? made.comment : ""),
  };
}
