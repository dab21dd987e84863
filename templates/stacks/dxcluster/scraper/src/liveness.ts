/**
 * May the service tell systemd that it is alive? A scraper that is connected and hears nothing is the failure this
 * system is known for: then the answer is no, and systemd starts it afresh. Pure.
 */
export interface LivenessFacts {
  /** All times in seconds on one clock. */
  readonly now: number;
  readonly started: number;
  /** When any node last sent anything. */
  readonly heard: number | null;
  /** When any node could last not be reached at all. */
  readonly unreachable: number | null;
  /** When the writer last did something: stored a batch, found nothing to do, or was told that the database is away. */
  readonly writer: number;
}

/** A network that is down is not mended by a restart, so waiting for it is fine for this many watchdog times. */
const patience = 10;

export function isAlive(facts: LivenessFacts, watchdog: number): boolean {
  if (facts.now - facts.writer > watchdog) return false;
  const heard = facts.heard ?? facts.started;
  const silence = facts.now - heard;
  // systemd counts from the last signal: half the time here makes one and a half altogether.
  if (silence <= watchdog / 2) return true;
  const waitingForNetwork = facts.unreachable !== null && facts.now - facts.unreachable <= watchdog;
  return waitingForNetwork && silence <= patience * watchdog;
}
