# One-round-trip state probe: ssh host 'sh -s' < probe.sh   (the floor of a no-op check)
set -u
echo '#packages'
dpkg-query -W -f '${Package}\t${Version}\t${db:Status-Abbrev}\n' docker.io docker-cli postgresql postgresql-17 caddy nftables restic unattended-upgrades chrony curl logrotate openssh-server 2>&1
echo '#users'
getent passwd scraper webapp deployer; getent group hybrid
echo '#files'
F='/etc/sudoers.d/60-hybrid /home/deployer/.ssh/authorized_keys /etc/sysctl.d/60-hybrid.conf /etc/ssh/sshd_config.d/60-hybrid.conf /etc/systemd/journald.conf.d/60-hybrid.conf
/etc/apt/apt.conf.d/20auto-upgrades /etc/apt/apt.conf.d/52unattended-upgrades-local /etc/default/chrony /etc/chrony/conf.d/60-hybrid.conf /etc/logrotate.d/hybrid /etc/nftables.conf
/etc/postgresql/17/main/conf.d/60-hybrid.conf /etc/postgresql/17/main/pg_hba.conf /etc/docker/daemon.json /opt/hybrid/images/web.tar /etc/hybrid/api.env /etc/hybrid/dashboard.env
/srv/hybrid/api/index.html /srv/hybrid/dashboard/index.html /etc/systemd/system/hybrid-api.service /etc/systemd/system/hybrid-dashboard.service /opt/hybrid/bin/scraper /etc/hybrid/scraper.env
/etc/systemd/system/hybrid-scraper.service /etc/hybrid/restic.pass /etc/hybrid/backup.env /opt/hybrid/bin/backup-pgdump /opt/hybrid/bin/backup-restic /opt/hybrid/bin/backup-verify
/etc/systemd/system/hybrid-backup-pgdump.service /etc/systemd/system/hybrid-backup-restic.service /etc/systemd/system/hybrid-backup-verify.service /etc/systemd/system/hybrid-backup-pgdump.timer
/etc/systemd/system/hybrid-backup-restic.timer /etc/systemd/system/hybrid-backup-verify.timer /etc/caddy/Caddyfile'
D='/etc/hybrid /opt/hybrid /opt/hybrid/bin /opt/hybrid/images /var/lib/hybrid /var/lib/hybrid/scraper /srv/hybrid/api /srv/hybrid/dashboard /var/backups/hybrid /etc/docker'
sha256sum $F 2>&1; stat -c '%a %u %g %F %n' $F $D 2>&1
echo '#units'
systemctl show -p Id,LoadState,ActiveState,SubState,UnitFileState,NeedDaemonReload,ExecMainStartTimestampMonotonic nftables.service postgresql.service docker.service chrony.service unattended-upgrades.service caddy.service hybrid-scraper.service hybrid-api.service hybrid-dashboard.service hybrid-backup-pgdump.timer hybrid-backup-restic.timer hybrid-backup-verify.timer
echo '#docker'
docker ps -a --no-trunc --format '{{.ID}} {{.Names}} {{.Image}} {{.Status}}'
docker inspect --format '{{.Name}} {{.Image}} {{.State.Running}}' hybrid-api hybrid-dashboard hybrid/web:1 2>&1 || docker image inspect --format '{{.Id}}' hybrid/web:1
echo '#postgres'
[ "${PG:-1}" = 1 ] && runuser -u postgres -- psql -Atc "select rolname,rolcanlogin from pg_roles where rolname in ('hybrid','scraper')" -c "select datname,pg_get_userbyid(datdba) from pg_database where datname='hybrid'"
echo '#end'
