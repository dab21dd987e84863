import { sh } from "../../shell/script.ts";
import type { FactSource } from "../fact.ts";

export interface CertificateFact {
  /** Seconds since the epoch. */
  readonly notAfter: number;
  /** Issuer in one line, as openssl prints it. */
  readonly issuer: string;
}

/**
 * Certificates by site name: what the proxy on this host presents for it on port 443.
 * A site without a certificate (not issued yet) is absent.
 */
export const certificateFacts: FactSource<CertificateFact> = {
  name: "certificate",
  lane: "docker",
  script: (names) => sh`for name in ${names}; do
  case $name in *[!0-9.]*) sni="-servername $name" ;; *) sni="-noservername" ;; esac
  case $name in '*.'*) sni="-servername hostkit.\${name#\\*.}" ;; esac
  text=$(timeout 5 openssl s_client -connect 127.0.0.1:443 $sni </dev/null 2>/dev/null |
    openssl x509 -noout -enddate -issuer -nameopt RFC2253 2>/dev/null | tr '\\n' ' ')
  [ -n "$text" ] && echo "$name $text"
done`,
  parse(stdout) {
    const found = new Map<string, CertificateFact>();
    for (const line of stdout.split("\n")) {
      const match = /^(\S+) notAfter=(.+? GMT) issuer=(.*?) *$/.exec(line);
      if (match === null) continue;
      const [, name, date, issuer] = match as unknown as [string, string, string, string];
      found.set(name, { notAfter: parseOpensslDate(date), issuer });
    }
    return found;
  },
};

const months = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

/** `Nov 21 01:02:03 2026 GMT` */
function parseOpensslDate(text: string): number {
  const match = /^(\w{3}) +(\d+) (\d+):(\d+):(\d+) (\d{4}) GMT$/.exec(text);
  if (match === null) return 0;
  const [, month, day, hour, minute, second, year] = match as unknown as [
    string,
    string,
    string,
    string,
    string,
    string,
    string,
  ];
  return (
    Date.UTC(
      Number(year),
      months.indexOf(month),
      Number(day),
      Number(hour),
      Number(minute),
      Number(second),
    ) / 1000
  );
}
