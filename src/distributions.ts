import { HostkitError } from "./errors.ts";

/**
 * Everything in which one release of a distribution differs from another: nothing else in src asks for a name or a version, and
 * test/unit/distributions.test.ts looks that it stays so. What a host itself tells (whether a socket holds its sshd, which Docker runs)
 * is asked there and is no row.
 */
export interface Distribution {
  /** os-release(5) ID. */
  readonly id: string;
  /** os-release VERSION_ID. */
  readonly version: string;
  /** What people call the distribution. */
  readonly name: string;
  /** The major version of its PostgreSQL. */
  readonly postgresql: number;
  /** Packages of its Docker Engine with the client. */
  readonly docker: readonly string[];
  /** Its Engine's version, and what that needs besides for its BuildKit: from 23.0 on a plugin of the client. */
  readonly builder: { readonly engine: string; readonly packages: readonly string[] };
  /** Whether it has a package caddy. */
  readonly hasCaddy: boolean;
  /** Key exchanges of OpenSSH 9.9 and later that its sshd knows; an older one refuses a list that names them. */
  readonly newKeyExchanges: readonly string[];
  readonly pgbackrest: {
    /** Since 2.46: repositories on SFTP servers. */
    readonly sftp: boolean;
    /** Small files in bundles (repo-bundle). */
    readonly bundle: boolean;
  };
  /** Where unattended upgrades come from: Unattended-Upgrade::Origins-Pattern, where that program fills `${…}` in. */
  readonly updateOrigins: {
    readonly security: readonly string[];
    /** On top of these. */
    readonly others: readonly string[];
  };
}

const code = "codename=${distro_codename}";
const debian = {
  id: "debian",
  name: "Debian",
  hasCaddy: true,
  updateOrigins: {
    security: [`origin=Debian,${code}-security,label=Debian-Security`],
    others: [`origin=Debian,${code},label=Debian`, `origin=Debian,${code}-updates,label=Debian`],
  },
};

const archive = (name: string): string =>
  `origin=Ubuntu,archive=\${distro_codename}${name},label=Ubuntu`;
const ubuntu = {
  id: "ubuntu",
  name: "Ubuntu",
  docker: ["docker.io"],
  builder: { engine: "29.1", packages: ["docker-buildx"] },
  updateOrigins: {
    security: [
      archive("-security"),
      "origin=UbuntuESM,archive=${distro_codename}-infra-security",
      "origin=UbuntuESMApps,archive=${distro_codename}-apps-security",
    ],
    others: [archive(""), archive("-updates")],
  },
};

/**
 * OpenSSH 9.9 brought the first and the second one's short name (release notes). Debian 13 has 10.0, Debian 12 has 9.2, Ubuntu 22.04
 * has 8.9, 24.04 has 9.6.
 */
const postQuantum = ["mlkem768x25519-sha256", "sntrup761x25519-sha512"];

/** What hostkit provisions. A row more is a system more; docs/hosts.md has the same rows for people. */
export const distributions: readonly Distribution[] = [
  {
    ...debian,
    version: "12",
    postgresql: 15,
    docker: ["docker.io"],
    builder: { engine: "20.10", packages: [] },
    newKeyExchanges: [],
    pgbackrest: { sftp: false, bundle: true },
  },
  {
    ...debian,
    version: "13",
    postgresql: 17,
    // The client is a package of its own since then.
    docker: ["docker.io", "docker-cli"],
    builder: { engine: "26.1", packages: ["docker-buildx"] },
    newKeyExchanges: postQuantum,
    pgbackrest: { sftp: true, bundle: true },
  },
  {
    ...ubuntu,
    version: "22.04",
    postgresql: 14,
    hasCaddy: false,
    newKeyExchanges: [],
    pgbackrest: { sftp: false, bundle: false },
  },
  {
    ...ubuntu,
    version: "24.04",
    postgresql: 16,
    hasCaddy: true,
    newKeyExchanges: [],
    pgbackrest: { sftp: true, bundle: true },
  },
  {
    ...ubuntu,
    version: "26.04",
    postgresql: 18,
    hasCaddy: true,
    newKeyExchanges: postQuantum,
    pgbackrest: { sftp: true, bundle: true },
  },
];

/** What names a release; `System` has more. */
export interface Release {
  readonly distribution: string;
  readonly version: string;
}

/** What a host is taken for that was never seen. */
export const likeliestRelease: Release = { distribution: "debian", version: "13" };

/** The row of a release; undefined where hostkit does not provision it. */
export function findDistribution({ distribution, version }: Release): Distribution | undefined {
  return distributions.find((one) => one.id === distribution && one.version === version);
}

/**
 * The row of a release.
 * @throws HostkitError os_unsupported
 */
export function distributionOf(release: Release): Distribution {
  const found = findDistribution(release);
  if (found !== undefined) return found;
  throw new HostkitError("os_unsupported", {
    what: `hostkit does not know ${release.distribution} ${release.version}`,
    why: `it provisions ${nameDistributions()}`,
    next: "take a host with one of these, or see docs/hosts.md",
  });
}

/** Those that can do something, for a sentence: "Debian 13 and Ubuntu 24.04 and 26.04". */
export function nameDistributions(
  isMeant: (distribution: Distribution) => boolean = () => true,
): string {
  const versions = new Map<string, string[]>();
  for (const { name, version } of distributions.filter(isMeant))
    versions.set(name, [...(versions.get(name) ?? []), version]);
  return [...versions]
    .map(([name, list]) => `${name} ${list.join(", ").replace(/, ([^,]*)$/, " and $1")}`)
    .join(" and ");
}

/** The name of a release in a sentence. */
export function nameRelease(release: Release): string {
  const name = findDistribution(release)?.name ?? release.distribution;
  return `${name} ${release.version}`;
}
