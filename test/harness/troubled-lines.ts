const bytes = (...parts: readonly (string | readonly number[])[]): Buffer =>
  Buffer.concat(
    parts.map((part) => (typeof part === "string" ? Buffer.from(part) : Buffer.from(part))),
  );

/** What a cluster node may send, and what raw_spots must have of it: kind, beginning of the text, its length. */
export const troubles: readonly (readonly [
  what: string,
  sent: Buffer,
  kind: string,
  text: string,
  length: number,
])[] = [
  [
    "Latin-1",
    bytes("DX de F5ABC: 14030.0 VP8LA gr", [0xfc, 0xdf], "e 1200Z"),
    "spot",
    "DX de F5ABC: 14030.0 VP8LA gr\u00fc\u00dfe",
    38,
  ],
  [
    "UTF-8",
    bytes("DX de F5ABC: 14031.0 VP8LB gr\u00fc\u00dfe 1200Z"),
    "spot",
    "DX de F5ABC: 14031.0 VP8LB gr\u00fc\u00dfe",
    38,
  ],
  [
    "a NUL",
    bytes("DX de F5ABC: 14032.0 VP8LC a\u0000b 1200Z"),
    "spot",
    "DX de F5ABC: 14032.0 VP8LC a\u2400b",
    36,
  ],
  ["no frequency", bytes("DX de F5ABC: loud VP8LD"), "broken", "DX de F5ABC: loud VP8LD", 23],
  [
    "an over-long spot",
    bytes(`DX de F5ABC: 14033.0 VP8LE ${"x".repeat(9000)}`),
    "spot",
    "DX de F5ABC: 14033.0 VP8LE xxx",
    4096,
  ],
  ["an over-long line", bytes(`Q${"\u20ac".repeat(9000)}`), "broken", "Q\u20ac\u20ac\u20ac", 1366],
  [
    "bytes that are no text",
    bytes([1, 2, 3, 4, 5, 6, 7, 8, 0x80, 0x81]),
    "broken",
    "\u0001\u0002",
    10,
  ],
  [
    "a subnegotiation without end",
    bytes([0xff, 0xfa, 0x18, 1, 2, 3, 4, 5, 6], "x"),
    "broken",
    "\u00ff\u00fa\u0018",
    10,
  ],
  [
    "the sun",
    bytes("WWV de VE7CC <12>:   SFI=151, A=7, K=3, No Storms -> No Storms"),
    "wwv",
    "WWV de VE7CC",
    62,
  ],
  ["people", bytes("To ALL de F5ABC: qrz?"), "announcement", "To ALL de F5ABC: qrz?", 21],
];
