/**
 * The queue between the feed and the database, on disk: a line is accepted when it is written here, and leaves when
 * it is stored there. A killed scraper or an absent database loses nothing; memory stays small whatever waits.
 * Files: `journal-NNNNNNNNNNNN.jsonl` (one JSON record a line) and `journal.done` (how far the database has them).
 */
import * as fs from "node:fs";
import * as path from "node:path";

export interface JournalRecord {
  /** Microseconds since the epoch, strictly increasing within a journal: names the line. */
  readonly at: number;
  readonly node: string;
  readonly line: string;
}

export interface Position {
  readonly segment: number;
  readonly offset: number;
}

export interface Batch {
  readonly records: readonly JournalRecord[];
  /** Hand to `done` when the records are stored. */
  readonly end: Position;
}

export interface JournalCounts {
  /** Bytes on disk that wait for the database. */
  readonly waiting: number;
  /** Lines refused because the journal was full or could not be written. */
  readonly refused: number;
  /** Records that could not be read back (a torn last line after a power cut). */
  readonly unreadable: number;
}

const segmentLimit = 8 * 1024 * 1024;
const readSize = 256 * 1024;

export class Journal {
  readonly #directory: string;
  readonly #limit: number;
  readonly #sizes = new Map<number, number>();
  #writeSegment = 0;
  #file = -1;
  #read: Position;
  #done: Position;
  #doneWritten: Position;
  #dirty = false;
  #lastAt = 0;
  #refused = 0;
  #unreadable = 0;

  /** Opens or creates the journal. What an earlier process left waits to be read again. */
  constructor(directory: string, limit: number) {
    this.#directory = directory;
    this.#limit = limit;
    fs.mkdirSync(directory, { recursive: true });
    for (const name of fs.readdirSync(directory)) {
      const number = /^journal-(\d{12})\.jsonl$/.exec(name)?.[1];
      if (number !== undefined)
        this.#sizes.set(Number(number), fs.statSync(path.join(directory, name)).size);
    }
    const segments = this.#segments();
    const first: Position = { segment: segments[0] ?? 1, offset: 0 };
    this.#done = this.#loadDone(first);
    this.#doneWritten = this.#done;
    this.#read = this.#done;
    // A new file each start: the last one may end in the middle of a line.
    this.#open(Math.max(segments.at(-1) ?? 0, this.#done.segment) + 1);
    this.#forget();
  }

  /** All or none. Returns how many were accepted: the others were refused and counted. `at`: microseconds since the epoch. */
  append(
    lines: readonly { readonly node: string; readonly line: string; readonly at: number }[],
  ): number {
    if (lines.length === 0) return 0;
    let text = "";
    for (const { node, line, at } of lines) {
      this.#lastAt = Math.max(at, this.#lastAt + 1);
      text += `${JSON.stringify({ at: this.#lastAt, node, line })}\n`;
    }
    const bytes = Buffer.from(text, "utf8");
    if (this.waiting() + bytes.length > this.#limit) {
      this.#refused += lines.length;
      return 0;
    }
    try {
      if ((this.#sizes.get(this.#writeSegment) ?? 0) >= segmentLimit)
        this.#open(this.#writeSegment + 1);
      let written = 0;
      while (written < bytes.length) written += fs.writeSync(this.#file, bytes, written);
      this.#sizes.set(
        this.#writeSegment,
        (this.#sizes.get(this.#writeSegment) ?? 0) + bytes.length,
      );
      this.#dirty = true;
      return lines.length;
    } catch {
      // A full disk: go on in a new file, so that half a record at the end of this one harms nothing.
      this.#refused += lines.length;
      this.#reopenAfterFailure();
      return 0;
    }
  }

  /** The next records in order, or an empty batch when all were handed out. Does not move `done`. */
  next(most: number): Batch {
    const records: JournalRecord[] = [];
    while (records.length < most) {
      const size = this.#sizes.get(this.#read.segment) ?? 0;
      if (this.#read.offset >= size) {
        const following = this.#segments().find((segment) => segment > this.#read.segment);
        if (following === undefined) break;
        this.#read = { segment: following, offset: 0 };
        continue;
      }
      if (!this.#readSome(records, most, size)) break;
    }
    return { records, end: this.#read };
  }

  /** Starts again at the first record that is not done: after a failed batch. */
  rewind(): void {
    this.#read = this.#done;
  }

  done(end: Position): void {
    this.#done = end;
    this.#forget();
  }

  /** Makes what was written and what is done survive a power cut. Call about once a second. */
  sync(): void {
    if (this.#dirty) {
      this.#dirty = false;
      fs.fdatasyncSync(this.#file);
    }
    this.#saveDone();
  }

  close(): void {
    this.sync();
    fs.closeSync(this.#file);
  }

  waiting(): number {
    let bytes = this.#sizes.has(this.#done.segment) ? -this.#done.offset : 0;
    for (const [segment, size] of this.#sizes) if (segment >= this.#done.segment) bytes += size;
    return Math.max(0, bytes);
  }

  counts(): JournalCounts {
    return { waiting: this.waiting(), refused: this.#refused, unreadable: this.#unreadable };
  }

  #readSome(records: JournalRecord[], most: number, size: number): boolean {
    const chunk = this.#readWholeRecords(size - this.#read.offset);
    let start = 0;
    while (records.length < most) {
      const end = chunk.indexOf(10, start);
      if (end < 0) break;
      const record = parseRecord(chunk.toString("utf8", start, end));
      if (record === null) this.#unreadable++;
      else records.push(record);
      start = end + 1;
    }
    if (start > 0) {
      this.#read = { segment: this.#read.segment, offset: this.#read.offset + start };
      return true;
    }
    // Not one whole record: the torn end of a file that nobody writes any more, or a file that shrank.
    if (this.#read.segment === this.#writeSegment) return false;
    this.#unreadable++;
    this.#read = { segment: this.#read.segment, offset: size };
    return true;
  }

  /** From the read position: a piece with at least one line end in it, or all that is left. */
  #readWholeRecords(left: number): Buffer {
    const file = fs.openSync(this.#name(this.#read.segment), "r");
    try {
      for (let wanted = Math.min(readSize, left); ; wanted = Math.min(wanted * 4, left)) {
        const chunk = Buffer.alloc(wanted);
        const got = chunk.subarray(0, fs.readSync(file, chunk, 0, wanted, this.#read.offset));
        if (got.includes(10) || wanted === left) return got;
      }
    } finally {
      fs.closeSync(file);
    }
  }

  #segments(): number[] {
    return [...this.#sizes.keys()].sort((a, b) => a - b);
  }

  #name(segment: number): string {
    return path.join(this.#directory, `journal-${String(segment).padStart(12, "0")}.jsonl`);
  }

  #open(segment: number): void {
    if (this.#file >= 0) {
      fs.fdatasyncSync(this.#file);
      fs.closeSync(this.#file);
    }
    this.#file = fs.openSync(this.#name(segment), "a", 0o640);
    this.#writeSegment = segment;
    this.#sizes.set(segment, fs.fstatSync(this.#file).size);
    // The name of a new file must survive a power cut like what is in it.
    const directory = fs.openSync(this.#directory, "r");
    fs.fsyncSync(directory);
    fs.closeSync(directory);
  }

  #reopenAfterFailure(): void {
    try {
      this.#sizes.set(this.#writeSegment, fs.fstatSync(this.#file).size);
      this.#open(this.#writeSegment + 1);
    } catch {
      // Still no room: the next append tries again.
    }
  }

  /** Deletes files whose every record is stored; never the one that is written. */
  #forget(): void {
    for (const segment of this.#segments()) {
      const size = this.#sizes.get(segment) ?? 0;
      const past =
        segment < this.#done.segment ||
        (segment === this.#done.segment && this.#done.offset >= size);
      if (!past || segment === this.#writeSegment) continue;
      this.#saveDone();
      fs.rmSync(this.#name(segment), { force: true });
      this.#sizes.delete(segment);
    }
  }

  #loadDone(first: Position): Position {
    try {
      const saved: unknown = JSON.parse(
        fs.readFileSync(path.join(this.#directory, "journal.done"), "utf8"),
      );
      const { segment, offset, lastAt } = saved as Partial<Position> & {
        readonly lastAt?: unknown;
      };
      // A clock that was set back must not hand out names that the database has seen.
      if (typeof lastAt === "number") this.#lastAt = lastAt;
      if (typeof segment === "number" && typeof offset === "number" && segment >= first.segment)
        return { segment, offset };
    } catch {
      // None yet, or unreadable: replaying from the first record stores nothing twice.
    }
    return first;
  }

  #saveDone(): void {
    const { segment, offset } = this.#done;
    if (segment === this.#doneWritten.segment && offset === this.#doneWritten.offset) return;
    const target = path.join(this.#directory, "journal.done");
    fs.writeFileSync(`${target}.new`, JSON.stringify({ segment, offset, lastAt: this.#lastAt }));
    fs.renameSync(`${target}.new`, target);
    this.#doneWritten = this.#done;
  }
}

function parseRecord(text: string): JournalRecord | null {
  try {
    const value = JSON.parse(text) as Partial<JournalRecord> | null;
    if (
      typeof value?.at !== "number" ||
      typeof value.node !== "string" ||
      typeof value.line !== "string"
    )
      return null;
    return { at: value.at, node: value.node, line: value.line };
  } catch {
    return null;
  }
}
