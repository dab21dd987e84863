import { createPrivateKey, X509Certificate } from "node:crypto";
import type { Site } from "../manifest/manifest.ts";

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
