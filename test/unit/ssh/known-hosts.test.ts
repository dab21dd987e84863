import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import {
  fingerprintKey,
  hasCertificateAuthority,
  hashKnownHost,
  judgeHostKey,
  knownHostName,
  listKnownKeyTypes,
  matchesKnownHost,
  parseKnownHosts,
} from "../../../src/ssh/known-hosts.ts";

interface Case {
  known_hosts: string;
  host: string;
  port?: number;
  offered: string;
  verdict: "known" | "unknown" | "changed" | "revoked";
  lines?: number[];
  types: string[];
  authority?: boolean;
}

const folder = join(import.meta.dirname, "../../cases/ssh/known-hosts");
const keyOf = (text: string): Buffer => Buffer.from(text.split(" ")[1] ?? "", "base64");

describe("known_hosts", () => {
  const files = readdirSync(folder).sort();
  it("has cases", () => expect(files.length).toBeGreaterThan(15));

  it.each(files)("%s", (file) => {
    const given = parse(readFileSync(join(folder, file), "utf8")) as Case;
    const entries = parseKnownHosts(given.known_hosts, "known_hosts");
    const port = given.port ?? 22;
    const verdict = judgeHostKey(entries, given.host, port, keyOf(given.offered));
    expect(verdict.kind).toBe(given.verdict);
    if (verdict.kind === "changed")
      expect(verdict.entries.map((entry) => entry.line)).toEqual(given.lines);
    if (verdict.kind === "unknown")
      expect(verdict.others.map((entry) => entry.line)).toEqual(given.lines);
    if (verdict.kind === "revoked") expect([verdict.entry.line]).toEqual(given.lines);
    expect(listKnownKeyTypes(entries, given.host, port)).toEqual(given.types);
    expect(hasCertificateAuthority(entries, given.host, port)).toBe(given.authority ?? false);
  });

  it("prints fingerprints as ssh-keygen -l does", () => {
    const key = "AAAAC3NzaC1lZDI1NTE5AAAAIC7dOo1Ql8ec8PHUkjCpZhfZdKoKgjj1h6nFqC71wcli";
    expect(fingerprintKey(Buffer.from(key, "base64"))).toBe(
      "SHA256:R7gln/I/0rfHygMy4RZ2/R2ayvWI06WSQjN92Mt9GuM",
    );
  });

  it("finds every name it hashed, and no other", () => {
    const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIC7dOo1Ql8ec8PHUkjCpZhfZdKoKgjj1h6nFqC71wcli";
    fc.assert(
      fc.property(
        fc.domain(),
        fc.domain(),
        fc.integer({ min: 1, max: 65_535 }),
        fc.uint8Array({ minLength: 20, maxLength: 20 }),
        (host, other, port, salt) => {
          const line = `${hashKnownHost(knownHostName(host, port), salt)} ${key}\n`;
          const [entry] = parseKnownHosts(line, "f");
          if (entry === undefined) throw new Error("the line was not read");
          expect(matchesKnownHost(entry, knownHostName(host, port))).toBe(true);
          fc.pre(other !== host);
          expect(matchesKnownHost(entry, knownHostName(other, port))).toBe(false);
        },
      ),
    );
  });

  it("never throws and never trusts on arbitrary text", () => {
    const offered = keyOf(
      "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIC7dOo1Ql8ec8PHUkjCpZhfZdKoKgjj1h6nFqC71wcli",
    );
    const word = fc.oneof(
      fc.string(),
      fc.constantFrom("|1|", "@revoked", "ssh-ed25519", "AAAA", "*", "[", "dx1"),
    );
    fc.assert(
      fc.property(fc.array(word), fc.constantFrom(" ", "\n", "\t", ","), (words, glue) => {
        const verdict = judgeHostKey(parseKnownHosts(words.join(glue), "f"), "dx1", 22, offered);
        expect(["unknown", "changed"]).toContain(verdict.kind);
      }),
    );
  });
});
