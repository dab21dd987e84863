import { createPrivateKey, X509Certificate } from "node:crypto";
import type { Site } from "../manifest/manifest.ts";

/**
 * What is wrong with a file of certificates that sign others; undefined when nothing is. Everybody on the host may read it.
 * @param text absent where the file could not be read
 * @param now milliseconds since the epoch
 */
export function checkAuthorities(text: string | undefined, now: number): string | undefined {
  if (text === undefined) return undefined;
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text))
    return "there is a private key in this file; only certificates belong there";
  const found = text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  if (found.length === 0)
    return "this is not a PEM certificate (it begins with -----BEGIN CERTIFICATE-----)";
  for (const each of found) {
    try {
      const { validTo } = new X509Certificate(each);
      if (Date.parse(validTo) < now) return `a certificate in it ended on ${validTo}`;
    } catch {
      return "a certificate in it cannot be read";
    }
  }
  return undefined;
}

/**
 * What is wrong with a certificate and its key for a site; undefined when nothing is.
 * @param now milliseconds since the epoch
 */
export function checkCertificate(
  site: Site,
  certificate: string,
  key: string,
  now: number,
): string | undefined {
  let parsed: X509Certificate;
  try {
    parsed = new X509Certificate(certificate);
  } catch {
    return "this is not a PEM certificate (it begins with -----BEGIN CERTIFICATE-----)";
  }
  if (Date.parse(parsed.validTo) < now) return `the certificate ended on ${parsed.validTo}`;
  const isAddress = /^[0-9.]+$|:/.test(site.name);
  const covers = isAddress
    ? parsed.checkIP(site.name)
    : parsed.checkHost(site.name.replace(/^\*/, "any"));
  if (covers === undefined)
    return `the certificate is not for ${site.name}, but for ${parsed.subjectAltName ?? parsed.subject}`;
  try {
    if (parsed.checkPrivateKey(createPrivateKey(key))) return undefined;
  } catch {
    return "the key is not a private key in PEM without a passphrase";
  }
  return "the key does not belong to the certificate";
}
