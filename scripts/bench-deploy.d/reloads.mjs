// The same load beside what a reload of plain Caddy and of nginx does to it, on the same host with the same programs behind.
import { setTimeout as sleep } from "node:timers/promises";
import { pageSite, talkSite } from "./shop.mjs";
import { fullLoad, startVisiting, sumUp } from "./visiting.mjs";

const nginx = (ports) => `map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
${Object.entries(ports)
  .map(
    ([name, port]) => `server {
  listen 8443 ssl http2;
  server_name ${name};
  ssl_certificate /etc/nginx/bench.crt;
  ssl_certificate_key /etc/nginx/bench.key;
  location / {
    proxy_pass http://127.0.0.1:${port};
    proxy_http_version 1.1;
    proxy_set_header Host $host;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $connection_upgrade;
    proxy_buffering off;
    proxy_read_timeout 1h;
  }
}`,
  )
  .join("\n")}
`;

const caddy = (ports) => `{
  admin localhost:2020
  skip_install_trust
  auto_https disable_redirects
}
${Object.entries(ports)
  .map(
    ([name, port]) =>
      `${name}:9443 {\n  tls /etc/nginx/bench.crt /etc/nginx/bench.key\n  reverse_proxy 127.0.0.1:${port}\n}`,
  )
  .join("\n")}
`;

async function portOf(shop, service) {
  return shop.onHost(
    `cd /etc/hostkit/shop/upstreams && s=a && if [ -e ${service}.b ]; then s=b; fi && grep -o '127\\.0\\.0\\.1:[0-9]*' ${service}.$s.caddy | cut -d: -f2`,
  );
}

async function measure(shop, port, reload, reloads, say) {
  const visiting = startVisiting(shop.address, fullLoad([pageSite, talkSite]), port);
  await sleep(5000);
  visiting.begin("rest");
  await sleep(10_000);
  for (let number = 0; number < reloads; number += 1) {
    visiting.begin("switch");
    await shop.onHost(reload);
    await sleep(1000);
    visiting.begin("between");
    await sleep(2000);
  }
  const seen = await visiting.stop();
  say(`${reload}: ${JSON.stringify(sumUp(seen))}`);
  return { seen, sum: sumUp(seen) };
}

/** @returns what so many reloads of each did to the load */
export async function measureReloads(shop, reloads, say) {
  const ports = { [pageSite]: await portOf(shop, "page"), [talkSite]: await portOf(shop, "talk") };
  const put = (file, text) =>
    shop.onHost(`printf %s ${Buffer.from(text).toString("base64")} | base64 -d >${file}`);
  await shop.onHost(
    "DEBIAN_FRONTEND=noninteractive apt-get install -y -qq nginx-light openssl >/dev/null 2>&1 || true; rm -f /etc/nginx/sites-enabled/default",
  );
  await shop.onHost(
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=bench -keyout /etc/nginx/bench.key -out /etc/nginx/bench.crt 2>/dev/null && chmod 0644 /etc/nginx/bench.key",
  );
  await put("/etc/nginx/conf.d/bench.conf", nginx(ports));
  await shop.onHost("nginx -t 2>/dev/null && systemctl restart nginx");
  await put("/root/bench.caddy", caddy(ports));
  await shop.onHost(
    "systemd-run --quiet --unit=bench-caddy --setenv=HOME=/root caddy run --config /root/bench.caddy --adapter caddyfile; sleep 2",
  );
  return {
    caddy: await measure(
      shop,
      9443,
      "caddy reload --force --address localhost:2020 --config /root/bench.caddy --adapter caddyfile 2>/dev/null",
      reloads,
      say,
    ),
    nginx: await measure(shop, 8443, "systemctl reload nginx", reloads, say),
  };
}
