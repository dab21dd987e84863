import { sh } from "../../../shell/script.ts";
import type { Script } from "../../../shell/script.ts";
import { quoteWord } from "../../../shell/quote.ts";
import { pgbackrestName, pgbackrestValue } from "../../../writers/pgbackrest.ts";
import { backupPlaces } from "../jobs.ts";
import { secretOf, type StorageDriver, toolFolder } from "./storage.ts";

/** A bucket of an S3 service. */
export const s3Storage: StorageDriver<"s3"> = (repository, stack) => {
  const { name, bucket, endpoint, region, prefix, accessKey, secretKey, appendOnly } = repository;
  const places = backupPlaces(stack);
  const base = prefix === "" ? "" : `/${prefix}`;
  return {
    base,
    hostFolder: undefined,
    packages: appendOnly === undefined ? [] : ["curl"],
    pinned: "",
    leaves: () => [],
    prepare: () => [],
    attempt: (tool) =>
      tryToDelete(
        `${urlOf(endpoint, bucket)}${toolFolder(base, tool)}/tried-by-hostkit`,
        region,
        tool === "postgres"
          ? sh`id=$(sed -n 's/^repo[0-9]*-s3-key=//p' ${places.pgbackrestAccess(name)})
secret=$(sed -n 's/^repo[0-9]*-s3-key-secret=//p' ${places.pgbackrestAccess(name)})`
          : sh`. ${places.environment(name)}
id=$AWS_ACCESS_KEY_ID secret=$AWS_SECRET_ACCESS_KEY`,
      ),
    pgbackrest: {
      check: () => undefined,
      options(at) {
        const { hostname, port } = new URL(endpoint);
        return [
          [`${at}-type`, "s3"],
          [`${at}-path`, toolFolder(base, "postgres")],
          [`${at}-s3-bucket`, bucket],
          [`${at}-s3-endpoint`, hostname],
          [`${at}-s3-region`, region],
          [`${at}-s3-uri-style`, isOfAmazon(hostname) ? "host" : "path"],
          ...(port === "" ? [] : [[`${at}-storage-port`, port] as const]),
        ];
      },
      access(at, values) {
        const value = (secret: string) => pgbackrestValue(secretOf(values, secret)).text;
        return [
          {
            path: places.pgbackrestAccess(name),
            secret: `[${pgbackrestName(stack).text}]\n${at}-s3-key=${value(accessKey)}\n${at}-s3-key-secret=${value(secretKey)}\n`,
          },
        ];
      },
    },
    restic: {
      url: `s3:${endpoint.replace(/\/+$/, "")}/${bucket}${toolFolder(base, "files")}`,
      environment: places.environment(name),
      options: [],
      access: (values) => [
        {
          path: places.environment(name),
          secret: `AWS_ACCESS_KEY_ID=${quoteWord(secretOf(values, accessKey))}\nAWS_SECRET_ACCESS_KEY=${quoteWord(secretOf(values, secretKey))}\nAWS_DEFAULT_REGION=${quoteWord(region)}\n`,
        },
      ],
    },
  };
};

function isOfAmazon(hostname: string): boolean {
  return hostname.endsWith(".amazonaws.com");
}

function urlOf(endpoint: string, bucket: string): string {
  const { host, hostname, protocol } = new URL(endpoint);
  return isOfAmazon(hostname) ? `${protocol}//${bucket}.${host}` : `${protocol}//${host}/${bucket}`;
}

/**
 * Deletes an object that need not be there: S3 looks at the right first. Where the bucket keeps versions only a marker is made, and it is
 * the version of it that must not go.
 * @param open sets `id` and `secret`
 */
function tryToDelete(url: string, region: string, open: Script): Script {
  return sh`${open}
delete() {
  {
    printf 'user = "%s:%s"\n' "$(printf %s "$id" | sed 's/[\\"]/\\&/g')" "$(printf %s "$secret" | sed 's/[\\"]/\\&/g')"
  } | curl -sS --max-time 60 -K - --aws-sigv4 ${`aws:amz:${region}:s3`} -H ${`x-amz-content-sha256: ${hashOfNothing}`} \
    -X DELETE -D headers -o body -w '%{http_code}' "$1"
}
header() { tr -d '\r' <headers | sed -n "s/^$1: *//Ip" | head -n 1; }
# Also a key that is not known is answered with 403.
judge() {
  case $1 in
    2??) return 0 ;;
    403) grep -q '<Code>AccessDenied</Code>' body && return 1 ;;
  esac
  echo "the storage answered $1: $(head -c 300 body)" >&2
  exit 2
}
code=$(delete ${url})
if ! judge "$code"; then echo refused; exit 0; fi
version=$(header x-amz-version-id)
if [ "$(header x-amz-delete-marker)" = true ] && [ -n "$version" ]; then
  code=$(delete ${url}"?versionId=$version")
  if ! judge "$code"; then echo refused; exit 0; fi
fi
echo "delete what is there"`;
}

/** SHA-256 of an empty body. */
const hashOfNothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
