/** The endpoints of single spots: pages of them, the newest, and those that come. */
import type { FastifyInstance } from "fastify";
import { toCsv } from "../../radio/spots-csv.ts";
import { openToAll, type Said, say } from "./answer.ts";
import { catalogue } from "./catalogue.ts";
import { clientOf } from "./clients.ts";
import type { Database } from "./database.ts";
import { type KeptRoutes, takesNothing } from "./kept-routes.ts";
import { recentQuery, type SpotRow } from "./queries.ts";
import { withOrder } from "./requests.ts";
import type { Page, SpotSearch } from "./search.ts";
import type { SpotStream } from "./stream.ts";

/** A row as users see it. */
type Show = (row: SpotRow) => object;

export function addSpotRoutes(
  routes: KeptRoutes,
  search: SpotSearch,
  database: Database,
  show: Show,
): void {
  routes.get(catalogue.spots, 0, async (wanted, url) => {
    const page = await search.find(withOrder(wanted));
    return wanted.format === "csv" ? sayCsv(page, url) : describePage(page, wanted, show);
  });

  routes.get(catalogue.recent_spots, 0, async ({ hours, limit }) => {
    const since = new Date(Date.now() - hours * 3_600_000);
    const rows = await database.rows<SpotRow>(recentQuery(since, limit));
    return { spots: rows.map(show), hours, count: rows.length };
  });
}

export function addStreamRoute(app: FastifyInstance, stream: SpotStream): void {
  app.get(catalogue.stream.path, async (request, reply) => {
    takesNothing(request);
    const lastId = Number(request.headers["last-event-id"] ?? "");
    reply.hijack();
    await stream.join(
      reply.raw,
      clientOf(request.ip),
      Number.isSafeInteger(lastId) && lastId > 0 ? lastId : null,
      openToAll,
    );
  });
}

function sayCsv(page: Page, url: string): Said {
  const next = page.nextCursor === null ? null : nextUrl(url, page.nextCursor);
  return say(toCsv(page.rows), "text/csv; charset=utf-8", {
    "content-disposition": 'attachment; filename="spots.csv"',
    ...(next !== null && { link: `<${next}>; rel="next"` }),
  });
}

function describePage(
  page: Page,
  { limit, offset }: { readonly limit: number; readonly offset: number },
  show: Show,
): object {
  return {
    spots: page.rows.map(show),
    count: page.rows.length,
    pagination: {
      total: page.total,
      total_is_minimum: page.totalIsMinimum,
      limit,
      offset,
      has_more: page.hasMore,
      next_cursor: page.nextCursor,
      ...(page.searchedBackTo && { searched_back_to: page.searchedBackTo.toISOString() }),
    },
  };
}

function nextUrl(url: string, cursor: string): string {
  const [path = "", query = ""] = url.split("?");
  const parameters = new URLSearchParams(query);
  parameters.delete("offset");
  parameters.set("cursor", cursor);
  return `${path}?${parameters.toString()}`;
}
