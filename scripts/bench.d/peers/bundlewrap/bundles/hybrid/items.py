# The same end state as site.yml, from the same templates and files.
from base64 import b64encode
from hashlib import pbkdf2_hmac, sha256
from hmac import digest
from os import environ
from os.path import join
from jinja2 import Environment
from yaml import safe_load

V = safe_load(open(join(repo.path, "..", "vars.yml")))
V["interval"] = int(environ.get("INTERVAL", V["interval"]))
J = Environment(trim_blocks=True, keep_trailing_newline=True)
PG = f"/etc/postgresql/{V['pg_version']}/main"


def scram(pw, salt=b"bench-fixed-salt", n=4096):
    k = pbkdf2_hmac("sha256", pw.encode(), salt, n)
    stored = sha256(digest(k, b"Client Key", "sha256")).digest()
    b = lambda x: b64encode(x).decode()
    return f"SCRAM-SHA-256${n}:{b(salt)}${b(stored)}:{b(digest(k, b'Server Key', 'sha256'))}"


def tpl(src, mode="0644", owner="root", group="root", item=None, **kw):
    # rendered here: bundlewrap reserves the name `item`, which the shared templates use
    text = J.from_string(open(join(repo.path, "..", "templates", src)).read()).render(**V, item=item or {})
    return {"content": text, "content_type": "text", "mode": mode, "owner": owner, "group": group, **kw}


def raw(src, mode, **kw):
    return {"source": "raw/" + src, "content_type": kw.pop("content_type", "text"), "mode": mode, "owner": "root", "group": "root", **kw}


apt = {"needs": ["pkg_apt:"]}
pkg_apt = {p: {} for p in V["packages"] + ["file"]}  # bundlewrap runs `file` on the host
groups = {"hybrid": {"gid": 10000}, "deployer": {"gid": 10003}}
users = {
    "scraper": {"uid": 10001, "gid": 10000, "home": "/var/lib/hybrid/scraper", "shell": "/usr/sbin/nologin", "needs": ["group:hybrid"]},
    "webapp": {"uid": 10002, "gid": 10000, "home": "/nonexistent", "shell": "/usr/sbin/nologin", "needs": ["group:hybrid"]},
    "deployer": {"uid": 10003, "gid": 10003, "home": "/home/deployer", "shell": "/bin/bash", "groups": ["hybrid"], "needs": ["group:hybrid", "group:deployer"]},
}
directories = {d["path"]: {"mode": d["mode"], "owner": d["owner"], "group": d["group"]} for d in V["directories"]}
directories.update({
    "/home/deployer": {"mode": "0700", "owner": "deployer", "group": "deployer"},
    "/home/deployer/.ssh": {"mode": "0700", "owner": "deployer", "group": "deployer"},
    "/etc/systemd/journald.conf.d": {"mode": "0755"},
})
RELOAD = ["action:daemon-reload"]
files = {
    "/home/deployer/.ssh/authorized_keys": {"content": V["deploy_key"] + "\n", "mode": "0600", "owner": "deployer", "group": "deployer"},
    "/etc/sudoers.d/60-hybrid": tpl("sudoers.j2", "0440", test_with="visudo -cf {}"),
    "/etc/sysctl.d/60-hybrid.conf": tpl("sysctl.conf.j2", triggers=["action:sysctl"]),
    "/etc/ssh/sshd_config.d/60-hybrid.conf": tpl("sshd.conf.j2", triggers=["svc_systemd:ssh:reload"]),
    "/etc/systemd/journald.conf.d/60-hybrid.conf": tpl("journald.conf.j2", triggers=["svc_systemd:systemd-journald:restart"]),
    "/etc/apt/apt.conf.d/20auto-upgrades": tpl("20auto-upgrades.j2", **apt),
    "/etc/apt/apt.conf.d/52unattended-upgrades-local": tpl("52unattended.j2", **apt),
    "/etc/default/chrony": tpl("chrony.default.j2", triggers=["svc_systemd:chrony:restart"], **apt),
    "/etc/chrony/conf.d/60-hybrid.conf": tpl("chrony.conf.j2", triggers=["svc_systemd:chrony:restart"], **apt),
    "/etc/logrotate.d/hybrid": tpl("logrotate.j2", **apt),
    "/etc/nftables.conf": tpl("nftables.conf.j2", triggers=["svc_systemd:nftables:reload"], **apt),
    PG + "/conf.d/60-hybrid.conf": tpl("postgresql.conf.j2", owner="postgres", group="postgres", triggers=["svc_systemd:postgresql:restart"], **apt),
    PG + "/pg_hba.conf": tpl("pg_hba.conf.j2", "0640", "postgres", "postgres", triggers=["svc_systemd:postgresql:reload"], **apt),
    "/etc/docker/daemon.json": tpl("daemon.json.j2", triggers=["svc_systemd:docker:restart"]),
    "/opt/hybrid/images/web.tar": raw("web.tar", "0644", content_type="binary"),
    "/opt/hybrid/bin/scraper": raw("scraper.sh", "0755", triggers=["svc_systemd:hybrid-scraper:restart"]),
    "/etc/hybrid/scraper.env": tpl("scraper.env.j2", "0640", group="hybrid", triggers=["svc_systemd:hybrid-scraper:restart"]),
    "/etc/systemd/system/hybrid-scraper.service": tpl("hybrid-scraper.service.j2", triggers=RELOAD + ["svc_systemd:hybrid-scraper:restart"]),
    "/etc/hybrid/restic.pass": {"content": V["restic_password"] + "\n", "mode": "0600"},
    "/etc/hybrid/backup.env": tpl("backup.env.j2", "0600"),
    "/etc/caddy/Caddyfile": tpl("Caddyfile.j2", test_with="caddy validate --adapter caddyfile --config {}", triggers=["svc_systemd:caddy:reload"], **apt),
}
for w in V["web"]:
    n = w["name"]
    files[f"/etc/hybrid/{n}.env"] = tpl("web.env.j2", "0600", item=w, triggers=[f"svc_systemd:hybrid-{n}:restart"])
    files[f"/srv/hybrid/{n}/index.html"] = tpl("index.html.j2", item=w)
    files[f"/etc/systemd/system/hybrid-{n}.service"] = tpl("container.service.j2", item=w, triggers=RELOAD + [f"svc_systemd:hybrid-{n}:restart"])
for b in V["backups"]:
    n = b["name"]
    files[f"/opt/hybrid/bin/backup-{n}"] = raw(f"backup-{n}.sh", "0755")
    files[f"/etc/systemd/system/hybrid-backup-{n}.service"] = tpl("backup.service.j2", item=b, triggers=RELOAD)
    files[f"/etc/systemd/system/hybrid-backup-{n}.timer"] = tpl("backup.timer.j2", item=b, triggers=RELOAD)

on = lambda *needs: {"running": True, "enabled": True, "needs": list(needs)}
svc_systemd = {
    "ssh": {}, "systemd-journald": {"enabled": None},
    "nftables": on("pkg_apt:", "file:/etc/nftables.conf"), "postgresql": on("pkg_apt:"), "docker": {**on("pkg_apt:", "file:/etc/docker/daemon.json", "svc_systemd:nftables"), "after": ["svc_systemd:nftables:reload"]},
    "chrony": on("pkg_apt:"), "unattended-upgrades": on("pkg_apt:"), "caddy": on("pkg_apt:"),
    "hybrid-scraper": on("file:", "postgres_db:hybrid", "action:schema"),
    **{f"hybrid-{w['name']}": on("file:", "action:image", "action:network") for w in V["web"]},
    **{f"hybrid-backup-{b['name']}.timer": on("file:") for b in V["backups"]},
}
PGUP = {"needs": ["svc_systemd:postgresql"], "after": [f"file:{PG}/conf.d/60-hybrid.conf", f"file:{PG}/pg_hba.conf", "svc_systemd:postgresql:restart", "svc_systemd:postgresql:reload"]}
postgres_roles = {
    "hybrid": {"password_hash": scram(V["db_password"]), **PGUP},
    "scraper": {"password_hash": scram("unused-peer-auth"), **PGUP},
}
postgres_dbs = {"hybrid": {"owner": "hybrid", **PGUP}}
img = V["image"]
actions = {
    "daemon-reload": {"command": "systemctl daemon-reload", "triggered": True, "cascade_skip": False},
    "sysctl": {"command": "sysctl -p /etc/sysctl.d/60-hybrid.conf", "triggered": True, "cascade_skip": False},
    "hosts": {"command": f"echo '127.0.0.1 {V['api_host']} {V['dash_host']}' >> /etc/hosts", "unless": f"grep -q '{V['api_host']}' /etc/hosts", "cascade_skip": False},
    "image": {"command": f"docker import --change 'ENTRYPOINT [\"/bin/busybox\"]' /opt/hybrid/images/web.tar {img}", "unless": f"docker image inspect {img}", "needs": ["svc_systemd:docker", "file:/opt/hybrid/images/web.tar"], "after": ["svc_systemd:docker:restart"], "cascade_skip": False},
    "network": {"command": "docker network create hybrid", "unless": "docker network inspect hybrid", "needs": ["svc_systemd:docker"], "after": ["svc_systemd:docker:restart"], "cascade_skip": False},
    "restic": {"command": "restic init -r /var/backups/hybrid/restic --password-file /etc/hybrid/restic.pass", "unless": "test -e /var/backups/hybrid/restic/config", "needs": ["pkg_apt:restic", "file:/etc/hybrid/restic.pass", "directory:/var/backups/hybrid"], "cascade_skip": False},
    "schema": {"command": "runuser -u postgres -- psql -d hybrid -c 'create schema scrape authorization scraper'", "unless": "runuser -u postgres -- psql -d hybrid -Atc \"select 1 from pg_namespace where nspname='scrape'\" | grep -q 1", "needs": ["postgres_db:hybrid", "postgres_role:"], "cascade_skip": False},
    "health": {"command": "for i in $(seq 100); do curl -fsS http://127.0.0.1:8081/ && curl -fsS http://127.0.0.1:8082/ && curl -fsSk https://%s/ && curl -fsSk https://%s/ && test -e /var/lib/hybrid/scraper/heartbeat && exit 0; sleep 0.3; done; exit 1" % (V["api_host"], V["dash_host"]), "needs": ["svc_systemd:", "file:", "action:hosts"], "cascade_skip": False},
}
