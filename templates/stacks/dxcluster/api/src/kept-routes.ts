/** GETs whose answers are kept a while, so that many who ask cost the database one question. */
import type { FastifyInstance, FastifyRequest } from "fastify";
import { type Said, sayJson, send } from "./answer.ts";
import type { Memo } from "./memo.ts";
import type { Endpoint } from "./openapi.ts";
import { readParameters, type Values } from "./parameters.ts";

export class KeptRoutes {
  readonly #app: FastifyInstance;
  readonly #memo: Memo;

  constructor(app: FastifyInstance, memo: Memo) {
    this.#app = app;
    this.#memo = memo;
  }

  /** @param keep seconds; 0: every request asks anew */
  get<E extends Endpoint>(
    { path, parameters }: E,
    keep: number,
    answer: (wanted: Values<E["parameters"]>, url: string) => Promise<object | Said>,
  ): void {
    this.#app.get(path, async (request, reply) => {
      const query = request.query as Record<string, unknown>;
      const wanted = readParameters(parameters, query) as Values<E["parameters"]>;
      const ask = async (): Promise<Said> => {
        const body = await answer(wanted, request.url);
        return isSaid(body) ? body : sayJson(body);
      };
      const said =
        keep === 0
          ? await ask()
          : await this.#memo.get(`${path} ${JSON.stringify(wanted)}`, keep, ask);
      return send(request, reply, said, keep);
    });
  }
}

/** For an endpoint outside of `KeptRoutes`: refuses parameters as every other does. */
export function takesNothing(request: FastifyRequest): void {
  readParameters({}, request.query as Record<string, unknown>);
}

function isSaid(body: object): body is Said {
  return "etag" in body;
}
