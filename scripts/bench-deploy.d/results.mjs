// What scripts/bench-deploy measured, as a part of docs/performance.md.
const round = (value, digits = 1) => value.toFixed(digits);
const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
const most = (values) => Math.max(0, ...values);

/** The longest p99 of any site in a window of that name. */
const p99Of = (seen, name) =>
  most(seen.map(({ windows }) => windows.find((one) => one.name === name)?.p99 ?? 0));

function rowOf(name, { sum, seen }, closed) {
  return `| ${name} | ${sum.failed} of ${sum.asked} | ${sum.websocketsCut} | ${sum.eventsCut} | ${sum.slowFailed} of ${sum.slowDone + sum.slowFailed} | ${closed} | ${p99Of(seen, "rest")} ms | ${p99Of(seen, "switch")} ms |`;
}

export function renderResults({ os, idle, releases, sites, builds, bad = [], reloads }) {
  const { sum } = releases;
  const counts = `${releases.releases.length} releases, ${releases.ways.length * 2} more with ways back`;
  return `## Releases under load

\`scripts/bench-deploy\`, ${os}: 200 requests a second through TLS, 200 WebSockets, 50 event streams over HTTP/2 and 10 requests of 30 s, half of each
on the service that is released and half on another. A stream is *cut* where it ends without the program's goodbye; *closed* is what the released
service's own said goodbye to after \`drain\`, here 10 s.

| | requests lost | WebSockets cut | event streams cut | long requests cut | closed | p99 at rest | p99 while it moves |
|---|---|---|---|---|---|---|---|
${rowOf(`hostkit, ${counts}`, releases, `${sum.websocketsClosed} + ${sum.eventsClosed}`)}
${rowOf(`hostkit, ${sites.seconds.length} changes of a site`, sites, "–")}
${reloads === undefined ? "" : `${rowOf("plain Caddy, reloads", reloads.caddy, "–")}\n${rowOf("nginx, reloads", reloads.nginx, "–")}\n`}
| | measured | target |
|---|---|---|
| a deploy with nothing to do | ${round(median(idle.deploy), 2)} s, ${round(median(idle.deploy) / median(idle.floor), 2)} × the floor (one OpenSSH login that asks the host once: ${round(median(idle.floor), 2)} s) | ≤ 1.5 × the floor |
| from healthy to moved | ${round(median(releases.releases.map(({ moved }) => moved)))} s, at most ${round(most(releases.releases.map(({ moved }) => moved)))} s | < 2 s |
| a release, from the command to its end | ${round(median(releases.releases.map(({ seconds }) => seconds)))} s, at most ${round(most(releases.releases.map(({ seconds }) => seconds)))} s | |
| a changed site, from the command to its end | ${round(median(sites.seconds))} s, at most ${round(most(sites.seconds))} s | |
| p99 of a service at 100 requests a second, while another is built by all that the host has | ${builds.build} ms, ${builds.rest} ms at rest (${builds.builds} builds) | < 1.2 × |
| a rollback, from the command to its end | ${round(median(releases.ways.map(({ seconds }) => seconds)))} s, at most ${round(most(releases.ways.map(({ seconds }) => seconds)))} s | < 3 s |
${bad.map(({ about, code, held, failures, bad: badSeconds }) => `| a release that ${about}: had the traffic for | ${round(held)} s (exit code ${code}; ${failures} bad answers in ${round(badSeconds)} s) | ≤ its watch |`).join("\n")}
`;
}
