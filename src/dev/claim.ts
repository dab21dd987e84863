import { hostname } from "node:os";
import { HostkitError } from "../errors.ts";
import type { Connection } from "../ssh/connection.ts";
import { sh } from "../shell/script.ts";

/** Without a sign of life for so long a session counts as gone. */
const patienceSeconds = 60;
const taken = 73;

/** One session at a time on a host: two would put their files over each other's. */
export class Claim {
  readonly #path: string;
  readonly #line: string;

  /** @param user who is at this machine */
  constructor(stack: string, user: string) {
    // Gone with a reboot, as sessions are.
    this.#path = `/run/hostkit-dev-${stack}`;
    const since = new Date().toISOString().slice(0, 19);
    this.#line = `${user}@${hostname()} pid ${process.pid} since ${since}Z`;
  }

  /**
   * Takes the host for this session, or gives the sign of life.
   * @throws HostkitError run_locked where another session has it
   */
  async hold(connection: Connection): Promise<void> {
    let holder = await this.#write(connection, "");
    if (holder !== undefined && isGone(holder)) holder = await this.#write(connection, holder);
    if (holder === undefined) return;
    throw new HostkitError("run_locked", {
      what: "somebody else is developing there",
      where: connection.description,
      why: `hostkit dev, ${holder}`,
      next: `end that session with Ctrl-C; one that is gone is forgotten after ${patienceSeconds} s`,
    });
  }

  async drop(connection: Connection): Promise<void> {
    await connection.exec(
      sh`exec 9>>${this.#path} && flock 9 && if grep -qxF ${this.#line} ${this.#path}; then rm -f ${this.#path}; fi`
        .text,
    );
  }

  /** @returns who has it, where it is neither us, nor gone, nor `mayGo` */
  async #write(connection: Connection, mayGo: string): Promise<string | undefined> {
    const path = this.#path;
    const result = await connection.exec(
      sh`exec 9>>${path} && flock 9
there=$(cat ${path})
case $there in
  ""|${this.#line}|${mayGo}) ;;
  *) if [ $(($(date +%s) - $(stat -c %Y ${path}))) -lt ${patienceSeconds} ]; then
       echo "$there"
       exit ${taken}
     fi ;;
esac
echo ${this.#line} >${path}`.text,
    );
    return result.code === taken ? result.stdout.trim() : undefined;
  }
}

/** A session of this machine whose process has ended. */
function isGone(holder: string): boolean {
  const found = /@(\S+) pid (\d+) since /.exec(holder);
  if (found?.[1] !== hostname()) return false;
  try {
    process.kill(Number(found[2]), 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}
