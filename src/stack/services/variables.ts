/** A file with a secret that a program reads; where it sees it, its engine says. */
export type SecretFile =
  | { readonly kind: "given"; readonly name: string; readonly value: string | Uint8Array }
  /** Made on the host, and kept there. */
  | { readonly kind: "made"; readonly name: string; readonly path: string };

/** A value in which places stand open that are others in every engine. */
export type OpenValue = readonly (
  | string
  | { readonly place: "file"; readonly file: SecretFile }
  | { readonly place: "database" }
)[];

/** What an engine puts into the places that `OpenValue` leaves open. */
export interface Places {
  readonly pathOf: (file: SecretFile) => string;
  /** Where PostgreSQL answers by TCP. */
  readonly databaseHost: string;
}

/** The variables a program starts with, by name: what hostkit tells it, then what the manifest says; the later wins. */
export function fillVariables(
  {
    told,
    environment,
  }: {
    readonly told: Readonly<Record<string, OpenValue>>;
    readonly environment: Readonly<Record<string, string>>;
  },
  places: Places,
  also: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const filled = Object.entries(told).map(([name, value]) => [name, fill(value, places)] as const);
  const all = { ...also, ...Object.fromEntries(filled), ...environment };
  return Object.fromEntries(Object.entries(all).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function fill(value: OpenValue, places: Places): string {
  return value
    .map((part) => {
      if (typeof part === "string") return part;
      return part.place === "database" ? places.databaseHost : places.pathOf(part.file);
    })
    .join("");
}
