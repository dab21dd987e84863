// The tries: what is going on, when it is interrupted, and by what.

/** `at`: a change's id (a part of it), the step that has just started (0: the change's own begin, "confirm": its guard waits, "ok": it is done). */
const point = (id, step = 1) => ({ id, step });

const tries = [
  // A cold provision.
  { scenario: "cold", fault: "controller", at: point("packages:apt"), afterSeconds: 3 },
  { scenario: "cold", fault: "controller", at: point("sshd:") },
  { scenario: "cold", fault: "runner", at: point("packages:apt") },
  { scenario: "cold", fault: "runner", at: point("packages:apt"), afterSeconds: 8 },
  { scenario: "cold", fault: "runner", at: point("nftables:", 3) },
  { scenario: "cold", fault: "runner", at: point("sshd:", "confirm") },
  { scenario: "cold", fault: "runner", at: point("postgres-settings:") },
  { scenario: "cold", fault: "runner", at: point("postgres-migrations:") },
  { scenario: "cold", fault: "runner", at: point("release:page", 3) },
  { scenario: "cold", fault: "runner", at: point("systemd/journald.conf.d", "ok") },
  { scenario: "cold", fault: "power", at: point("packages:apt"), afterSeconds: 8 },
  { scenario: "cold", fault: "power", at: point("image:") },
  { scenario: "cold", fault: "power", at: point("caddy:") },
  { scenario: "cold", fault: "link", at: point("packages:apt"), afterSeconds: 2 },
  { scenario: "cold", fault: "disk", at: point("packages:apt"), afterSeconds: 6 },
  { scenario: "cold", fault: "apt", at: point("packages:apt", 0) },
  { scenario: "cold", fault: "sshd", at: point("image:") },
  // A cold provision that nobody goes on with: the host has to be bare again.
  { scenario: "begun", fault: "runner", at: point("packages:apt"), afterSeconds: 8 },
  { scenario: "begun", fault: "power", at: point("packages:apt"), afterSeconds: 8 },
  // Something else in every section.
  { scenario: "change", fault: "controller", at: point("nftables:", 3) },
  { scenario: "change", fault: "controller", at: point("postgres-settings:") },
  { scenario: "change", fault: "runner", at: point("nftables:", 1) },
  { scenario: "change", fault: "runner", at: point("nftables:", 3) },
  { scenario: "change", fault: "runner", at: point("nftables:", "confirm") },
  { scenario: "change", fault: "runner", at: point("journald.conf.d", "ok") },
  { scenario: "change", fault: "runner", at: point("sysctl:") },
  { scenario: "change", fault: "runner", at: point("postgres-settings:") },
  { scenario: "change", fault: "runner", at: point("postgres-migrations:") },
  { scenario: "change", fault: "runner", at: point("caddy:", 2) },
  { scenario: "change", fault: "runner", at: point("file:/etc/hostkit/shop", "ok") },
  { scenario: "change", fault: "runner", at: point("release:page", 4) },
  { scenario: "change", fault: "power", at: point("nftables:", 3) },
  { scenario: "change", fault: "power", at: point("postgres-settings:") },
  { scenario: "change", fault: "power", at: point("release:page", 3) },
  { scenario: "change", fault: "link", at: point("nftables:", 1) },
  { scenario: "change", fault: "link", at: point("release:page", 1) },
  { scenario: "change", fault: "disk", at: point("file:", 1) },
  { scenario: "change", fault: "sshd", at: point("nftables:", 1) },
  // Only a new image.
  { scenario: "release", fault: "controller", at: point("release:page", 1) },
  { scenario: "release", fault: "runner", at: point("image:") },
  { scenario: "release", fault: "runner", at: point("release:page", 3) },
  { scenario: "release", fault: "runner", at: point("release:page", 4) },
  { scenario: "release", fault: "runner", at: point("release:page", 5) },
  { scenario: "release", fault: "power", at: point("release:page", 3) },
  { scenario: "release", fault: "power", at: point("release:page", 5) },
  { scenario: "release", fault: "link", at: point("release:page", 3) },
  { scenario: "release", fault: "link", at: point("release:page", "ok") },
  { scenario: "release", fault: "disk", at: point("image:") },
  // And away with it.
  { scenario: "uninstall", fault: "controller", at: point("packages:apt") },
  { scenario: "uninstall", fault: "runner", at: point("packages:apt"), afterSeconds: 3 },
  { scenario: "uninstall", fault: "runner", at: point("sshd:") },
  { scenario: "uninstall", fault: "runner", at: point("nftables:") },
  { scenario: "uninstall", fault: "runner", at: point("caddy:") },
  { scenario: "uninstall", fault: "power", at: point("packages:apt"), afterSeconds: 3 },
  { scenario: "uninstall", fault: "power", at: point("release:") },
  { scenario: "uninstall", fault: "link", at: point("packages:apt") },
  { scenario: "uninstall", fault: "apt", at: point("release:", 1) },
];

// All of one scenario: each further one wants a host of its own to be compared with.
const sample = new Set(["change runner release:page step 4", "change link release:page step 1"]);

export const allTries = tries.map(({ scenario, fault, at, afterSeconds = 0 }) => {
  const when =
    { ok: "done", confirm: "waits for its confirmation", 0: "before" }[at.step] ??
    `step ${at.step}`;
  const later = afterSeconds === 0 ? "" : ` + ${afterSeconds} s`;
  const name = `${scenario} ${fault} ${at.id} ${when}${later}`;
  return { name, scenario, fault, at, afterSeconds, isSample: sample.has(name) };
});
