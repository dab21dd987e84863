import { getSite } from "./lab-project.ts";

/** What people saw of a site for a while. */
export interface Seen {
  readonly asked: number;
  /** Every answer that was none, or not 200. */
  readonly failures: readonly string[];
  /**
   * Bodies of the good ones in the order in which each was first seen: `["one", "two"]`. While traffic moves, what was
   * asked first may be answered last, so that an order of all of them would say nothing.
   */
  readonly bodies: readonly string[];
}

/** Asks a site again and again from outside, from two places at once, until it is told to stop. */
export function watchSite(address: string, site: string): { stop(): Promise<Seen> } {
  let isOver = false;
  let asked = 0;
  const failures: string[] = [];
  const bodies = new Set<string>();
  const ask = async (): Promise<void> => {
    while (!isOver) {
      asked += 1;
      try {
        const { status, body } = await getSite(address, site, "/");
        if (status !== 200) failures.push(`status ${status}`);
        else bodies.add(body);
      } catch (error) {
        failures.push(String(error));
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  const visitors = [ask(), ask()];
  return {
    async stop() {
      isOver = true;
      await Promise.all(visitors);
      return { asked, failures, bodies: [...bodies] };
    },
  };
}
