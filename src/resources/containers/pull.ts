import { joinScripts, sh } from "../../shell/script.ts";
import type { Script } from "../../shell/script.ts";
import type { Refusal } from "../resource.ts";
import { alsoRuns } from "./platforms.ts";

/** An image that Docker gets from a registry. */
export interface PullSource {
  readonly kind: "pull";
  /** `name:tag@sha256:0123…`, for people; absent: the reference itself. */
  readonly shown?: string;
  /** Whose it is: what `hostkit update` is called with. */
  readonly service: string;
  /** Key of the registry in the manifest. */
  readonly registry: string;
  /** Folder of Docker's client with the registry's login; absent: none, or one that somebody made by hand. */
  readonly config?: string;
  /** What the registry said it can run on; absent: nobody asked. */
  readonly platforms?: readonly string[];
  /** Docker's name of the host's own: `amd64`. */
  readonly architecture: string;
}

function listRunnable({ architecture }: PullSource): string[] {
  return [architecture, ...(alsoRuns[architecture] ?? [])].map((one) => `linux/${one}`);
}

/** Why a host cannot run an image, by what the registry said of it; undefined: it can, or nobody knows. */
export function refusePlatform(reference: string, source: PullSource): Refusal | undefined {
  const { platforms, shown = reference, architecture, service } = source;
  const runnable = listRunnable(source);
  const fits = (platform: string): boolean =>
    runnable.some((one) => platform === one || platform.startsWith(`${one}/`));
  if (platforms === undefined || platforms.some(fits)) return undefined;
  return {
    code: "image_unfit",
    what: `${shown} does not run on this host, which is linux/${architecture}`,
    why: `the image is there for ${platforms.join(", ")}; nothing was pulled or changed`,
    next: `name a tag that is there for linux/${architecture}, then: hostkit update ${service}`,
  };
}

/** What Docker's client says, by a part of it, and what that means; the first that fits. */
export function explainPull(reference: string, source: PullSource): Script {
  const { registry, service, config, shown = reference } = source;
  const entry = `registries[${JSON.stringify(registry)}]`;
  const say = (text: string): Script => sh`printf ${"%s\\n"} ${text}`;
  const refused = say(
    config === undefined
      ? `the pull was refused: ${registry} wants a login for ${shown}, or has no such repository. Name one in the manifest: registries: {${JSON.stringify(registry)}: {user: NAME, password: SECRET}}`
      : `the pull was refused: ${registry} does not take the user or the password for ${shown}, or has no such repository. Mend ${entry} in the manifest, or the value of its secret`,
  );
  return sh`case $(cat docker.log) in
*toomanyrequests* | *"429 Too Many Requests"*)
  ${say(`the pull was refused: ${registry} allows no more pulls for now. Wait, or log in: registries: {${JSON.stringify(registry)}: {user: NAME, password: SECRET}}`)} ;;
*"no matching manifest"* | *"does not match the specified platform"* | *"cannot be used on this platform"*)
  ${say(`the image cannot run on this host, which is linux/${source.architecture}: ${shown} is there for other architectures only. Name a tag that is there for it, then: hostkit update ${service}`)} ;;
*"manifest unknown"* | *"not found: manifest"* | *"manifest for "*" not found"* | *": not found"*)
  ${say(`the image was not found: ${registry} no longer has ${shown}. Look up which image the tag means now: hostkit update ${service}`)} ;;
*"repository name not known"* | *"name unknown"*)
  ${say(`the image was not found: ${registry} has no such repository. Mend the name of ${shown} in the manifest`)} ;;
*unauthorized* | *"no basic auth credentials"* | *"access denied"* | *"access to the resource is denied"* | *"401 Unauthorized"* | *"403 Forbidden"* | *"pull access denied"* | *"authentication required"*)
  ${refused} ;;
*x509:*)
  ${say(`the certificate of ${registry} is unknown to this host. Name who signed it in the manifest: registries: {${JSON.stringify(registry)}: {ca: FILE.pem}}`)} ;;
*"HTTP response to HTTPS client"*)
  ${say(`the pull failed: ${registry} speaks plain HTTP, which Docker refuses but on the host itself. Give it a certificate`)} ;;
*"no such host"* | *"connection refused"* | *"i/o timeout"* | *"Client.Timeout"* | *"deadline exceeded"* | *"no route to host"* | *"network is unreachable"* | *"server misbehaving"* | *"TLS handshake timeout"* | *" EOF"* | *"connection reset"*)
  ${say(`the registry could not be reached: ${registry} does not answer this host. See whether it is up; try on the host: curl -I https://${registry}/v2/`)} ;;
esac >&2`;
}

/** Pulls an image. One for another architecture does not stay: Docker takes it where the registry has no other. */
export function pullScript(reference: string, source: PullSource): Script {
  const { config, architecture, shown = reference, service } = source;
  return joinScripts([
    sh`if ! docker ${config === undefined ? [] : ["--config", config]} pull -q ${reference} >docker.log 2>&1; then
${explainPull(reference, source)}
  echo ${"docker could not pull the image; the last lines were:"} >&2
  tail -n 20 docker.log >&2
  exit 1
fi`,
    sh`runs_on=$(docker image inspect --format ${"{{.Os}}/{{.Architecture}}"} ${reference})
case ${` ${listRunnable(source).join(" ")} `} in
*" $runs_on "*) ;;
*)
  docker image rm ${reference} >/dev/null 2>&1 || true
  printf ${`the image cannot run on this host, which is linux/${architecture}: %s is for %s. Name a tag that is there for it, then: hostkit update %s\n`} ${shown} "$runs_on" ${service} >&2
  exit 1 ;;
esac`,
  ]);
}
