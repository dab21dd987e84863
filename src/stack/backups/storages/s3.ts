import { quoteWord } from "../../../shell/quote.ts";
import { pgbackrestName, pgbackrestValue } from "../../../writers/pgbackrest.ts";
import { backupPlaces } from "../jobs.ts";
import { secretOf, type StorageDriver, toolFolder } from "./storage.ts";

/** A bucket of an S3 service. */
export const s3Storage: StorageDriver<"s3"> = (repository, stack) => {
  const { name, bucket, endpoint, region, prefix, accessKey, secretKey } = repository;
  const places = backupPlaces(stack);
  const base = prefix === "" ? "" : `/${prefix}`;
  return {
    base,
    hostFolder: undefined,
    packages: [],
    pinned: "",
    leaves: () => [],
    prepare: () => [],
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
          [`${at}-s3-uri-style`, hostname.endsWith(".amazonaws.com") ? "host" : "path"],
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
