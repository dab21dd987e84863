import { builderFacts, builderSubject } from "../../facts/containers/builder.ts";
import type { BuilderFact } from "../../facts/containers/builder.ts";
import { need } from "../../facts/fact.ts";
import type { FactNeed } from "../../facts/fact.ts";
import { joinScripts, sh } from "../../shell/script.ts";
import type { Script } from "../../shell/script.ts";
import { base64Of } from "../../writers/base64.ts";
import type { Refusal, Step } from "../resource.ts";
import { boundCache, noteCache } from "./build-cache.ts";
import type { BuildSecret, BuildSource } from "./build-source.ts";
import { explainFailure } from "./build-failure.ts";
import { buildSlice, limitBuilds, releaseBuilds } from "./build-slice.ts";
import { keepsSyntax, refuseBuild } from "./builder.ts";

/** What decides whether, and how, this host can build it. */
export const builderNeed: FactNeed = need(builderFacts, builderSubject);

/** The builder that will be there: the packages of this run bring the plugin. */
function expectBuilder(source: BuildSource, fact: BuilderFact | undefined): BuilderFact {
  if (fact === undefined) return source.usual;
  return { ...fact, hasPlugin: fact.hasPlugin || source.usual.hasPlugin };
}

/** Why the host cannot build it. @param fact undefined where no Docker answers yet */
export function refuseOn(source: BuildSource, fact: BuilderFact | undefined): Refusal | undefined {
  return refuseBuild(source.wish, expectBuilder(source, fact));
}

/** What a plan says besides: that a builder is fetched, which takes a way to its registry. */
export function notesOn(source: BuildSource, fact: BuilderFact | undefined): string[] {
  const { syntax, file } = source.wish;
  if (syntax === undefined || !keepsSyntax(source.wish, expectBuilder(source, fact).engine))
    return [];
  return [`${file} is read by ${syntax.image}, which the host fetches from its registry`];
}

/** The steps that build an image on the host. */
export function buildSteps(
  reference: string,
  source: BuildSource,
  fact: BuilderFact | undefined,
): Step[] {
  const text = chooseText(source, expectBuilder(source, fact));
  const hidden = listHidden(source);
  return [
    { type: "upload", as: "context.tar", content: { blob: source.context } },
    { type: "upload", as: `recipe/${source.name}`, content: { text } },
    {
      type: "script",
      title: `build ${reference}`,
      bound: { seconds: 4 * 3600, waitsFor: "the build of the image" },
      script: joinScripts([prepareScript(source), runScript(reference, source)]),
      ...(hidden.length === 0 ? {} : { stdin: { secret: encodeHidden(hidden) } }),
    },
  ];
}

/** The Dockerfile as this builder is to read it. */
export function chooseText(source: BuildSource, { engine }: Pick<BuilderFact, "engine">): string {
  return keepsSyntax(source.wish, engine) ? source.text : source.plainText;
}

export function listHidden({ secrets, key }: BuildSource): readonly BuildSecret[] {
  return [...secrets, ...(key === undefined ? [] : [key])];
}

/** A line a secret, its bytes in base64. */
export function encodeHidden(secrets: readonly BuildSecret[]): string {
  return [...new Map(secrets.map((one) => [one.name, one])).values()]
    .map(({ name, value }) => `${name} ${base64Of(value)}\n`)
    .join("");
}

/**
 * The context as a folder of its own, whose path no other build has: BuildKit takes files of one size and one time for the same where
 * it has seen the path before. What is ignored has stayed behind already. Docker's client gets root's own logins and plugins, and
 * writes beside them nothing that would stay.
 */
export function prepareScript({ name }: BuildSource): Script {
  return sh`at_end() {
  rm -rf context client hidden
  ${boundCache}
  ${releaseBuilds}
}
keeper=
trap at_end EXIT
${limitBuilds}
${noteCache}
rm -rf context client hidden
mkdir -m 755 context
mkdir client
tar --extract --preserve-permissions --no-same-owner --file context.tar --directory context
rm -f context.tar
: >${`recipe/${name}.dockerignore`}
for own in config.json contexts cli-plugins; do
  [ ! -e "/root/.docker/$own" ] || ln -s "/root/.docker/$own" "client/$own"
done
export DOCKER_CONFIG="$PWD/client" BUILDX_CONFIG="$PWD/client/buildx" BUILDX_BUILDER=default
export DOCKER_BUILDKIT=1 BUILDX_NO_DEFAULT_ATTESTATIONS=1 BUILDX_GIT_INFO=0`;
}

/** @param platform where it is another than the builder's own */
export function runScript(reference: string, source: BuildSource, platform?: string): Script {
  const { args, target, secrets, key } = source;
  const words = [
    ...["docker", "build", "--progress", "plain", "--cgroup-parent", buildSlice],
    ...["--file", `recipe/${source.name}`, "--tag", reference],
    ...(platform === undefined ? [] : ["--platform", platform]),
    ...Object.entries(args).flatMap(([name, value]) => ["--build-arg", `${name}=${value}`]),
    ...(target === undefined ? [] : ["--target", target]),
    ...secrets.flatMap(({ name }) => ["--secret", `id=${name},src=hidden/${name}`]),
    ...(key === undefined ? [] : ["--ssh", `default=hidden/${key.name}`]),
    "context",
  ];
  const recipe = `recipe/${source.name}`;
  if (secrets.length === 0 && key === undefined)
    return explainFailure(sh`${words}`, recipe, source.wish.file);
  const inPrivate = sh`unshare --mount --propagation private sh -eu -c ${hiddenScript(words).text}`;
  return joinScripts([sh`mkdir hidden`, explainFailure(inPrivate, recipe, source.wish.file)]);
}

/**
 * The secrets are files in memory that only this process and its children see: they are gone with it, however it ends. Of what stood
 * on the disk meanwhile the last is taken away before the build begins.
 */
function hiddenScript(words: readonly string[]): Script {
  return sh`umask 077
mount -t tmpfs -o mode=0700,size=64m hostkit-build hidden
while read -r name value; do
  printf %s "$value" | base64 -d >"hidden/$name"
done
rm -rf stdin
${words}`;
}
