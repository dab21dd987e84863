import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { HostkitError } from "../errors.ts";
import { type UpOptions, upLabHost } from "./host.ts";
import type { LabHost } from "./lab-host.ts";
import { runOnLabHost } from "./login.ts";

/** An ACME server (Pebble) and the name server it asks, on a lab host of their own. */
export interface AcmeServer {
  readonly host: LabHost;
  /** The directory URL for a manifest's `acme_directory`. */
  readonly directory: string;
  /** PEM file on this machine: who signed the ACME server's own HTTPS certificate. ACME clients must trust it. */
  readonly serverCaPath: string;
  /** PEM file on this machine: the root of the certificates it issues; new at every start. Browsers must trust it. */
  readonly issuerRootPath: string;
}

/** Site names and the address Pebble finds each one under. */
export type SiteNames = Readonly<Record<string, string>>;

const configuration = JSON.stringify({
  pebble: {
    listenAddress: "0.0.0.0:14000",
    managementListenAddress: "0.0.0.0:15000",
    certificate: "/etc/lab-acme/server.pem",
    privateKey: "/etc/lab-acme/server.key",
    httpPort: 80,
    tlsPort: 443,
    ocspResponderURL: "",
    externalAccountBindingRequired: false,
  },
});

// Pebble keeps nothing over a restart, so its unit must not restart by itself in the middle of a test.
const pebbleUnit = `[Unit]
Description=Pebble ACME server of the lab
After=lab-names.service
[Service]
ExecStart=/usr/bin/pebble -config /etc/lab-acme/pebble.json -dnsserver 127.0.0.1:53 -strict
Environment=PEBBLE_VA_NOSLEEP=1
[Install]
WantedBy=multi-user.target
`;

// Knows the names of the lab and no others: a name that is not there must fail, not leave the lab.
const namesUnit = `[Unit]
Description=Name server of the lab
[Service]
ExecStart=/usr/sbin/dnsmasq --keep-in-foreground --conf-file=/dev/null --no-resolv --no-hosts --hostsdir=/etc/lab-names \\
  --local=/#/ --bind-interfaces --listen-address=127.0.0.1 --user=root --cache-size=0
[Install]
WantedBy=multi-user.target
`;

const setup = (address: string) => `set -eu
umask 022
mkdir -p /etc/lab-acme /etc/lab-names
cd /etc/lab-acme
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj "/CN=hostkit lab ACME CA" \\
  -keyout ca.key -out ca.pem 2>/dev/null
openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=acme" -keyout server.key -out server.csr 2>/dev/null
printf 'subjectAltName=IP:%s,IP:127.0.0.1,DNS:localhost\\nextendedKeyUsage=serverAuth\\n' '${address}' > server.ext
openssl x509 -req -days 3650 -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile server.ext -out server.pem 2>/dev/null
cat > pebble.json <<'EOF'
${configuration}
EOF
cat > /etc/systemd/system/lab-pebble.service <<'EOF'
${pebbleUnit}EOF
cat > /etc/systemd/system/lab-names.service <<'EOF'
${namesUnit}EOF
systemctl disable --now --quiet dnsmasq pebble 2>/dev/null || true
systemctl daemon-reload
systemctl enable --now --quiet lab-names lab-pebble
`;

/** Starts (or finds) the lab's ACME server and tells it under which addresses the sites are. */
export async function upAcmeServer(
  sites: SiteNames,
  options: Partial<UpOptions> = {},
): Promise<AcmeServer> {
  const host = await upLabHost({
    name: "acme",
    ...options,
    packages: ["pebble", "dnsmasq-base", "openssl", "curl"],
  });
  const serverCaPath = path.join(host.folder, "acme-server-ca.pem");
  const issuerRootPath = path.join(host.folder, "acme-issuer-root.pem");
  const known = await runOnLabHost(host, "test -e /etc/systemd/system/lab-pebble.service");
  if (known.exitCode !== 0) await must(host, "sh -s", setup(host.address));
  await nameSites(host, sites);
  const retry = "for try in 1 2 3 4 5 6 7 8 9 10; do";
  const fetchRoot = `${retry} curl -sSf --cacert /etc/lab-acme/ca.pem https://127.0.0.1:15000/roots/0 && exit; sleep 0.2; done; exit 1`;
  await writeFile(serverCaPath, await must(host, "cat /etc/lab-acme/ca.pem"));
  await writeFile(issuerRootPath, await must(host, fetchRoot));
  return { host, directory: `https://${host.address}:14000/dir`, serverCaPath, issuerRootPath };
}

/** Makes a lab host's programs trust the ACME server's own HTTPS certificate, and so able to use it. */
export async function trustAcmeServer(acme: AcmeServer, host: LabHost): Promise<void> {
  const file = "/usr/local/share/ca-certificates/hostkit-lab-acme.crt";
  const command = `cat > ${file} && update-ca-certificates >/dev/null`;
  await must(host, command, await readFile(acme.serverCaPath, "utf8"));
}

async function nameSites(host: LabHost, sites: SiteNames): Promise<void> {
  const lines = Object.entries(sites).map(([name, address]) => `${address} ${name}\n`);
  if (lines.length === 0) return;
  // A new file, renamed into place: dnsmasq reads what appears in this folder.
  await must(
    host,
    "cat > /etc/lab-names.new && mv /etc/lab-names.new /etc/lab-names/sites",
    lines.join(""),
  );
  await must(host, "systemctl restart lab-names");
}

async function must(host: LabHost, command: string, input?: string): Promise<string> {
  const result = await runOnLabHost(host, command, input === undefined ? {} : { input });
  if (result.exitCode === 0) return result.stdout;
  throw new HostkitError("lab_unavailable", {
    what: "the lab's ACME server could not be set up",
    where: host.name,
    details: [...result.stdout.split("\n"), ...result.stderr.split("\n")]
      .filter((line) => line !== "")
      .slice(-15),
  });
}
