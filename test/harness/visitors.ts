import { getSite } from "./lab-project.ts";

/** What people saw of a site for a while. */
export interface Seen {
  readonly asked: number;
  /** Every answer that was none, or not 200. */
  readonly failures: readonly string[];
  /** Bodies of the good ones, each change once: `["one", "two"]`. */
  readonly bodies: readonly string[];
}

/** Asks a site again and again from outside, from two places at once, until it is told to stop. */
export function watchSite(address: string, site: string): { stop(): Promise<Seen> } {
  let isOver = false;
  let asked = 0;
  const failures: string[] = [];
  const bodies: string[] = [];
  const ask = async (): Promise<void> => {
    while (!isOver) {
      asked += 1;
      try {
        const { status, body } = await getSite(address, site, "/");
        if (status !== 200) failures.push(`status ${status}`);
        else if (bodies.at(-1) !== body) bodies.push(body);
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
      return { asked, failures, bodies };
    },
  };
}
