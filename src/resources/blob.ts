/** A file or a tree on the controller. `sha256` (hex) is over the content; `path` is absolute. */
export interface Blob {
  readonly path: string;
  readonly sha256: string;
  /** bytes */
  readonly size: number;
  /** "tree": a folder, sent as a tar stream of it. */
  readonly type: "file" | "tree";
  /** tree only: relative paths to send, sorted. */
  readonly entries?: readonly string[];
}
