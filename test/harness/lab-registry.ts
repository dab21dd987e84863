import type { LabProject } from "./lab-project.ts";

/** Name of the registry in images; only the lab host itself knows it. */
export const registryName = "registry.lab.example:5000";

/** Who may pull and push, and what everybody keeps to themselves. */
export const registryUser = "puller";
export const registryPassword = "tell-nobody: $HOME 'ü' %s";

/** Debian's own docker-registry on a lab host, with a login and a certificate of an authority of its own. */
export interface LabRegistry {
  /** PEM of its authority. */
  readonly ca: string;
  /**
   * Pushes a tiny web server that answers with `text`, for these architectures: several as an index, one as a plain manifest.
   * @returns its digest
   */
  push(image: string, text: string, architectures?: readonly string[]): Promise<string>;
  stop(): Promise<void>;
  start(): Promise<void>;
}

const folder = "/srv/registry";
const quoteForShell = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

const setUp = `set -eu
{ apt-get update -q && apt-get install -y -q --no-install-recommends docker-registry apache2-utils openssl curl busybox-static; } >/dev/null 2>&1 </dev/null
umask 022; mkdir -p ${folder}; cd ${folder}
grep -q registry.lab.example /etc/hosts || echo '127.0.0.1 registry.lab.example' >>/etc/hosts
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -days 30 -subj '/CN=Lab registry authority' 2>/dev/null
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout own.key -out own.csr -subj '/CN=registry' 2>/dev/null
echo 'subjectAltName=DNS:registry.lab.example' >ext
openssl x509 -req -in own.csr -CA ca.pem -CAkey ca.key -days 30 -extfile ext -out own.pem 2>/dev/null
htpasswd -iBc htpasswd ${registryUser} 2>/dev/null
chgrp docker-registry own.key htpasswd; chmod 640 own.key htpasswd
cat >/etc/docker/registry/config.yml <<'EOF_CONFIG'
version: 0.1
storage: { filesystem: { rootdirectory: /var/lib/docker-registry } }
http: { addr: ":5000", tls: { certificate: ${folder}/own.pem, key: ${folder}/own.key } }
auth: { htpasswd: { realm: lab, path: ${folder}/htpasswd } }
EOF_CONFIG
systemctl restart docker-registry
for _ in $(seq 50); do curl -sS -o /dev/null --cacert ca.pem https://registry.lab.example:5000/v2/ 2>/dev/null && break; sleep 0.1; done
cat ca.pem`;

/** Pushes by the registry's own protocol: no Docker is needed, and an image for another processor is only a word. */
function pushScript(image: string, text: string, architectures: readonly string[]): string {
  const [repository = "", tag = "latest"] = image.split(":");
  return `set -eu
work=$(mktemp -d); cd "$work"; read -r password
printf 'user = "%s:%s"\\n' ${registryUser} "$password" >login
call() { curl -fsS --config login --cacert ${folder}/ca.pem "$@"; }
at=https://registry.lab.example:5000/v2/${repository}
sum() { sha256sum "$1" | cut -d' ' -f1; }
blob() {
  where=$(call -D - -o /dev/null -X POST "$at/blobs/uploads/" | tr -d '\\r' | sed -n 's/^[Ll]ocation: //p')
  call -o /dev/null -X PUT -H 'Content-Type: application/octet-stream' --data-binary @"$1" "$where&digest=sha256:$(sum "$1")"
}
manifest() { call -o /dev/null -X PUT -H "Content-Type: $1" --data-binary @"$2" "$at/manifests/$3"; }
mkdir -p root/bin root/www
cp "$(command -v busybox)" root/bin/busybox
printf %s ${quoteForShell(text)} >root/www/index.html
tar -C root --sort=name --mtime=@0 --owner=0 --group=0 -cf layer.tar bin www
gzip -n -k layer.tar
blob layer.tar.gz
list=
for arch in ${architectures.join(" ")}; do
  printf '{"architecture":"%s","os":"linux","config":{"Cmd":["/bin/busybox","httpd","-f","-p","8000","-h","/www"],"StopSignal":"SIGKILL"},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' "$arch" "$(sum layer.tar)" >config
  blob config
  printf '{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json","config":{"mediaType":"application/vnd.docker.container.image.v1+json","size":%s,"digest":"sha256:%s"},"layers":[{"mediaType":"application/vnd.docker.image.rootfs.diff.tar.gzip","size":%s,"digest":"sha256:%s"}]}' "$(stat -c %s config)" "$(sum config)" "$(stat -c %s layer.tar.gz)" "$(sum layer.tar.gz)" >manifest
  manifest application/vnd.docker.distribution.manifest.v2+json manifest "sha256:$(sum manifest)"
  list="$list\${list:+,}$(printf '{"mediaType":"application/vnd.docker.distribution.manifest.v2+json","size":%s,"digest":"sha256:%s","platform":{"architecture":"%s","os":"linux"}}' "$(stat -c %s manifest)" "$(sum manifest)" "$arch")"
done
if [ ${architectures.length} -gt 1 ]; then
  printf '{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.list.v2+json","manifests":[%s]}' "$list" >index
  manifest application/vnd.docker.distribution.manifest.list.v2+json index ${tag}
else
  cp manifest index
  manifest application/vnd.docker.distribution.manifest.v2+json index ${tag}
fi
echo "sha256:$(sum index)"
rm -rf "$work"`;
}

/** Installs and starts the registry. */
export async function startRegistry(project: LabProject): Promise<LabRegistry> {
  const say = (script: string): string =>
    `printf '%s\\n' ${quoteForShell(registryPassword)} | sh -c ${quoteForShell(script)}`;
  return {
    ca: `${await project.onHost(say(setUp))}\n`,
    push: (image, text, architectures = ["amd64", "arm64"]) =>
      project.onHost(say(pushScript(image, text, architectures))),
    stop: async () => void (await project.onHost("systemctl stop docker-registry")),
    start: async () => void (await project.onHost("systemctl start docker-registry; sleep 0.5")),
  };
}
