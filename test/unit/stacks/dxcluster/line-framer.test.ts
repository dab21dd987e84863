import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  LineFramer,
  longestLine,
} from "../../../../templates/stacks/dxcluster/scraper/src/line-framer.ts";

function frame(...chunks: readonly (string | readonly number[])[]): {
  lines: string[];
  pending: string;
  reply: number[];
} {
  const framer = new LineFramer();
  const lines: string[] = [];
  const reply: number[] = [];
  let pending = "";
  for (const chunk of chunks) {
    const framed = framer.push(
      typeof chunk === "string" ? Buffer.from(chunk, "utf8") : Buffer.from(chunk),
    );
    lines.push(...framed.lines.map((line) => line.text));
    reply.push(...(framed.reply ?? []));
    pending = framed.pending;
  }
  return { lines, pending, reply };
}

describe("LineFramer", () => {
  it("takes CR, LF and both as line ends, and leaves a prompt pending", () => {
    expect(frame("one\r\ntwo\nthree\r", "login: ")).toEqual({
      lines: ["one", "two", "three"],
      pending: "login: ",
      reply: [],
    });
  });

  it("reads Latin-1 where the bytes are no UTF-8", () => {
    expect(frame([0x67, 0x72, 0xfc, 0xdf, 0x65, 10]).lines).toEqual(["grüße"]);
    expect(frame("grüße\n").lines).toEqual(["grüße"]);
  });

  it("declines telnet options once and keeps them out of the text", () => {
    const will = [0xff, 0xfb, 0x01];
    const please = [0xff, 0xfd, 0x18];
    expect(frame([...will, 0x68, 0x69, ...please, ...will, 10])).toEqual({
      lines: ["hi"],
      pending: "",
      reply: [0xff, 0xfe, 0x01, 0xff, 0xfc, 0x18],
    });
  });

  it("skips a subnegotiation that is torn between chunks", () => {
    expect(frame([0x61, 0xff, 0xfa, 0x18], [0x01, 0xff], [0xf0, 0x62, 10]).lines).toEqual(["ab"]);
  });

  it("takes what never ends as a subnegotiation for text", () => {
    const spot = "DX de DL1ABC: 14025.0 JA1XYZ CW 1445Z";
    expect(frame([0xff, 0xfa, 0x18, 0x61], "bc\r\n", `${spot}\r\n`).lines).toEqual([
      "\u00ff\u00fa\u0018abc",
      spot,
    ]);
    expect(frame([0x61, 0xff, 0xfa], `${"x".repeat(100)}\n`).lines).toEqual([
      `a\u00ff\u00fa${"x".repeat(100)}`,
    ]);
  });

  it("hears every line that comes after a line end, whatever came before", () => {
    const hostile = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.array(fc.constantFrom(0xff, 0xfa, 0xf0, 0xfb, 0xfd, 0x0d, 0x41), { maxLength: 100 }),
    );
    fc.assert(
      fc.property(hostile, (garbage) => {
        expect(frame([...garbage], "\r\n", "DX de DL1ABC\r\n").lines.at(-1)).toBe("DX de DL1ABC");
      }),
      { numRuns: 1000 },
    );
  });

  it("cuts between characters", () => {
    const framer = new LineFramer();
    for (const lead of ["", "x", "xx", "xxx"]) {
      for (const letter of ["\u00fc", "\u20ac", "\u{1f4fb}"]) {
        const { lines } = framer.push(Buffer.from(`${lead}${letter.repeat(longestLine)}\n`));
        expect(lines[0]?.text.replaceAll(letter, "")).toBe(lead);
      }
    }
  });

  it("cuts an over-long line and says so", () => {
    const framer = new LineFramer();
    const { lines } = framer.push(Buffer.from(`${"x".repeat(longestLine + 500)}\nnext\n`));
    expect(lines.map((line) => [line.text.length, line.cut])).toEqual([
      [longestLine, true],
      [4, false],
    ]);
  });

  it("forgets a prompt that was answered, so that its line end does not bring it back", () => {
    const framer = new LineFramer();
    expect(framer.push(Buffer.from("login: ")).pending).toBe("login: ");
    framer.dropPending();
    expect(framer.push(Buffer.from("\r\nHello\r\n")).lines.map((line) => line.text)).toEqual([
      "Hello",
    ]);
  });

  it("never holds a NUL, which PostgreSQL refuses", () => {
    expect(frame([0x61, 0, 0x62, 10]).lines).toEqual(["a\u2400b"]);
  });

  it("gives the same lines however the bytes are torn", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 400 }),
        fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }),
        (bytes, sizes) => {
          const whole = new LineFramer().push(bytes);
          const framer = new LineFramer();
          const lines: unknown[] = [];
          let pending = "";
          for (let at = 0, turn = 0; at < bytes.length; turn++) {
            const size = sizes[turn % sizes.length] ?? 1;
            const framed = framer.push(bytes.subarray(at, at + size));
            lines.push(...framed.lines);
            pending = framed.pending;
            at += size;
          }
          expect(lines).toEqual(whole.lines);
          if (bytes.length > 0) expect(pending).toBe(whole.pending);
        },
      ),
    );
  });
});
