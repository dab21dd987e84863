/** How a lab makes a system: all in which one differs from another. */
interface LabSystem {
  /** Its release in the archive. */
  readonly codename: string;
}

/** The systems a lab host can have, oldest first: `--lab`, `lab up --os` and the tests have this list and no other. */
export const labSystems = {
  "debian-12": { codename: "bookworm" },
  "debian-13": { codename: "trixie" },
} as const satisfies Readonly<Record<string, LabSystem>>;

export type LabOs = keyof typeof labSystems;

export const labSystemNames = Object.keys(labSystems) as [LabOs, ...LabOs[]];

/** What a lab host has where nobody says. */
export const usualLabSystem: LabOs = "debian-13";

/** Whose Node.js the lab's container image has. */
export const imageSystem: LabOs = "debian-13";

export function isLabSystem(name: string | undefined): name is LabOs {
  return name !== undefined && Object.hasOwn(labSystems, name);
}
